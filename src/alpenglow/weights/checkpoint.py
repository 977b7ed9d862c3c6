"""Safetensors files into networks and back: one file, shards with an index, or a component folder of diffusers.

Tensors are read one by one, straight into their place. Names are `layouts`' business; which files make a model is
`hub`'s.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from alpenglow.errors import WeightsError
from alpenglow.models.stored_fp8 import StoredFp8Linear
from alpenglow.weights.hub import weight_files
from alpenglow.weights.layouts import LAYOUTS, VARIANTS, Layout, Stored

M = TypeVar("M", bound=nn.Module)

SHARD_BYTES = 5_000_000_000
"""What a file holds at most unless told otherwise, as transformers has it."""


def load(module: M, path: Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu") -> M:
    """Give a network that was built on the meta device its weights, and return it.

    `path` is a safetensors file, an index of shards or a folder with either, in any layout of `LAYOUTS`. Floating-point
    tensors are cast to `dtype` if one is given; on the CPU, tensors that need no cast stay mapped from the file.
    Linears that the file holds in fp8 become StoredFp8Linears, and stay as they are.
    Raises WeightsError, before any data is read, naming missing, unexpected and wrongly shaped keys.
    """
    checkpoint = Checkpoint(path)
    layout = _layout_of(checkpoint, LAYOUTS[type(module)], module.state_dict())
    in_fp8 = _make_room_for_fp8(module, checkpoint, layout)
    expected = module.state_dict()
    stored = layout.locate(expected)
    if problems := _problems(checkpoint, layout, stored, expected):
        hint = _hint(checkpoint, stored, module, expected)
        raise WeightsError(f"{path} does not fit ({layout.name} layout): {'; '.join([*problems, *hint])}")

    tensors = {}
    for name, (keys, form) in stored.items():
        tensor = form.join([checkpoint.read(key) for key in keys])
        as_stored = not tensor.is_floating_point() or name.rpartition(".")[0] in in_fp8
        tensors[name] = tensor.to(device, None if as_stored else dtype)
    module.load_state_dict(tensors, assign=True)
    if left := [name for name, buffer in module.named_buffers() if buffer.is_meta]:
        raise WeightsError(f"{type(module).__name__} keeps buffers that no file holds: {_some(left)}")
    return module


def save(
    folder: Path,
    module: nn.Module,
    *,
    stem: str,
    dtype: torch.dtype,
    extra: Mapping[str, Tensor] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write a network as `folder/stem.safetensors` in the layout of diffusers. A reader never sees half a file.

    What takes more than `shard_bytes` is written as shards with an index. `extra` tensors, under their names on disk,
    are what other programs expect beyond what we build.
    """
    tensors = LAYOUTS[type(module)][0].export(module.state_dict()) | dict(extra or {})
    ready = {
        # Copied, since pieces of one tensor may not share memory in a file.
        key: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else None, copy=True).contiguous()
        for key, tensor in tensors.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    shards = _shards(ready, shard_bytes)
    count = len(shards)
    parts = [""] if count == 1 else [f"-{n:05}-of-{count:05}" for n in range(1, count + 1)]
    names = [f"{stem}{part}.safetensors" for part in parts]
    for name, shard in zip(names, shards, strict=True):
        partial = folder / f"{name}.partial"
        save_file(shard, partial, metadata={"format": "pt"})
        partial.replace(folder / name)
    index = folder / f"{stem}.safetensors.index.json"
    if count == 1:
        index.unlink(missing_ok=True)  # of an earlier save: it would be believed
        return
    weight_map = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
    total = {"total_size": sum(t.nbytes for t in ready.values())}
    partial = index.with_suffix(".partial")
    partial.write_text(json.dumps({"metadata": total, "weight_map": weight_map}, indent=2, sort_keys=True), "utf-8")
    partial.replace(index)


def _shards(tensors: Mapping[str, Tensor], limit: int) -> list[dict[str, Tensor]]:
    """Tensors in their order, cut into shards of at most `limit` bytes or one tensor."""
    shards: list[dict[str, Tensor]] = [{}]
    room = limit
    for key, tensor in tensors.items():
        if tensor.nbytes > room and shards[-1]:
            shards.append({})
            room = limit
        shards[-1][key] = tensor
        room -= tensor.nbytes
    return shards


