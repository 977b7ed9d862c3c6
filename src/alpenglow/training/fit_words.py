"""Teaches the text encoder other words by itself: the states of a caption said otherwise come to be the plain one's.

The transformer, which has learned to read those, stays as it is and is not even run. Words that mean nothing for the
picture get the state of saying nothing: nine of those move what the transformer makes of a caption by less than 1 % of
what another thing in it would.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from alpenglow.models.text_encoder import TextEncoder
from alpenglow.training.fit_decoder import learning_rate_shape
from alpenglow.training.fit_flow import Flow, blend
from alpenglow.training.run import Average, Run
from alpenglow.training.wordings import Phrase
from alpenglow.weights.tokenizer import Tokenizer

NOTHING = -1

SORTED = 4
"""Batches that are drawn together and sorted by length, so that short captions cost less."""
PADS, WHOLE = 3, 5
"""How many pads are looked at, all alike, in all but every so manieth step, which looks at all of them."""

AFTER = 4.0
"""How much more it counts what is said after all words, by the end of the caption and its pads: the transformer reads
from those above all what a picture is of.
"""

Tokens = tuple[Tensor, Tensor]
"""Ids and mask, (B, L) each."""


@dataclass(frozen=True)
class WordsPlan:
    """How long and how fast; `batch` counts captions, of kinds of example by their weights."""

    steps: int
    kinds: Mapping[str, float]
    batch: int = 128
    learning_rate: float = 1.5e-3
    embedding_rate: float = 4e-3  # a piece of a rare word is seen a few times in all
    averaging: float = 0.998
    keep: float = 0.5  # how much of the encoder before is left: what is learned of words costs some of what was known
    seed: int = 0


def fit_words(
    flow: Flow,
    draw: Callable[[np.random.Generator], list[Phrase]],
    tokenizer: Tokenizer,
    run: Run,
    plan: WordsPlan,
) -> None:
    """Train the text encoder of `flow` in place, where it is, resuming from `run`; ends between what it was and
    its averaged weights.

    What it says of plain captions before is what is to be said of others: `flow` must be the one that `run` began with.
    """
    student, teacher = flow.text_encoder, copy.deepcopy(flow.text_encoder).requires_grad_(requires_grad=False)
    reader = flow.transformer.txt_in.weight.detach()  # (D, C): all that the transformer sees of a state
    align, device = Alignment(tokenizer), reader.device
    ids, mask = tokenizer.encode([""])
    silence = teacher(ids.to(device), mask)[0, -1]  # (C,)
    rates = {"model.embed_tokens": plan.embedding_rate, "model.layers": plan.learning_rate}
    optimizer = torch.optim.AdamW(
        [{"params": student.get_submodule(part).parameters(), "peak": rate} for part, rate in rates.items()],
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    average = Average(student, plan.averaging)

    first, (total, counted) = run.resume(student, optimizer, average), (0.0, 0)
    for (step, over, save), captions in zip(
        run.steps(first, plan.steps, "words"), batches(draw, align, plan, first), strict=False
    ):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_shape(step, over)
        said, meant, places = align(captions)
        end = mask.shape[1] if step % WHOLE == 0 else longest(said, meant) + PADS
        plain, other = (
            states_of(encoder, tokens, end, device) for encoder, tokens in ((teacher, meant), (student, said))
        )
        wanted = targets(plain, places[:, :end].clamp(max=end - 1).to(device), silence)
        loss = difference(other, wanted, reader, importance(said[1][:, :end]).to(device))
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
    blend(student, teacher, plan.keep)


@torch.no_grad()
def begin_words(
    encoder: TextEncoder, tokenizer: Tokenizer, entries: Iterable[tuple[str, int]], words: Mapping[str, str]
) -> None:
    """Start the embedding of each word that has an entry of its own as that of the last token of what it means by
    `words`, or as that of padding, which says nothing.
    """
    embeddings = encoder.get_parameter("model.embed_tokens.weight")
    for word, entry in entries:
        ids, mask = tokenizer.encode([f"a {words.get(word, '')}"])
        end = int(mask.sum()) - 2  # the template ends with one token
        embeddings[entry] = embeddings[ids[0, end if word in words else -1]]


def states_of(encoder: TextEncoder, tokens: Tokens, end: int, device: torch.device) -> Tensor:
    """Of the first `end` tokens of each row, (B, end, C)."""
    ids, mask = tokens
    return encoder(ids[:, :end].to(device), mask[:, :end])


def batches(
    draw: Callable[[np.random.Generator], list[Phrase]], align: Alignment, plan: WordsPlan, first: int
) -> Iterator[list[list[Phrase]]]:
    """Captions for each step from `first` on, those of a batch about equally long."""
    for group in count(first // SORTED):
        rng = np.random.default_rng([plan.seed, group])
        captions = sorted((draw(rng) for _ in range(SORTED * plan.batch)), key=align.length)
        order = rng.permutation(SORTED) * plan.batch
        skipped = first % SORTED if group == first // SORTED else 0
        yield from (captions[start : start + plan.batch] for start in order[skipped:])


def longest(*some: Tokens) -> int:
    """How many tokens the longest row has that are no pads."""
    return max(int(mask.sum(1).max()) for _, mask in some)


def importance(mask: Tensor) -> Tensor:
    """How much the state of each token counts, (B, L), by the mask of those that are no pads."""
    last = mask.sum(1, keepdim=True) - 1
    return torch.where(torch.arange(mask.shape[1]) < last, 1.0, AFTER)


def difference(states: Tensor, wanted: Tensor, reader: Tensor, weights: Tensor) -> Tensor:
    """Mean squared difference of states (B, L, C) as `reader` (D, C) reads them, in parts of what is wanted, each
    token by its weight (B, L).
    """
    off, all_ = (F.linear(some, reader).square().mean(-1) for some in (states - wanted, wanted))
    return (off * weights).sum() / (all_ * weights).sum()


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

    def __call__(self, captions: Sequence[Sequence[Phrase]]) -> tuple[Tokens, Tokens, Tensor]:
        """What is said; what it means; and for each token that is said the place of the one that it means, or NOTHING,
        (B, L).
        """
        said = self._tokenizer.encode(["".join(phrase.said for phrase in caption) for caption in captions])
        meant = self._tokenizer.encode(["".join(phrase.meant for phrase in caption) for caption in captions])
        return said, meant, torch.tensor([self._places(caption, said[0].shape[1]) for caption in captions])

    def length(self, caption: Sequence[Phrase]) -> int:
        """How many tokens are said."""
        return sum(self._tokens(phrase.said) for phrase in caption)

    def _places(self, caption: Sequence[Phrase], length: int) -> list[int]:
        """The last tokens of a phrase carry its meaning, since each has seen those before it: phrases are aligned at
        their ends. What the template adds before and after, and pads, mean themselves.
        """
        places, at = [0], 1
        for phrase in caption:
            said, meant = self._tokens(phrase.said), self._tokens(phrase.meant)
            heard = 0 if phrase.silent else min(said, meant)
            places += [NOTHING] * (said - heard)
            places += range(at + meant - heard, at + meant)
            at += meant
        places += range(at, at + length)
        return [min(place, length - 1) for place in places[:length]]

    def _count(self, text: str) -> int:
        _, mask = self._tokenizer.encode([text])
        return int(mask.sum() - self._empty.sum())
