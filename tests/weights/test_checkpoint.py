"""Reading files strictly, whatever their layout and cut."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from alpenglow.errors import WeightsError
from alpenglow.models.stored_fp8 import StoredFp8Linear
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.weights.checkpoint import load, save
from alpenglow.weights.layouts import LAYOUTS

NETWORKS = ("transformer", "autoencoder", "text_encoder")


def empty(like: nn.Module) -> nn.Module:
    with torch.device("meta"):
        return type(like)(like.config)


def assert_same(one: nn.Module, other: nn.Module) -> None:
    expected = other.state_dict()
    assert one.state_dict().keys() == expected.keys()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def write(path: Path, tensors: dict[str, Tensor]) -> Path:
    save_file({key: tensor.clone().contiguous() for key, tensor in tensors.items()}, path)
    return path


FP8 = torch.float8_e4m3fn


def published_fp8(network: nn.Module) -> dict[str, Tensor]:
    """As the transformer's makers publish it in fp8: every Linear of the blocks with its two scales."""
    tensors = dict(network.state_dict())
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear) and "_blocks." in name:
            stored = StoredFp8Linear.of(layer, torch.tensor(0.05)).state_dict()
            tensors |= {f"{name}.{leaf}": tensor for leaf, tensor in stored.items()}
    return tensors


def write_shards(folder: Path, stem: str, tensors: dict[str, Tensor]) -> Path:
    keys = sorted(tensors)
    weight_map = {key: f"{stem}-{1 + i % 3:05}-of-00003.safetensors" for i, key in enumerate(keys)}
    for name in set(weight_map.values()):
        write(folder / name, {key: tensors[key] for key in keys if weight_map[key] == name})
    index = folder / f"{stem}.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


