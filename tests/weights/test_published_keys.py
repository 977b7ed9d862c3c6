"""Every row of the catalogue, built without memory, against the tensors of the real checkpoints (tests/data/keys)."""

import hashlib
import json
import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from alpenglow.catalogue import ROWS, Row
from alpenglow.catalogue import find as find_row
from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import Flux2Transformer
from alpenglow.weights.layouts import LAYOUTS, Layout

KEYS = Path(__file__).parent.parent / "data" / "keys"
PUBLISHED = [row for row in ROWS if row.published is not None]
SIZE = {"klein-9b-kv": "klein-9b", "klein-base-4b": "klein-4b", "klein-base-9b": "klein-9b"}
"""Rows whose checkpoints have the tensors of another row."""

Shapes = dict[str, tuple[int, ...]]


def published(name: str) -> Shapes:
    """The tensors of a real checkpoint in their order; the form of the files is told in tests/data/record_keys.py."""
    shapes: Shapes = {}
    block: list[str] = []
    seen: Counter[str] = Counter()

    def add(prefix: str, line: str) -> None:
        key, *sizes = line.split()
        shapes[prefix + key] = tuple(map(int, sizes))

    def flush() -> None:
        if block:
            times, prefix = block[0].split(" x ")
            for _ in range(int(times)):
                for line in block[1:]:
                    add(f"{prefix}{seen[prefix]}.", line)
                seen[prefix] += 1
            block.clear()

    for line in KEYS.joinpath(f"{name}.txt").read_text().splitlines():
        if line.startswith("  "):
            block.append(line)
            continue
        flush()
        if " x " in line:
            block.append(line)
        else:
            add("", line)
    flush()
    return shapes


def built(module_type: type[nn.Module], config: object) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return module_type(config).state_dict()  # type: ignore[call-arg]


def on_disk(layout: Layout, tensors: dict[str, torch.Tensor]) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in layout.export(tensors).items()}


def parameters(shapes: Shapes) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.name)
def test_transformer_has_exactly_the_published_tensors(row: Row) -> None:
    ours = on_disk(LAYOUTS[Flux2Transformer][0], built(Flux2Transformer, row.architecture.transformer))
    assert ours == published(f"transformer.{SIZE.get(row.name, row.name)}")


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.name)
def test_text_encoder_reads_published_tensors_and_ignores_only_later_layers(row: Row) -> None:
    there = published(f"text_encoder.{SIZE.get(row.name, row.name)}")
    tensors = built(TextEncoder, row.architecture.text_encoder)
    layout = LAYOUTS[TextEncoder][1 if row.name == "dev" else 0]
    ours = on_disk(layout, tensors)
    assert ours.items() <= there.items()
    assert {key for key in there if not layout.ignores(key, ours)} == ours.keys()


@pytest.mark.parametrize(
    ("name", "config", "count"),
    [
        ("flux2", AutoEncoderConfig(), 84_046_115),
        ("small-decoder", AutoEncoderConfig(decoder_channels=(96, 192, 384, 384)), 62_373_091),
    ],
)
def test_autoencoder_has_exactly_the_published_tensors(name: str, config: AutoEncoderConfig, count: int) -> None:
    tensors = built(AutoEncoder, config)
    ours = on_disk(LAYOUTS[AutoEncoder][0], tensors)
    assert ours == published(f"autoencoder.{name}")
    assert len(tensors) == len(ours) == 251
    assert parameters({key: shape for key, shape in ours.items() if not key.startswith("bn.")}) == count


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.name)
def test_rows_use_the_published_autoencoder(row: Row) -> None:
    assert row.architecture.autoencoder == AutoEncoderConfig()


@pytest.mark.parametrize(
    ("name", "count", "diffusers", "bfl"),
    [
        ("klein-4b", 3_875_544_576, 169, 149),
        ("klein-9b", 9_078_581_248, 233, 201),
        ("dev", 32_223_281_152, 331, 299),
    ],
)
def test_parameters_and_tensors_of_both_layouts(name: str, count: int, diffusers: int, bfl: int) -> None:
    tensors = built(Flux2Transformer, find_row(name).architecture.transformer)
    layouts = {layout.name: on_disk(layout, tensors) for layout in LAYOUTS[Flux2Transformer]}
    assert len(layouts["diffusers"]) == diffusers
    assert len(layouts["BFL"]) == bfl
    assert {parameters(shapes) for shapes in layouts.values()} == {count}


@pytest.mark.parametrize(("name", "count"), [("klein-4b", 3_114_088_192), ("klein-9b", 5_831_883_520)])
def test_text_encoder_builds_only_what_is_tapped(name: str, count: int) -> None:
    tensors = built(TextEncoder, find_row(name).architecture.text_encoder)
    assert sum(tensor.numel() for tensor in tensors.values()) == count


def shards(shapes: Shapes, most_bytes: int) -> list[list[str]]:
    """Names by file: bfloat16 tensors in order, a new file where the next tensor would exceed the limit."""
    files: list[list[str]] = [[]]
    held = 0
    for key, shape in shapes.items():
        size = 2 * math.prod(shape)
        if held + size > most_bytes:
            files.append([])
            held = 0
        files[-1].append(key)
        held += size
    return files


def test_recorded_list_rebuilds_the_index_file_of_klein_9b() -> None:
    """Byte for byte: names, order, sizes. The digest is that of the published index of shards."""
    shapes = published("transformer.klein-9b")
    files = shards(shapes, 10_000_000_000)
    weight_map = {
        key: f"diffusion_pytorch_model-{number:05}-of-{len(files):05}.safetensors"
        for number, file in enumerate(files, start=1)
        for key in file
    }
    index = {"metadata": {"total_size": 2 * parameters(shapes)}, "weight_map": weight_map}
    text = json.dumps(index, indent=2, sort_keys=True) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "96fe598b12bdfa266f54c2a6027dedc6e87016cce7e19cb2821a8b7deaf9deb9"


def test_recorded_text_encoder_of_klein_9b_shards_as_published() -> None:
    shapes = published("text_encoder.klein-9b")
    assert parameters(shapes) == 8_190_735_360
    assert [len(file) for file in shards(shapes, 5_000_000_000)] == [107, 142, 140, 10]
