"""Shows a sample of a large frame's plain ground instead of all of it.

At 1920x1920 a thing covers 64 tokens of 900. All others are of one colour and tell no more than how far the frame
reaches. A few of them, each counted for as many as it stands for in attention and in the error, teach what all would:
the sum over a sample, so weighted, is the whole sum but for chance (Horvitz and Thompson, 1952).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from alpenglow.training.pictures import LARGEST_CELL, TOKEN

CELL = (LARGEST_CELL // TOKEN) ** 2
"""Tokens of the largest cell that a drawing has."""

SAMPLE = 128
"""Tokens of plain ground that are shown where there are more than twice as many. With half of them the error of
sampling's first step is off by a tenth, with these by a fiftieth.
"""

EDGE = 2.0
"""How many times as often as others a token at the frame's edge is shown: those tell of its size."""


class Shown(NamedTuple):
    """Which tokens of a frame are shown, and how many of the frame's each stands for."""

    tokens: Tensor  # (n,) int64, ascending
    counts: Tensor  # (n,) fp32


def tokens_shown(width: int, height: int) -> int:
    """About how many tokens `sample` shows of one thing on a plain ground; all, where nothing would be left out."""
    whole = width * height // TOKEN**2
    return CELL + SAMPLE if whole > CELL + 2 * SAMPLE else whole


def sample(latents: Tensor, start: float) -> Shown | None:
    """Of latents (B, C, h, w): each token in which a picture is not what its first token is, and SAMPLE of the others,
    evenly spread from a `start` in [0, 1). None where there are too few others for it to pay.
    """
    rows, columns = latents.shape[2:]
    things = (latents != latents[:, :, :1, :1]).any(1).any(0)  # (h, w)
    if rows * columns - things.sum() <= 2 * SAMPLE:
        return None
    odds = torch.ones(rows, columns, dtype=torch.float64, device=latents.device)
    odds[[0, -1]] = odds[:, [0, -1]] = EDGE
    odds[things] = 0
    chances = (odds * (SAMPLE / odds.sum())).flatten()
    reached = chances.cumsum(0) + start
    shown = (reached.floor() > (reached - chances).floor()) | things.flatten()
    counts = torch.where(things.flatten(), 1.0, 1 / chances).float()
    return Shown(shown.nonzero()[:, 0], counts[shown])
