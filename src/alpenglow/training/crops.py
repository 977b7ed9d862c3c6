"""The pictures that the autoencoder learns from: drawings and scenes at several sizes, cut into crops."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from rich.progress import track

from alpenglow.training.drawings import Library, load_drawings, render, render_svg
from alpenglow.training.run import worker_count
from alpenglow.training.scenes import SCENES, scene_svg

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shelf:
    """Pictures of one size: how many drawings (0 means each one once) and how many scenes."""

    size: int
    drawings: int
    scenes: int


SHELVES = (Shelf(256, 0, 1200), Shelf(512, 900, 300), Shelf(1024, 120, 60))


class CropPool:
    """Whole pictures in memory, cut at random places. Small pictures weigh more: they hold the detail."""

    def __init__(self, stacks: list[Pixels]) -> None:
        self.stacks = stacks  # each (number, size, size, 3)
        weights = np.array([len(stack) for stack in stacks], dtype=float)
        self.weights = weights / weights.sum()

    def __call__(self, rng: Generator, number: int, side: int) -> Pixels:
        """`number` crops of `side` pixels, uint8 (number, side, side, 3)."""
        crops = np.empty((number, side, side, 3), dtype=np.uint8)
        for i, stack in enumerate(rng.choice(len(self.stacks), number, p=self.weights)):
            pictures = self.stacks[stack]
            top, left = rng.integers(0, pictures.shape[1] - side + 1, 2)
            crop = pictures[rng.integers(len(pictures)), top : top + side, left : left + side]
            crops[i] = crop[:, ::-1] if rng.random() < 0.5 else crop
        return crops

    def whole(self, rng: Generator, number: int) -> Iterator[Pixels]:
        """Pictures uncut, (size, size, 3)."""
        for stack in rng.choice(len(self.stacks), number, p=self.weights):
            yield self.stacks[stack][rng.integers(len(self.stacks[stack]))]


def build_crop_pool(packages: Path, folder: Path, seed: int = 0) -> CropPool:
    """Render the shelves, or read them from `folder` where an earlier call left them."""
    folder.mkdir(parents=True, exist_ok=True)
    stacks = []
    for shelf in SHELVES:
        path = folder / f"{shelf.size}.npy"
        if not path.exists():
            np.save(path, _render_shelf(packages, shelf, seed))
        stacks.append(np.load(path))
    return CropPool(stacks)


def _render_shelf(packages: Path, shelf: Shelf, seed: int) -> Pixels:
    count = shelf.drawings or len(load_drawings(packages).drawings)
    with ProcessPoolExecutor(worker_count(), initializer=_open, initargs=(packages,)) as workers:
        jobs = workers.map(partial(_render_one, shelf, count, seed), range(count + shelf.scenes), chunksize=16)
        return np.stack(list(track(jobs, f"pictures at {shelf.size} px", total=count + shelf.scenes)))


_library: list[Library] = []  # one a worker process: parsing the icon sets costs a second


def _open(packages: Path) -> None:
    _library.append(load_drawings(packages))


def _render_one(shelf: Shelf, drawings: int, seed: int, index: int) -> Pixels:
    rng = np.random.default_rng([seed, shelf.size, index])
    if index >= drawings:
        return render_svg(scene_svg(SCENES[rng.integers(len(SCENES))], shelf.size, shelf.size, rng))
    pictures = list(_library[0].drawings.values())
    drawing = pictures[index] if not shelf.drawings else pictures[rng.integers(len(pictures))]
    colour = "#ffffff" if rng.random() < 0.6 else "#{:02x}{:02x}{:02x}".format(*rng.integers(0, 256, 3))
    return render(drawing, shelf.size, colour, margin=float(rng.uniform(0, 0.08)))