@pytest.mark.parametrize("network", NETWORKS)
def test_every_layout_loads_as_one_file(network: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    module = request.getfixturevalue(network)
    for layout in LAYOUTS[type(module)]:
        file = write(tmp_path / f"{layout.name}.safetensors", layout.export(module.state_dict()))
        assert_same(load(empty(module), file), module)


@pytest.mark.parametrize("stem", ["diffusion_pytorch_model", "model"])
def test_shards_load_from_their_index_and_from_their_folder(transformer: nn.Module, tmp_path: Path, stem: str) -> None:
    index = write_shards(tmp_path, stem, LAYOUTS[Flux2Transformer][0].export(transformer.state_dict()))
    assert_same(load(empty(transformer), index), transformer)
    assert_same(load(empty(transformer), tmp_path), transformer)


@pytest.mark.parametrize("network", NETWORKS)
def test_saved_is_loaded(network: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    module = request.getfixturevalue(network)
    save(tmp_path / "new", module, stem="model", dtype=torch.float32)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["model.safetensors"]
    assert_same(load(empty(module), tmp_path / "new"), module)


def test_what_is_too_large_for_a_file_is_cut_into_shards(transformer: nn.Module, tmp_path: Path) -> None:
    limit = 8_000
    save(tmp_path, transformer, stem="model", dtype=torch.float32, shard_bytes=limit)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) > 2
    assert files[0].name == f"model-00001-of-{len(files):05}.safetensors"
    for file in files:
        tensors = load_file(file)
        assert len(tensors) == 1 or sum(tensor.nbytes for tensor in tensors.values()) <= limit
    assert_same(load(empty(transformer), tmp_path), transformer)


def test_a_single_file_is_not_hidden_by_the_index_of_an_earlier_save(transformer: nn.Module, tmp_path: Path) -> None:
    save(tmp_path, transformer, stem="model", dtype=torch.float32, shard_bytes=8_000)
    other = Flux2Transformer(transformer.config)
    save(tmp_path, other, stem="model", dtype=torch.float32)
    assert_same(load(empty(transformer), tmp_path), other)


def test_saving_over_a_loaded_file_leaves_what_was_loaded(transformer: nn.Module, tmp_path: Path) -> None:
    save(tmp_path, transformer, stem="model", dtype=torch.float32)
    loaded = load(empty(transformer), tmp_path)
    other = Flux2Transformer(transformer.config)
    save(tmp_path, other, stem="model", dtype=torch.float32)
    assert_same(loaded, transformer)
    assert_same(load(empty(transformer), tmp_path), other)


def test_dtype_casts_floating_point_and_leaves_counters(autoencoder: nn.Module, tmp_path: Path) -> None:
    file = write(tmp_path / "ae.safetensors", autoencoder.state_dict())
    loaded = load(empty(autoencoder), file, dtype=torch.bfloat16)
    kinds = {name: tensor.dtype for name, tensor in loaded.state_dict().items()}
    assert kinds.pop("bn.num_batches_tracked") == torch.int64
    assert set(kinds.values()) == {torch.bfloat16}
    weight = autoencoder.decoder.conv_in.weight
    assert torch.equal(loaded.decoder.conv_in.weight, weight.to(torch.bfloat16))


def test_without_a_cast_tensors_stay_in_the_file(transformer: nn.Module, tmp_path: Path) -> None:
    """Bytes changed in the file show in the module: nothing was copied."""
    file = write(tmp_path / "flux.safetensors", transformer.state_dict())
    loaded = load(empty(transformer), file)
    raw = bytearray(file.read_bytes())
    header = int.from_bytes(raw[:8], "little")
    with file.open("r+b") as stream:
        stream.seek(8 + header)
        stream.write(bytes(len(raw) - 8 - header))
    assert not any(parameter.any() for parameter in loaded.parameters())


def test_a_language_model_loads_with_all_that_is_not_needed(text_encoder: nn.Module, tmp_path: Path) -> None:
    tensors = text_encoder.state_dict()
    beyond = {
        key.replace("layers.2.", f"layers.{n}."): tensor
        for key, tensor in tensors.items()
        if "layers.2." in key
        for n in (3, 4, 10)
    }
    rest = {"model.norm.weight": torch.ones(16), "lm_head.weight": torch.ones(320, 16)}
    file = write(tmp_path / "model.safetensors", tensors | beyond | rest)
    assert_same(load(empty(text_encoder), file), text_encoder)


@pytest.mark.parametrize("layout", ["BFL", "repackaged BFL"])
def test_linears_that_are_stored_in_fp8_stay_so_with_their_scales(
    transformer: nn.Module, tmp_path: Path, layout: str
) -> None:
    tensors = published_fp8(transformer)
    exported = {f"model.diffusion_model.{key}" if layout == "repackaged BFL" else key: t for key, t in tensors.items()}
    file = write(tmp_path / "flux.safetensors", exported)
    loaded = load(empty(transformer), file, dtype=torch.bfloat16)
    expected = {key: t if t.dtype == FP8 or key.endswith("_scale") else t.bfloat16() for key, t in tensors.items()}
    assert loaded.state_dict().keys() == expected.keys()
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == expected[name].dtype, name
        assert torch.equal(tensor.float(), expected[name].float()), name
    layers = [part for part in loaded.modules() if isinstance(part, StoredFp8Linear)]
    assert len(layers) == sum(key.endswith(".weight_scale") for key in tensors)


def test_an_fp8_layer_without_its_scale_is_named(transformer: nn.Module, tmp_path: Path) -> None:
    tensors = published_fp8(transformer)
    del tensors["single_blocks.0.linear1.input_scale"]
    file = write(tmp_path / "flux.safetensors", tensors)
    with pytest.raises(WeightsError, match=r"1 missing: single_blocks\.0\.linear1\.input_scale"):
        load(empty(transformer), file)


def test_fp8_under_other_names_has_no_place_for_scales(transformer: nn.Module, tmp_path: Path) -> None:
    tensors = LAYOUTS[Flux2Transformer][0].export(transformer.state_dict())
    key = next(key for key in tensors if key.endswith("to_out.0.weight"))
    tensors[key] = tensors[key].to(FP8)
    plain = load(empty(transformer), write(tmp_path / "plain.safetensors", tensors), dtype=torch.bfloat16)
    assert all(t.dtype == torch.bfloat16 for t in plain.state_dict().values())
    tensors[key.replace("weight", "weight_scale")] = torch.ones(())
    with pytest.raises(WeightsError, match="quantised in a way that is not read here"):
        load(empty(transformer), write(tmp_path / "scaled.safetensors", tensors))


def test_a_stored_fp8_layer_is_the_linear_of_its_numbers() -> None:
    linear = nn.Linear(24, 16, bias=False)
    layer = StoredFp8Linear.of(linear, torch.tensor(0.1))
    x = torch.randn(3, 5, 24, generator=torch.Generator().manual_seed(1))
    assert torch.equal(layer(x), layer.plain(torch.float32)(x))
    rounding = 2**-4  # e4m3 has three bits of mantissa
    error = (layer.plain(torch.float32).weight - linear.weight).abs()
    assert (error <= rounding * linear.weight.abs() + 1e-4).all()


Edit = Callable[[dict[str, Tensor]], object]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.pop("img_in.weight"), r"1 missing: img_in\.weight"),
        (lambda t: t.update(more=torch.ones(1)), "1 unexpected: more"),
        (
            lambda t: t.update({"img_in.weight": torch.ones(4, 5)}),
            r"1 of another shape: img_in\.weight \[4, 5\] instead",
        ),
        (lambda t: [t.pop(key) for key in list(t) if key.startswith("single")], r"13 missing: single_.*, \.\.\."),
        (lambda t: t.update({"img_in.weight_scale": torch.ones(())}), "the file is quantised"),
    ],
)
def test_what_does_not_fit_is_named(transformer: nn.Module, tmp_path: Path, edit: Edit, said: str) -> None:
    tensors = dict(transformer.state_dict())
    edit(tensors)
    file = write(tmp_path / "flux.safetensors", tensors)
    with pytest.raises(WeightsError, match=said) as raised:
        load(empty(transformer), file)
    assert str(file) in str(raised.value)


