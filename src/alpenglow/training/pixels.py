"""What pictures are put together from, rendered once and kept on disk: drawings cut out, and scenes.

Each array is a file of its own, written whole or not at all, and is read as it is needed. Knows no captions.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from rich.progress import track

from alpenglow.training.drawings import Drawing, Library
from alpenglow.training.pictures import cut_out, render_scene
from alpenglow.training.run import worker_count
from alpenglow.training.scenes import SCENES

CELLS = (512, 256, 128)
"""Pixels of a cell: of a thing in a picture of 512x512 and above, in one of 256x256, and of two in 256x256."""

SCENE_FRAMES = (
    *((256, 256), (512, 512), (1024, 768), (1024, 1024), (768, 1024)),
    *((1280, 768), (1920, 1088), (1088, 1920)),
)
"""Widths and heights, in pixels, at which scenes are shown."""

Bytes = NDArray[np.uint8]
Render = Callable[[int, tuple[int, ...]], Bytes]
"""A row by its number, and the shape of the whole array, to (height, width, channels)."""


@dataclass(frozen=True)
class Rendered:
    """`cutouts` by cell, (drawings, 4, cell, cell), in the order of the library; `scenes` by (width, height),
    (scenes, 3, height, width), in the order of SCENES.
    """

    cutouts: dict[int, Bytes]
    scenes: dict[tuple[int, int], Bytes]


def render_all(
    library: Library, folder: Path, frames: Sequence[tuple[int, int]] = SCENE_FRAMES, cells: Sequence[int] = CELLS
) -> Rendered:
    """Render what is not in `folder` yet; map all of it into memory."""
    drawings, scenes = tuple(library.drawings.values()), len(SCENES)
    return Rendered(
        {
            cell: _kept(drawings, folder / f"cutouts-{cell}.npy", (len(drawings), 4, cell, cell), _cut_out)
            for cell in cells
        },
        {
            (width, height): _kept((), folder / f"scenes-{width}x{height}.npy", (scenes, 3, height, width), _see)
            for width, height in frames
        },
    )


def _kept(drawings: tuple[Drawing, ...], path: Path, shape: tuple[int, ...], render: Render) -> Bytes:
    """The array at `path`, of which `render` makes a row by its number."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial_path = path.with_suffix(".partial")
        open_memmap(partial_path, "w+", np.uint8, shape).flush()
        with ProcessPoolExecutor(worker_count(), initializer=_open, initargs=(drawings, partial_path)) as workers:
            rows = workers.map(partial(_write, render, shape), range(shape[0]), chunksize=8)
            for _ in track(rows, path.stem, total=shape[0]):
                pass
        partial_path.replace(path)
    kept: Bytes = np.load(path, mmap_mode="c")  # copied where written to, which nobody does: torch asks for it
    if kept.shape != shape:
        raise ValueError(f"{path} is of shape {kept.shape}, not {shape}: remove it, it is from other drawings")
    return kept


_drawings: list[Drawing] = []  # of a worker process, as is what it writes to
_target: list[Bytes] = []


def _open(drawings: tuple[Drawing, ...], path: Path) -> None:
    _drawings.extend(drawings)
    _target.append(open_memmap(path, "r+"))


def _write(render: Render, shape: tuple[int, ...], row: int) -> None:
    _target[0][row] = render(row, shape).transpose(2, 0, 1)


def _cut_out(row: int, shape: tuple[int, ...]) -> Bytes:
    """(cell, cell, 4), clear in its margin."""
    image = np.zeros((*shape[2:], shape[1]), np.uint8)
    sprite, inset = cut_out(_drawings[row], shape[-1])
    image[inset : inset + sprite.height, inset : inset + sprite.width] = np.asarray(sprite)
    return image


def _see(row: int, shape: tuple[int, ...]) -> Bytes:
    return render_scene(SCENES[row], shape[3], shape[2])
