"""The tables of names: against diffusers' own converter, and there and back."""

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers
from torch import Tensor, nn

from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.weights.layouts import LAYOUTS, Layout

NETWORKS = ("transformer", "autoencoder", "text_encoder")


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def imported(layout: Layout, theirs: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    return {name: form.join([theirs[key] for key in keys]) for name, (keys, form) in layout.locate(names).items()}


@pytest.mark.parametrize("network", NETWORKS)
def test_every_layout_returns_the_same_tensors(network: str, request: pytest.FixtureRequest) -> None:
    module = request.getfixturevalue(network)
    ours = module.state_dict()
    for layout in LAYOUTS[type(module)]:
        theirs = layout.export(ours)
        assert equal(imported(layout, theirs, list(ours)), ours), layout.name
        assert equal(layout.export(imported(layout, theirs, list(ours))), theirs), layout.name


def test_transformer_layout_is_that_of_the_converter_of_diffusers(transformer: Flux2Transformer) -> None:
    theirs = convert_flux2_transformer_checkpoint_to_diffusers(dict(transformer.state_dict()))
    assert equal(LAYOUTS[Flux2Transformer][0].export(transformer.state_dict()), theirs)


def test_numbers_of_blocks_do_not_matter() -> None:
    config = TransformerConfig(
        hidden_size=16, num_heads=1, num_double_blocks=11, num_single_blocks=12, context_dim=8, axes_dim=(4, 4, 4, 4)
    )
    with torch.device("meta"):
        names = list(Flux2Transformer(config).state_dict())
        levels = list(AutoEncoder(AutoEncoderConfig(channels=(8,) * 12, norm_groups=4)).state_dict())
    keys = LAYOUTS[Flux2Transformer][0].locate(names)
    assert keys["double_blocks.10.img_mlp.0.weight"].keys == ("transformer_blocks.10.ff.linear_in.weight",)
    keys = LAYOUTS[AutoEncoder][0].locate(levels)
    assert keys["decoder.up.11.block.2.conv1.bias"].keys == ("decoder.up_blocks.0.resnets.2.conv1.bias",)
    assert keys["decoder.up.0.block.0.conv1.bias"].keys == ("decoder.up_blocks.11.resnets.0.conv1.bias",)


def test_a_name_without_a_rule_is_a_hole_in_the_table() -> None:
    with pytest.raises(KeyError, match="img_out"):
        LAYOUTS[Flux2Transformer][0].locate(["img_out.weight"])


def test_only_whole_parts_that_are_not_built_are_ignored(text_encoder: nn.Module) -> None:
    layout, read = LAYOUTS[TextEncoder][0], text_encoder.state_dict().keys()
    assert layout.ignores("lm_head.weight", read)
    assert layout.ignores("model.norm.weight", read)
    assert layout.ignores("model.layers.3.self_attn.q_proj.weight", read)
    assert not layout.ignores("model.layers.2.self_attn.q_proj.bias", read), "a bias that we would leave out"
    assert not layout.ignores("model.embed_positions.weight", read)
