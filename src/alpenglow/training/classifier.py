"""A small classifier of drawings, trained on augmented renders alone: the evaluation's second judge.

Linear discriminant analysis: a picture belongs to the class with the nearest mean, in the metric that whitens the noise
common to all classes (Fisher 1936; Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 4.3). That
noise is what a drawing may be without being another one: moved, scaled, turned, blurred, pale, tinted, grainy. It never
sees a generated picture.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from alpenglow.request import RGB
from alpenglow.training.crops import to_signed
from alpenglow.training.drawings import Library
from alpenglow.training.pictures import Picture, render_picture
from alpenglow.training.scenes import Scene

SIDE = 16
"""Cells are looked at at this many pixels a side."""

COPIES = 48
"""Augmented renders of each drawing."""

SHIFT, SCALE, TURN = 0.12, 0.1, 0.06
"""How far a copy may be off: a share of half the cell, a share of its size, radians."""

BLUR = 0.06
"""The widest standard deviation of a copy's blur, a share of the cell."""

PALE, TINT, GRAIN = 0.4, 0.1, 0.05
"""How much contrast a copy may lose, and how much its channels and its pixels may be off, of values in [-1, 1]."""

SHRINKAGE = 0.05
"""How much of the noise is taken to be the same in all directions, since so few copies cannot tell all of them."""


class Classifier:
    """Tells the drawings of one style on one ground apart."""

    def __init__(self, library: Library, style: str, ground: str | Scene = "white") -> None:
        self.names = [name for name, drawn_in in library.drawings if drawn_in == style]
        drawn = [render_picture(Picture(((name, style),), ground), library, 2 * SIDE, 2 * SIDE) for name in self.names]
        renders = torch.cat([to_signed(one[None]) for one in drawn])  # (K, 3, 32, 32)
        chance = torch.Generator().manual_seed(0)
        copies = torch.stack([looks(augmented(renders, chance)) for _ in range(COPIES)])  # (copies, K, D)
        means = copies.mean(0)
        noise = (copies - means).flatten(0, 1)
        covariance = noise.t() @ noise / (len(noise) - len(means))
        even = covariance.diagonal().mean() * torch.eye(len(covariance))
        self._factor = torch.linalg.cholesky(torch.lerp(covariance, even, SHRINKAGE))  # (D, D)
        self._means = self._whitened(means)

    def rank(self, image: RGB, name: str) -> int:
        """How many other drawings are likelier than this one to be what a cell shows."""
        return int(self.ranks(to_signed(image[None]), [name])[0])

    def ranks(self, images: Tensor, names: list[str]) -> Tensor:
        """The same of several, (B, 3, H, W) in [-1, 1], each with its name: (B,)."""
        distances = torch.cdist(self._whitened(looks(images)), self._means)  # (B, K)
        right = distances[torch.arange(len(names)), [self.names.index(name) for name in names]]
        return (distances < right[:, None]).sum(1)

    def _whitened(self, x: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self._factor, x.t(), upper=False).t()


def looks(images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 3 * SIDE * SIDE): what cells show at a glance."""
    return F.adaptive_avg_pool2d(images, SIDE).flatten(1)


def augmented(renders: Tensor, chance: torch.Generator) -> Tensor:
    """A copy of each render, (K, 3, H, W) in [-1, 1], that shows the same thing otherwise; edges are extended."""
    count = len(renders)

    def off(most: float, *shape: int) -> Tensor:
        return (2 * torch.rand(count, *shape, generator=chance) - 1) * most

    angle, size, shift = off(TURN), 1 + off(SCALE), off(SHIFT, 2, 1)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(count, 2, 2)
    grid = F.affine_grid(torch.cat([turn * size[:, None, None], shift], 2), list(renders.shape), align_corners=False)
    moved = F.grid_sample(renders, grid, padding_mode="border", align_corners=False)
    moved = blurred(moved, off(BLUR / 2) + BLUR / 2)
    contrast = 1 - PALE / 2 + off(PALE / 2, 1, 1, 1)
    ground = renders[:, :, :1, :1]
    pale = ground + (moved - ground) * contrast
    return pale + off(TINT, 3, 1, 1) + GRAIN * torch.randn(pale.shape, generator=chance)


def blurred(images: Tensor, widths: Tensor) -> Tensor:
    """(B, 3, H, H), each by a Gaussian of its own, whose standard deviation is a share of H, (B,)."""
    side = images.shape[-1]
    apart = torch.arange(side)[:, None] - torch.arange(side)
    weights = torch.exp(-0.5 * (apart / (widths[:, None, None] * side).clamp(min=0.1)).square())  # (B, H, H)
    weights = (weights / weights.sum(-1, keepdim=True))[:, None]
    return weights @ images @ weights.transpose(-1, -2)
