"""Tokens: their position ids (t, h, w, l) for text, image and references, and latents to tokens and back.

Text token l is (0, 0, 0, l); the output image's token at row r and column c is (0, r, c, 0); reference i has a grid of
its own at time 10 + 10 i, so that a prompt can speak of "image 0" and "image 1".
"""

from collections.abc import Iterable

import torch
from torch import Tensor

REFERENCE_TIME_STEP = 10


def text_ids(length: int) -> Tensor:
    """(length, 4) int64."""
    return torch.cartesian_prod(*(torch.arange(n) for n in (1, 1, 1, length)))


def image_ids(height: int, width: int, time: int = 0) -> Tensor:
    """(height * width, 4) int64 for a grid of tokens, row by row."""
    ids = torch.cartesian_prod(*(torch.arange(n) for n in (1, height, width, 1)))
    ids[:, 0] = time
    return ids


def reference_ids(grids: Iterable[tuple[int, int]]) -> Tensor:
    """Ids of references of (height, width) tokens each, one after the other."""
    parts = [image_ids(h, w, REFERENCE_TIME_STEP * (1 + i)) for i, (h, w) in enumerate(grids)]
    return torch.cat(parts) if parts else torch.zeros(0, 4, dtype=torch.int64)


def to_tokens(latents: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h * w, C)."""
    return latents.flatten(2).transpose(1, 2)


def to_latents(tokens: Tensor, height: int, width: int) -> Tensor:
    """(B, height * width, C) -> (B, C, height, width)."""
    return tokens.transpose(1, 2).unflatten(2, (height, width))
