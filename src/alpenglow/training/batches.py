"""The captioned plans as arrays of numbers, and the batches that a step of training sees.

Plans are drawn at the start, some hundred thousand of each kind: captions as token ids, pictures by number. Each has
its caption twice: plain, and as `wordings` says it otherwise.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from alpenglow.training.captions import COLOURS
from alpenglow.training.compose import NOTHING, Composer, Pictures
from alpenglow.training.drawings import Library
from alpenglow.training.examples import KINDS, SCENIC, Plan, Sampler
from alpenglow.training.ground import tokens_shown
from alpenglow.training.pictures import PLACES, TOKEN, Picture
from alpenglow.training.run import worker_count
from alpenglow.training.scenes import SCENES, Scene
from alpenglow.training.wordings import Rewriter
from alpenglow.weights.tokenizer import Tokenizer

REFERENCE_SIDES = (512, 256)
OTHER_SIDE = 0.4
"""How often references come at a side drawn from REFERENCE_SIDES, where drawings may be smaller or larger than in the
picture; else they are as large as there.
"""

SAID = 0.4
"""How often a picture is asked for by its caption as it is said, and not by the plain one."""

MOST = 4
"""The most drawings that a picture has, and the most references."""

CHUNK = 2_000
"""Plans that a worker draws at a time, each from a seed of its own."""


@dataclass(frozen=True)
class Batch:
    """What one step of training sees."""

    ids: Tensor  # (B + 1, L) int64, the last row the empty prompt
    mask: Tensor  # (B + 1, L) bool, on the CPU
    latents: Tensor  # (B, C, h, w)
    references: list[Tensor]  # each (B, C, h, w)
    drawings: NDArray[np.int16]  # (B, MOST): what the latents show


class Sayings(NamedTuple):
    """Captions as they are said, and the plain ones that they come to, on the CPU."""

    said: Tensor  # (B, L) int64
    said_mask: Tensor  # (B, L) bool
    plain: Tensor  # (B, L) int64
    plain_mask: Tensor  # (B, L) bool


@dataclass(frozen=True)
class Plans:
    """Plans of one kind as arrays of equal length. Where there is no drawing stands NOTHING."""

    plain: NDArray[np.uint16]  # (P, L)
    plain_mask: NDArray[np.bool_]  # (P, L)
    said: NDArray[np.uint16]  # (P, L)
    said_mask: NDArray[np.bool_]  # (P, L)
    drawings: NDArray[np.int16]  # (P, MOST)
    grounds: NDArray[np.int16]  # (P,)
    layouts: NDArray[np.int8]  # (P,)
    references: NDArray[np.int16]  # (P, MOST) drawings, each on white

    def __getitem__(self, rows: NDArray[Any]) -> "Plans":
        return Plans(*(getattr(self, name)[rows] for name in COLUMNS))

    @classmethod
    def joined(cls, some: Sequence["Plans"]) -> Self:
        """All of them, one after the other."""
        return cls(*(np.concatenate([getattr(one, name) for one in some]) for name in COLUMNS))


COLUMNS = tuple(field.name for field in fields(Plans))


@dataclass(frozen=True)
class Part:
    """A part of what a stage shows: kinds of example and frames, in pixels, by their weights; `share` of the steps."""

    share: float
    kinds: dict[str, float]
    frames: dict[tuple[int, int], float]


@dataclass(frozen=True, eq=False)
class Group:
    """Plans of a kind that have so many references and a layout in common: `share` of that kind."""

    kind: str
    references: int
    layout: int
    share: float
    plans: Plans


class Deck:
    """Draws batches, whose rows have equally many references, from plans by kind."""

    def __init__(self, plans: dict[str, Plans], empty: tuple[Tensor, Tensor], composer: Composer) -> None:
        """`empty` are ids and mask of the empty prompt, (1, L) each."""
        self.composer, self.empty = composer, empty
        self.groups = [group for kind, some in plans.items() for group in groups_of(kind, some)]
        self.odds: dict[Group, NDArray[np.float64]] = {}  # (P,), cumulated; where missing, each plan is as likely

    def focus(self, weights: dict[str, NDArray[np.float64]]) -> None:
        """From now on draw plans of a kind in proportion to the weight of what they show, the mean for two things.
        `weights` gives (drawings,) by kind; kinds without stay uniform.
        """
        self.odds = {
            group: np.cumsum(weights[group.kind][group.plans.drawings[:, : PLACES[group.layout]]].mean(1))
            for group in self.groups
            if group.kind in weights
        }

    def draw(self, rng: np.random.Generator, budget: int, parts: Sequence[Part], *, sampled: bool = False) -> Batch:
        """A batch that costs about as much as `budget` pictures of 256x256, if plain ground is `sampled` or if not."""
        part = parts[_choose(rng, [part.share for part in parts])]
        width, height = list(part.frames)[_choose(rng, list(part.frames.values()))]
        whole = not sampled or part.kinds.keys() & SCENIC
        tokens = width * height // TOKEN**2 if whole else tokens_shown(width, height)
        plans, references = self._pick(rng, part, rows(budget, tokens), width, height)
        side = min(REFERENCE_SIDES[0], width, height)
        if rng.random() < OTHER_SIDE:
            side = REFERENCE_SIDES[rng.integers(len(REFERENCE_SIDES))]
        said = rng.random((len(plans.said), 1)) < SAID
        ids, mask = np.where(said, plans.said, plans.plain), np.where(said, plans.said_mask, plans.plain_mask)
        return Batch(
            torch.cat([torch.from_numpy(ids.astype(np.int64)), self.empty[0]]),
            torch.cat([torch.from_numpy(mask), self.empty[1]]),
            self.composer.latents(Pictures(plans.drawings, plans.grounds, plans.layouts), width, height),
            [self.composer.latents(on_white(plans.references[:, i]), side, side) for i in range(references)],
            plans.drawings,
        )

    def _pick(self, rng: np.random.Generator, part: Part, size: int, width: int, height: int) -> tuple[Plans, int]:
        """So many plans that fit into the frame, fewer where they have many references, and how many those are."""
        weights = {
            group: part.kinds[group.kind] * group.share
            for group in self.groups
            if group.kind in part.kinds and self.composer.fits(width, height, group.layout)
        }
        numbers = sorted({group.references for group in weights})
        by_number = [sum(w for group, w in weights.items() if group.references == number) for number in numbers]
        references = numbers[_choose(rng, by_number)]
        shown = [group for group in weights if group.references == references]
        chances = np.array([weights[group] for group in shown])
        fewer = max(1, size * 2 // max(2, references))
        drawn = [
            group.plans[self._rows(rng, group, count)]
            for group, count in zip(shown, rng.multinomial(fewer, chances / chances.sum()), strict=True)
            if count
        ]
        return Plans.joined(drawn), references

    def _rows(self, rng: np.random.Generator, group: Group, count: int) -> NDArray[np.int64]:
        if group not in self.odds:
            return rng.integers(len(group.plans.plain), size=count)
        odds = self.odds[group]
        return np.searchsorted(odds, rng.random(count) * odds[-1], side="right")


def draw_sayings(
    plans: Mapping[str, Plans], kinds: Mapping[str, float], rng: np.random.Generator, count: int
) -> Sayings:
    """So many captions of plans, of kinds by their weights."""
    shares = np.array(list(kinds.values()))
    counts = zip(kinds, rng.multinomial(count, shares / shares.sum()), strict=True)
    some = Plans.joined([plans[kind][rng.integers(len(plans[kind].said), size=number)] for kind, number in counts])
    said, plain = (torch.from_numpy(ids.astype(np.int64)) for ids in (some.said, some.plain))
    return Sayings(said, torch.from_numpy(some.said_mask), plain, torch.from_numpy(some.plain_mask))


def groups_of(kind: str, plans: Plans) -> list[Group]:
    """Plans of one kind, told apart by what has to be alike in a batch, or has to fit into a frame."""
    shape = np.stack([(plans.references != NOTHING).sum(1), plans.layouts], 1)
    found = []
    for references, layout in np.unique(shape, axis=0):
        wanted = (shape == (references, layout)).all(1)
        found.append(Group(kind, int(references), int(layout), float(wanted.mean()), plans[wanted]))
    return found


def on_white(drawings: NDArray[np.int16]) -> Pictures:
    """Each drawing by itself: what references show."""
    return Pictures(drawings[:, None], np.zeros_like(drawings), np.ones(len(drawings), np.int8))


def rows(budget: int, tokens: int) -> int:
    """How many pictures of so many tokens make a step: fewer large ones, each of which teaches more."""
    return max(1, round(budget * 256 / TOKEN / tokens**0.5))


def draw_plans(
    library: Library, rewrite: Rewriter, tokenizer: Path, length: int, numbers: Mapping[str, int], seed: int
) -> dict[str, Plans]:
    """So many plans of each kind, from a seed; captions are `length` tokens long."""
    jobs = [(kind, chunk) for kind in numbers for chunk in range(-(-numbers[kind] // CHUNK))]
    given = (library, rewrite, tokenizer, length)
    with ProcessPoolExecutor(worker_count(), initializer=_open, initargs=given) as workers:
        drawn = list(track(workers.map(partial(_draw, seed), jobs), "plans", total=len(jobs)))
    return {
        kind: Plans.joined([some for (of, _), some in zip(jobs, drawn, strict=True) if of == kind]) for kind in numbers
    }


def encoded(sayings: Sequence[tuple[str, str]], tokenizer: Tokenizer) -> Sayings:
    """Captions as they are said and plain ones; what is said in more words than are read is said plainly."""
    (ids, mask), (plain, plain_mask) = (tokenizer.encode(list(texts)) for texts in zip(*sayings, strict=True))
    full = mask.all(1)
    ids[full], mask[full] = plain[full], plain_mask[full]
    return Sayings(ids, mask, plain, plain_mask)


def numbered(plans: Sequence[Plan], said: Sequence[str], library: Library, tokenizer: Tokenizer) -> Plans:
    """Plans as arrays; `said` are their captions said otherwise."""
    number = {key: i for i, key in enumerate(library.drawings)}
    ground: dict[str | Scene, int] = {colour: i for i, colour in enumerate(COLOURS)}
    ground |= {scene: i for i, scene in enumerate(SCENES, len(COLOURS))}
    captions = encoded([(other, plan.caption) for other, plan in zip(said, plans, strict=True)], tokenizer)

    def shown(pictures: Sequence[Picture]) -> list[int]:
        keys = [number[key] for picture in pictures for key in picture.drawings]
        return [*keys, *(NOTHING,) * MOST][:MOST]

    return Plans(
        captions.plain.numpy().astype(np.uint16),
        captions.plain_mask.numpy(),
        captions.said.numpy().astype(np.uint16),
        captions.said_mask.numpy(),
        np.array([shown([plan.picture]) for plan in plans], np.int16),
        np.array([ground[plan.picture.ground] for plan in plans], np.int16),
        np.array([plan.picture.layout for plan in plans], np.int8),
        np.array([shown(plan.references) for plan in plans], np.int16),
    )


def _choose(rng: np.random.Generator, weights: Sequence[float]) -> int:
    total = np.cumsum(weights)
    return int(np.searchsorted(total, rng.random() * total[-1], side="right"))


_drawing: list[tuple[Sampler, Rewriter, Tokenizer]] = []  # one a worker process


def _open(library: Library, rewrite: Rewriter, tokenizer: Path, length: int) -> None:
    torch.set_num_threads(1)  # a forked process has none of its parent's threads, and would wait for them
    _drawing.append((Sampler(library), rewrite, Tokenizer.from_folder(tokenizer, length)))


def _draw(seed: int, job: tuple[str, int]) -> Plans:
    kind, chunk = job
    (sampler, rewrite, tokenizer), rng = _drawing[0], np.random.default_rng([seed, list(KINDS).index(kind), chunk])
    plans = [sampler.plan(rng, kind) for _ in range(CHUNK)]
    return numbered(plans, [rewrite(plan, rng) for plan in plans], sampler.library, tokenizer)
