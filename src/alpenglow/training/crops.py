"""The pictures that the decoder learns from: drawings and scenes at several sizes, cut into crops."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from rich.progress import track
from torch import Tensor

from alpenglow.models.autoencoder import AutoEncoder, patchify
from alpenglow.training.drawings import Library, Pixels, load_drawings, render, render_svg
from alpenglow.training.run import worker_count
from alpenglow.training.scenes import SCENES, scene_svg


@dataclass(frozen=True)
class Shelf:
    """Pictures of one size: how many drawings (0 means each one once) and how many scenes."""

    size: int
    drawings: int
    scenes: int


SHELVES = (Shelf(256, 0, 1200), Shelf(512, 900, 300), Shelf(1024, 120, 60))


class CropPool:
    """Whole pictures and their latents in memory, cut at random places on the grid of the latents."""

    def __init__(self, stacks: list[Pixels], latents: list[Tensor]) -> None:
        self.stacks = stacks  # each (number, size, size, 3)
        self.latents = latents  # each (number, C, size / block, size / block)
        self.block = stacks[0].shape[1] // latents[0].shape[-1]
        weights = np.array([len(stack) for stack in stacks], dtype=float)
        self.weights = weights / weights.sum()

    def draw(self, rng: Generator, number: int, side: int) -> tuple[Tensor, Tensor]:
        """`number` crops: latents (number, C, side / block, side / block), pictures (number, 3, side, side)."""
        crops, latents = [], []
        for stack in rng.choice(len(self.stacks), number, p=self.weights):
            places = (self.stacks[stack].shape[1] - side) // self.block + 1
            row, top, left = rng.integers(len(self.stacks[stack])), rng.integers(places), rng.integers(places)
            y, x, cells = top * self.block, left * self.block, side // self.block
            crops.append(self.stacks[stack][row, y : y + side, x : x + side])
            latents.append(self.latents[stack][row, :, top : top + cells, left : left + cells])
        return torch.stack(latents).float(), to_signed(np.stack(crops))


def to_signed(pixels: Pixels) -> Tensor:
    """uint8 (B, H, W, 3) -> fp32 (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def encode_stack(model: AutoEncoder, stack: Pixels) -> Tensor:
    """Raw latents of pictures of one size, before the batch-norm statistics: (number, C, size / block, ...)."""
    chunk = max(1, 2**21 // stack[0].size)
    parts = [
        model.encoder(to_signed(stack[i : i + chunk])).chunk(2, dim=1)[0].half()
        for i in track(range(0, len(stack), chunk), f"latents at {stack.shape[1]} px")
    ]
    return torch.cat(parts)


def build_stacks(packages: Path, folder: Path, seed: int = 0) -> list[Pixels]:
    """Render the shelves, or read them from `folder` where an earlier call left them."""
    folder.mkdir(parents=True, exist_ok=True)
    stacks = []
    for shelf in SHELVES:
        path = folder / f"{shelf.size}.npy"
        if not path.exists():
            np.save(path, _render_shelf(packages, shelf, seed))
        stacks.append(np.load(path, mmap_mode="r"))
    return stacks


@torch.no_grad()
def measure_latents(model: AutoEncoder, latents: list[Tensor]) -> None:
    """Set the batch-norm statistics from raw latents, so that the transformer's have zero mean and unit variance."""
    z = torch.cat([patchify(part[:1000].float()).transpose(0, 1).flatten(1) for part in latents], dim=1)
    assert model.bn.running_mean is not None
    assert model.bn.running_var is not None
    model.bn.running_mean.copy_(z.mean(1))
    model.bn.running_var.copy_(z.var(1))


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
