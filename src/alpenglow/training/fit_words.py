"""Teaches the text encoder other words by itself: the states of a caption said otherwise come to be the plain one's.

The transformer, which has learned to read those, stays as it is and is not even run. Words that mean nothing for the
picture get the state of saying nothing: nine of those move what the transformer makes of a caption by less than 1 % of
what another thing in it would.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from alpenglow.training.fit_decoder import learning_rate_shape
from alpenglow.training.fit_flow import Flow
from alpenglow.training.run import Average, Run
from alpenglow.training.wordings import Phrase
from alpenglow.weights.tokenizer import Tokenizer

NOTHING = -1

Tokens = tuple[Tensor, Tensor]
"""Ids and mask, (B, L) each."""


@dataclass(frozen=True)
class WordsPlan:
    """How long and how fast; `batch` counts captions, of kinds of example by their weights."""

    steps: int
    kinds: Mapping[str, float]
    batch: int = 128
    learning_rate: float = 1.5e-3
    embedding_rate: float = 1e-2  # a piece of a rare word is seen a few times in all
    averaging: float = 0.998
    seed: int = 0


def fit_words(
    flow: Flow,
    draw: Callable[[np.random.Generator], list[Phrase]],
    tokenizer: Tokenizer,
    run: Run,
    plan: WordsPlan,
) -> None:
    """Train the text encoder of `flow` in place, on the CPU, resuming from `run`; ends with its averaged weights.

    What it says of plain captions before is what is to be said of others: `flow` must be the one that `run` began with.
    """
    student, teacher = flow.text_encoder, copy.deepcopy(flow.text_encoder).requires_grad_(requires_grad=False)
    reader = flow.transformer.txt_in.weight.detach()  # (D, C): all that the transformer sees of a state
    align = Alignment(tokenizer)
    silence = teacher(*tokenizer.encode([""]))[0, -1]  # (C,)
    optimizer = torch.optim.AdamW(
        [
            {"params": student.model.embed_tokens.parameters(), "peak": plan.embedding_rate},
            {"params": student.model.layers.parameters(), "peak": plan.learning_rate},
        ],
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    average = Average(student, plan.averaging)

    total, counted = 0.0, 0
    for step, save in run.steps(run.resume(student, optimizer, average), plan.steps, "words"):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_shape(step, plan.steps, 0.0)
        rng = np.random.default_rng([plan.seed, step])
        said, meant, places = align([draw(rng) for _ in range(plan.batch)])
        loss = difference(student(*said), targets(teacher(*meant), places, silence), reader)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        total, counted = total + loss.item(), counted + 1
        if step % 4 == 0:
            average.update(student, step)
        if step % 100 == 0:
            run.log({"step": step, "loss": total / counted})
            total, counted = 0.0, 0
        if save:
            run.save(student, optimizer, average, step + 1)
    average.copy_to(student)


def difference(states: Tensor, wanted: Tensor, reader: Tensor) -> Tensor:
    """Mean squared difference of states (B, L, C) as `reader` (D, C) reads them, in parts of what is wanted."""
    return F.linear(states - wanted, reader).square().mean() / F.linear(wanted, reader).square().mean()


def targets(states: Tensor, places: Tensor, silence: Tensor) -> Tensor:
    """From the states (B, L, C) of plain captions those at `places` (B, L), `silence` (C,) where it says NOTHING."""
    taken = states.gather(1, places.clamp(min=0)[..., None].expand(-1, -1, states.shape[-1]))
    return torch.where(places[..., None] == NOTHING, silence, taken)


class Alignment:
    """Which token of a plain caption each token of the same said otherwise stands for."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        _, self._empty = tokenizer.encode([""])
        self._tokens = lru_cache(maxsize=65_536)(self._count)

    def __call__(
        self, captions: Sequence[Sequence[Phrase]]
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
        """What is said; what it means; and for each token that is said the place of the one that it means, or NOTHING,
        (B, L).
        """
        said = self._tokenizer.encode(["".join(phrase.said for phrase in caption) for caption in captions])
        meant = self._tokenizer.encode(["".join(phrase.meant for phrase in caption) for caption in captions])
        return said, meant, torch.tensor([self._places(caption, said[0].shape[1]) for caption in captions])

    def _places(self, caption: Sequence[Phrase], length: int) -> list[int]:
        """The last tokens of a phrase carry its meaning, since each has seen those before it: phrases are aligned at
        their ends. What the template adds before and after, and pads, mean themselves.
        """
        places, at = [0], 1
        for phrase in caption:
            said, meant = self._tokens(phrase.said), self._tokens(phrase.meant)
            places += [NOTHING] * (said - meant)
            places += range(at + max(0, meant - said), at + meant)
            at += meant
        places += range(at, at + length)
        return [min(place, length - 1) for place in places[:length]]

    def _count(self, text: str) -> int:
        _, mask = self._tokenizer.encode([text])
        return int(mask.sum() - self._empty.sum())