def test_a_buffer_that_no_file_holds_is_named(transformer: nn.Module, tmp_path: Path) -> None:
    file = write(tmp_path / "flux.safetensors", transformer.state_dict())
    module = empty(transformer)
    module.register_buffer("table", torch.empty(3, device="meta"), persistent=False)
    with pytest.raises(WeightsError, match="buffers that no file holds: table"):
        load(module, file)


def test_shapes_are_told_by_the_names_in_the_file(transformer: nn.Module, tmp_path: Path) -> None:
    tensors = LAYOUTS[Flux2Transformer][0].export(transformer.state_dict())
    tensors["transformer_blocks.1.attn.to_k.weight"] = torch.ones(31, 32)
    file = write(tmp_path / "flux.safetensors", tensors)
    with pytest.raises(WeightsError, match=r"transformer_blocks\.1\.attn\.to_k\.weight \[31, 32\] instead of"):
        load(empty(transformer), file)


def test_another_size_is_recognised(tmp_path: Path) -> None:
    """Heads of 3072 and 4096 columns, thin elsewhere, so that the test needs no gigabytes."""

    def thin(hidden_size: int) -> TransformerConfig:
        return TransformerConfig(
            hidden_size=hidden_size,
            num_heads=hidden_size // 128,
            num_double_blocks=0,
            num_single_blocks=0,
            context_dim=8,
        )

    with torch.device("meta"):
        asked = Flux2Transformer(thin(4096))
    file = write(tmp_path / "flux.safetensors", {"img_in.weight": torch.ones(3072, 128)})
    with pytest.raises(WeightsError, match="looks like klein 4B, asked for was klein 9B"):
        load(asked, file)


def test_another_network_is_recognised(transformer: nn.Module, text_encoder: nn.Module, tmp_path: Path) -> None:
    file = write(tmp_path / "model.safetensors", text_encoder.state_dict())
    with pytest.raises(WeightsError, match="not the weights of this network"):
        load(empty(transformer), file)


def test_a_missing_file_a_missing_shard_and_a_folder_without_weights_are_named(
    transformer: nn.Module, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="nowhere"):
        load(empty(transformer), tmp_path / "nowhere.safetensors")
    with pytest.raises(WeightsError, match="holds no weights"):
        load(empty(transformer), tmp_path)
    write_shards(tmp_path, "model", transformer.state_dict())
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model-00002-of-00003.*interrupted"):
        load(empty(transformer), tmp_path)


@pytest.mark.parametrize("damage", [lambda raw: raw[:-10], lambda raw: raw[:5], lambda raw: b"x" * len(raw)])
def test_a_damaged_file_is_named(transformer: nn.Module, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = write(tmp_path / "flux.safetensors", transformer.state_dict())
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(WeightsError, match=r"flux\.safetensors is not a readable"):
        load(empty(transformer), file)


def test_an_index_that_is_none_is_named(transformer: nn.Module, tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    for content in ("{", "[]", '{"weight_map": []}'):
        index.write_text(content)
        with pytest.raises(WeightsError, match="not an index"):
            load(empty(transformer), tmp_path)
