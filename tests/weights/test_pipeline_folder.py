"""Folders of diffusers and transformers: theirs are read, ours are read by them."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from safetensors.torch import save_file
from torch import nn
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from alpenglow.catalogue import ROWS
from alpenglow.errors import WeightsError
from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import Flux2Transformer
from alpenglow.weights.checkpoint import SHARD_BYTES
from alpenglow.weights.hub import Files
from alpenglow.weights.layouts import LAYOUTS
from alpenglow.weights.networks import Architecture, Networks, load_networks
from alpenglow.weights.pipeline_folder import check_config, save_pipeline


@pytest.fixture
def theirs(tokenizer_folder: Path) -> Flux2KleinPipeline:
    """A klein pipeline of diffusers with random weights, of the tiny architecture spelled out in its own words."""
    torch.manual_seed(0)
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 16, 24),
        decoder_block_out_channels=(8, 16, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    vae.bn.running_mean.uniform_(-1, 1)
    vae.bn.running_var.uniform_(1, 2)
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=320,
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=5,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                rope_theta=1e6,
            )
        ),
        tokenizer=AutoTokenizer.from_pretrained(tokenizer_folder),
        transformer=Flux2Transformer2DModel(
            in_channels=16,
            num_layers=2,
            num_single_layers=3,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
    )


def load_folder(architecture: Architecture, folder: Path) -> Networks:
    return load_networks(architecture, Files.in_folder(folder))


def holds(theirs: nn.Module, ours: nn.Module) -> bool:
    tensors = theirs.state_dict()
    return all(torch.equal(tensors[key], t) for key, t in LAYOUTS[type(ours)][0].export(ours.state_dict()).items())


def test_a_pipeline_that_diffusers_saved_is_read(
    theirs: Flux2KleinPipeline, architecture: Architecture, tmp_path: Path
) -> None:
    theirs.save_pretrained(tmp_path)
    networks = load_folder(architecture, tmp_path)
    assert holds(theirs.transformer, networks.transformer)
    assert holds(theirs.vae, networks.autoencoder)
    assert holds(theirs.text_encoder, networks.text_encoder)
    modules = (networks.transformer, networks.autoencoder, networks.text_encoder)
    assert not any(module.training for module in modules)
    assert not any(parameter.requires_grad for module in modules for parameter in module.parameters())
    ids, _ = networks.tokenizer.encode(["the sun"])
    assert ids.shape == (1, architecture.max_text_tokens)


def test_single_files_make_the_same_networks(
    theirs: Flux2KleinPipeline, architecture: Architecture, tmp_path: Path
) -> None:
    """BFL's transformer and autoencoder files beside the text encoder's folder."""
    theirs.save_pretrained(tmp_path)
    one = load_folder(architecture, tmp_path)
    files = Files.in_folder(tmp_path)
    single = Files(
        bfl_file(one.transformer, tmp_path / "flux.safetensors"),
        bfl_file(one.autoencoder, tmp_path / "ae.safetensors"),
        files.text_encoder / "model.safetensors",
        files.tokenizer,
    )
    other = load_networks(architecture, single)
    for name in ("transformer", "autoencoder", "text_encoder"):
        a, b = getattr(one, name).state_dict(), getattr(other, name).state_dict()
        assert all(torch.equal(a[key], b[key]) for key in a | b)


def bfl_file(module: nn.Module, path: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, path)
    return path


@pytest.fixture(params=[SHARD_BYTES, 8_000], ids=["whole", "in shards"])
def saved(
    transformer: Flux2Transformer,
    autoencoder: AutoEncoder,
    text_encoder: TextEncoder,
    tokenizer_folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Path:
    save_pipeline(tmp_path, transformer, autoencoder, text_encoder, dtype=torch.float32, shard_bytes=request.param)
    shutil.copytree(tokenizer_folder, tmp_path / "tokenizer")
    return tmp_path


def test_what_we_save_diffusers_loads(
    saved: Path, transformer: nn.Module, autoencoder: nn.Module, text_encoder: nn.Module
) -> None:
    pipeline = Flux2KleinPipeline.from_pretrained(saved)
    assert pipeline.config.is_distilled
    assert holds(pipeline.transformer, transformer)
    assert holds(pipeline.vae, autoencoder)
    assert holds(pipeline.text_encoder, text_encoder)
    assert pipeline.scheduler.config.use_dynamic_shifting


def test_the_added_layer_lets_transformers_see_the_raw_hidden_states(saved: Path, text_encoder: TextEncoder) -> None:
    theirs = Qwen3ForCausalLM.from_pretrained(saved / "text_encoder").eval()
    ids = torch.arange(12)[None] * 7
    mask = torch.arange(12)[None] < 9
    with torch.no_grad():
        states = theirs(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        ours = text_encoder(ids, mask)
    expected = torch.cat([states[tap] for tap in text_encoder.config.taps], dim=-1)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_the_autoencoder_computes_the_same_in_diffusers(saved: Path, autoencoder: AutoEncoder) -> None:
    theirs = AutoencoderKLFlux2.from_pretrained(saved / "vae").eval()
    image, latents = torch.rand(1, 3, 16, 24), torch.rand(1, 4, 6, 4)
    with torch.no_grad():
        torch.testing.assert_close(autoencoder.encoder(image), theirs.encode(image).latent_dist.parameters)
        torch.testing.assert_close(autoencoder.decoder(latents), theirs.decode(latents).sample)


def test_saved_weights_take_the_dtype(saved: Path, architecture: Architecture, tmp_path: Path) -> None:
    networks = load_folder(architecture, saved)
    halved = tmp_path / "halved"
    save_pipeline(
        halved, networks.transformer, networks.autoencoder, networks.text_encoder, dtype=torch.bfloat16, distilled=False
    )
    shutil.copytree(saved / "tokenizer", halved / "tokenizer")
    again = load_networks(architecture, Files.in_folder(halved))
    assert again.transformer.img_in.weight.dtype == torch.bfloat16
    assert torch.equal(again.transformer.img_in.weight, networks.transformer.img_in.weight.bfloat16())
    wide = load_networks(architecture, Files.in_folder(halved), torch.bfloat16, autoencoder_dtype=torch.float32)
    assert wide.autoencoder.decoder.conv_in.weight.dtype == torch.float32
    assert wide.text_encoder.model.embed_tokens.weight.dtype == torch.bfloat16
    assert json.loads(halved.joinpath("model_index.json").read_text())["is_distilled"] is False


def test_a_config_of_another_model_is_told_key_by_key(saved: Path, architecture: Architecture) -> None:
    file = saved / "transformer" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"rope_theta": 10000, "num_layers": 7}))
    with pytest.raises(WeightsError, match="num_layers is 7, expected 2; rope_theta is 10000, expected 2000"):
        load_folder(architecture, saved)


def test_a_config_that_is_not_json_is_named(saved: Path, autoencoder: AutoEncoder) -> None:
    saved.joinpath("vae", "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"vae/config\.json is not JSON"):
        check_config(saved / "vae", autoencoder)


def test_a_language_model_that_sees_is_checked_by_its_text_part(tmp_path: Path, text_encoder: TextEncoder) -> None:
    text = {"hidden_size": 16, "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}}
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"hidden_size": 5, "text_config": text}))
    check_config(tmp_path, text_encoder)
    file.write_text(json.dumps({"text_config": text | {"rope_parameters": {"rope_theta": 1e9}}}))
    with pytest.raises(WeightsError, match=r"rope_theta is 1000000000\.0"):
        check_config(tmp_path, text_encoder)


KLEIN_9B = {
    "_class_name": "Flux2Transformer2DModel",
    "attention_head_dim": 128,
    "axes_dims_rope": [32, 32, 32, 32],
    "eps": 1e-06,
    "guidance_embeds": False,
    "in_channels": 128,
    "joint_attention_dim": 12288,
    "mlp_ratio": 3.0,
    "num_attention_heads": 32,
    "num_layers": 8,
    "num_single_layers": 24,
    "out_channels": None,
    "patch_size": 1,
    "rope_theta": 2000,
    "timestep_guidance_channels": 256,
}
"""transformer/config.json of klein-9B."""


def test_the_published_config_of_klein_9b_fits_its_rows_and_no_other(tmp_path: Path) -> None:
    tmp_path.joinpath("config.json").write_text(json.dumps(KLEIN_9B))
    fitting = []
    for row in ROWS:
        with torch.device("meta"):
            module = Flux2Transformer(row.architecture.transformer)
        with contextlib.suppress(WeightsError):
            check_config(tmp_path, module)
            fitting.append(row.name)
    assert fitting == ["klein-9b", "klein-9b-kv", "klein-base-9b"]