class Checkpoint:
    """The tensors of one network on disk, by their names there. Opening reads headers only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, Any] = {}
        for file in weight_files(path):
            try:
                opened = safe_open(file, framework="pt")
            except (SafetensorError, OSError) as error:
                raise WeightsError(f"{file} is not a readable safetensors file: {error}") from error
            self._files |= dict.fromkeys(opened.keys(), opened)  # type: ignore[no-untyped-call]

    @property
    def keys(self) -> frozenset[str]:
        """Every name in the files."""
        return frozenset(self._files)

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of one tensor, from the header."""
        return tuple(self._files[key].get_slice(key).get_shape())

    def dtype(self, key: str) -> str:
        """Of one tensor, from the header, as safetensors names it: BF16, F8_E4M3."""
        return str(self._files[key].get_slice(key).get_dtype())

    def read(self, key: str) -> Tensor:
        """One tensor on the CPU, as stored."""
        tensor: Tensor = self._files[key].get_tensor(key)
        return tensor


def _layout_of(checkpoint: Checkpoint, layouts: Iterable[Layout], names: Iterable[str]) -> Layout:
    """The layout most of whose keys are in the files."""
    return max(layouts, key=lambda layout: len(checkpoint.keys & _keys(layout.locate(names))))


def _make_room_for_fp8(module: nn.Module, checkpoint: Checkpoint, layout: Layout) -> frozenset[str]:
    """Put a StoredFp8Linear wherever a file whose layout has scales holds a weight in fp8; those layers' names."""
    linears = {n: part for n, part in module.named_modules() if isinstance(part, nn.Linear) and part.bias is None}
    stored = layout.locate(f"{name}.weight" for name in linears)
    in_fp8 = set()
    for name, linear in linears.items():
        keys = stored[f"{name}.weight"].keys
        scaled = len(keys) == 1 and layout.covers(f"{name}.weight_scale")
        if scaled and keys[0] in checkpoint.keys and checkpoint.dtype(keys[0]) == "F8_E4M3":
            with torch.device("meta"):
                module.set_submodule(name, StoredFp8Linear(linear.in_features, linear.out_features))
            in_fp8.add(name)
    return frozenset(in_fp8)


def _keys(stored: Mapping[str, Stored]) -> frozenset[str]:
    return frozenset(key for place in stored.values() for key in place.keys)


def _problems(
    checkpoint: Checkpoint, layout: Layout, stored: Mapping[str, Stored], expected: Mapping[str, Tensor]
) -> list[str]:
    """What keeps the files from fitting the network, a clause each; empty if nothing does."""
    wanted = _keys(stored)
    shapes = {
        key: tuple(piece.shape)
        for name, place in stored.items()
        for key, piece in zip(place.keys, place.form.split(expected[name]), strict=True)
    }
    differing = [
        f"{key} {list(checkpoint.shape(key))} instead of {list(shape)}"
        for key, shape in shapes.items()
        if key in checkpoint.keys and checkpoint.shape(key) != shape
    ]
    kinds = {
        "missing": [key for key in shapes if key not in checkpoint.keys],
        "unexpected": [key for key in sorted(checkpoint.keys - wanted) if not layout.ignores(key, wanted)],
        "of another shape": differing,
    }
    return [f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in kinds.items() if keys]


def _hint(
    checkpoint: Checkpoint, stored: Mapping[str, Stored], module: nn.Module, expected: Mapping[str, Tensor]
) -> list[str]:
    """A guess at what the files are instead, if there is one."""
    if any(key.endswith(("weight_scale", "scale_weight")) for key in checkpoint.keys):
        return ["the file is quantised in a way that is not read here; use the bf16 one, or BFL's in fp8"]
    probe, variants = VARIANTS[type(module)]
    key = stored[probe].keys[0] if probe in stored else probe
    if key not in checkpoint.keys:
        return ["these are not the weights of this network at all"] if not checkpoint.keys & _keys(stored) else []
    there, asked = variants.get(checkpoint.shape(key)[0]), variants.get(expected[probe].shape[0])
    return [f"this looks like {there}, asked for was {asked or 'another size'}"] if there and there != asked else []


def _some(keys: list[str], limit: int = 3) -> str:
    """The first few of many names."""
    return ", ".join(keys[:limit]) + (", ..." if len(keys) > limit else "")
