"""What a stage of the flow's training should show more of: a drawing the more often the more the flow still errs on it.

Most things are learned long before the last few. Shown by chance alone those would be seen no oftener than what is
known already.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from alpenglow.training.batches import Batch, Deck, Part
from alpenglow.training.compose import NOTHING
from alpenglow.training.fit_flow import Flow, inputs_of, losses

FOCUSED = ("subject", "pair", "restyle", "make style")
"""Kinds of which the flow has to know what a thing looks like. The others copy it from a reference."""

FRAMES = {(256, 256): 0.5, (512, 512): 0.5}
BATCHES = 40
BUDGET = 128
"""How much of each kind is looked at, in batches of so many pictures of 256x256."""

PRIOR = 1.0
"""How many looks at a drawing the mean of its kind counts for, since a few looks tell little."""

LEAST, MOST = 0.5, 4.0
"""How much less and more than on average a drawing may be shown: what is known would be forgotten."""


def focus(flow: Flow, deck: Deck, leaning: NDArray[np.float64], weights: Tensor) -> dict[str, NDArray[np.float64]]:
    """For each kind of FOCUSED how often each drawing should be shown, (drawings,).

    In proportion to the error of sampling's first step, in which the flow has nothing but the prompt and references;
    of single things, times `leaning`, (drawings,).
    """
    found = {kind: _weights(flow, deck, kind, len(leaning), weights) for kind in FOCUSED}
    return found | {"subject": found["subject"] * leaning}


@torch.no_grad()
def _weights(flow: Flow, deck: Deck, kind: str, drawings: int, weights: Tensor) -> NDArray[np.float64]:
    errors, looks = np.zeros(drawings), np.zeros(drawings)
    weights = weights.to(flow.transformer.img_in.weight.device)
    rng = np.random.default_rng(0)
    for _ in track(range(BATCHES), f"errors of {kind}"):
        batch = deck.draw(rng, BUDGET, (Part(1.0, {kind: 1.0}, FRAMES),))
        found = losses(flow, inputs_of(flow, batch, rng, steps=1, prompt_dropout=0.0), weights)
        _add(batch, found, errors, looks)
    return relative(errors, looks)


def relative(errors: NDArray[np.float64], looks: NDArray[np.float64]) -> NDArray[np.float64]:
    """From sums of errors and numbers of looks to weights. A drawing that was not looked at has the weight 1."""
    mean = errors.sum() / looks.sum()
    return ((errors + PRIOR * mean) / (looks + PRIOR) / mean).clip(LEAST, MOST)


def _add(batch: Batch, found: Tensor, errors: NDArray[np.float64], looks: NDArray[np.float64]) -> None:
    """Count each picture's error for everything that it shows."""
    for drawings, error in zip(batch.drawings, found.tolist(), strict=True):
        shown = drawings[drawings != NOTHING]
        errors[shown] += error
        looks[shown] += 1
