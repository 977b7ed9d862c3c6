"""The pool that the transformer learns from: plans, their captions as token ids and their pictures as latents.

Pictures are rendered and encoded once, up to a budget for each size; further plans are kept only where they need no
new picture. Everything follows from the seed, so only the latents are stored.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from alpenglow.training.captions import COLOURS, SYNONYMS
from alpenglow.training.crops import to_signed
from alpenglow.training.drawings import Library, load_drawings
from alpenglow.training.examples import KINDS, STYLE_WEIGHTS, Plan, Sampler
from alpenglow.training.pictures import TOKEN, Picture, base_pictures, render_picture
from alpenglow.training.run import worker_count
from alpenglow.weights.tokenizer import Tokenizer


@dataclass(frozen=True)
class PoolPlan:
    """One size of picture: `pictures` are rendered (beside every base drawing, where `bases`), `plans` are drawn.

    Only `concepts` are shown, all of them where None, in examples of these `kinds` and in `styles` by their weights,
    and called by a keyword as often as `synonyms` says.
    """

    width: int
    height: int
    pictures: int
    plans: int
    concepts: frozenset[str] | None = None
    kinds: frozenset[str] = frozenset(KINDS)
    styles: dict[str, float] = field(default_factory=lambda: STYLE_WEIGHTS)
    synonyms: float = SYNONYMS
    bases: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        """Of the stored file."""
        return f"{self.width}x{self.height}-{self.seed}"


OTHER_SIZE = 0.4
"""How often references come at a size drawn from all, where drawings may be smaller or larger than in the picture."""


@dataclass(frozen=True)
class Batch:
    """What one step of training sees."""

    ids: Tensor  # (B + 1, L) int64, the last row the empty prompt
    mask: Tensor  # (B + 1, L) bool
    latents: Tensor  # (B, C, h, w)
    references: list[Tensor]  # each (B, C, h, w)


class LatentPool:
    """Captioned latents of one size, grouped by how many references they have."""

    def __init__(self, plans: list[Plan], index: dict[Picture, int], latents: NDArray[np.float16]) -> None:
        self.plans, self.index, self.latents = plans, index, latents
        self.ids: Tensor = torch.zeros(0)
        self.mask: Tensor = torch.zeros(0)
        groups: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for i, plan in enumerate(plans):
            groups[len(plan.references)][plan.kind].append(i)
        self.groups = {
            count: [(KINDS[kind], np.array(members)) for kind, members in kinds.items()]
            for count, kinds in groups.items()
        }

    def only(self, wanted: Callable[[Plan], bool]) -> "LatentPool":
        """The same pictures with fewer plans."""
        return LatentPool([plan for plan in self.plans if wanted(plan)], self.index, self.latents)

    def tokenize(self, tokenizer: Tokenizer) -> None:
        """Token ids of every caption, and last of the empty prompt."""
        self.ids, self.mask = tokenizer.encode([*(plan.caption for plan in self.plans), ""])

    @property
    def tokens(self) -> int:
        """How many tokens a picture has."""
        return int(self.latents.shape[2] * self.latents.shape[3])

    def draw(self, rng: np.random.Generator, size: int, bases: "Sequence[LatentPool]") -> Batch:
        """A batch whose rows have equally many references.

        Each of `bases` holds references at one size; all of a batch are taken from one that has them, mostly from the
        one whose drawings are as large as the pictures'.
        """
        counts = list(self.groups)
        shares = np.array([sum(weight for weight, _ in self.groups[count]) for count in counts])
        count = counts[rng.choice(len(counts), p=shares / shares.sum())]
        kinds = np.array([weight for weight, _ in self.groups[count]])
        picks = rng.choice(len(kinds), size, p=kinds / kinds.sum())
        rows = [int(rng.choice(self.groups[count][kind][1])) for kind in picks]
        words = torch.tensor([*rows, len(self.plans)])
        plans = [self.plans[row] for row in rows]
        holding = [base for base in bases if all(one in base.index for plan in plans for one in plan.references)]
        fitting = [base for base in holding if base.tokens <= self.tokens] or holding
        base = max(fitting, key=lambda base: base.tokens)
        if rng.random() < OTHER_SIZE:
            base = holding[rng.integers(len(holding))]
        references = [base.look_up(plan.references[i] for plan in plans) for i in range(count)]
        return Batch(self.ids[words], self.mask[words], self.look_up(plan.picture for plan in plans), references)

    def look_up(self, pictures: Iterable[Picture]) -> Tensor:
        """Latents of pictures that are in the pool, (B, C, h, w)."""
        return torch.from_numpy(self.latents[[self.index[picture] for picture in pictures]]).float()


class FramedPool(LatentPool):
    """A pool of things on one colour in a larger frame: their tokens where they belong, the ground's around them.

    A token is encoded from its own pixels alone, so these are the latents that a rendering in that frame would have.
    """

    def __init__(self, pool: LatentPool, grounds: dict[str, Tensor], height: int, width: int) -> None:
        """`pool` is `framable` and has its captions tokenized, `grounds` the latents (C,) of a token of each colour;
        sizes in tokens.

        Raises ValueError where the frame has no room for the things side by side as large as they are.
        """
        most = max(len(plan.picture.drawings) for plan in pool.plans)
        if width < most * pool.latents.shape[3] or height < pool.latents.shape[2]:
            raise ValueError(f"A frame of {width}x{height} tokens is too small for {most} things")
        super().__init__(pool.plans, pool.index, pool.latents)
        self.ids, self.mask = pool.ids, pool.mask
        self.grounds, self.height, self.width = grounds, height, width

    @property
    def tokens(self) -> int:
        """How many tokens a picture has."""
        return self.height * self.width

    def look_up(self, pictures: Iterable[Picture]) -> Tensor:
        """Latents of pictures whose things are in the pool, framed, (B, C, h, w)."""
        return torch.stack([self._frame(picture) for picture in pictures])

    def _frame(self, picture: Picture) -> Tensor:
        framed = self.grounds[str(picture.ground)][:, None, None].repeat(1, self.height, self.width)
        cell = self.width / len(picture.drawings)
        for i, thing in enumerate(super().look_up(picture.singles)):
            rows, columns = thing.shape[1:]
            top, left = (self.height - rows) // 2, math.floor((i + 0.5) * cell - columns / 2)
            framed[:, top : top + rows, left : left + columns] = thing
        return framed


def framable(pools: Sequence[LatentPool]) -> LatentPool:
    """The plans of `pools`, of one size, that show things on one colour, each of which one of them holds by itself."""
    starts = np.cumsum([0, *(len(pool.latents) for pool in pools)])[:-1]
    index = {
        picture: int(start) + i for start, pool in zip(starts, pools, strict=True) for picture, i in pool.index.items()
    }
    plans = [plan for pool in pools for plan in pool.plans]
    joined = LatentPool(plans, index, np.concatenate([pool.latents for pool in pools]))
    return joined.only(
        lambda plan: isinstance(plan.picture.ground, str) and all(one in index for one in plan.picture.singles)
    )


Encode = Callable[[Tensor], Tensor]
"""Pictures (B, 3, H, W) in [-1, 1] to latents (B, C, h, w)."""


def build_pool(plan: PoolPlan, packages: Path, encode: Encode, folder: Path) -> LatentPool:
    """Draw the plans, then render and encode their pictures, or read them from `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    library = load_drawings(packages)
    plans, pictures = draw_plans(plan, library)
    path = folder / f"{plan.name}.npy"
    if not path.exists():
        partial_path = path.with_suffix(".partial.npy")
        np.save(partial_path, np.concatenate(list(_encode(plan, pictures, packages, encode))))
        partial_path.replace(path)
    latents = np.load(path)
    if len(latents) != len(pictures):
        raise ValueError(f"{path} holds {len(latents)} pictures, the plan asks for {len(pictures)}: remove the file")
    return LatentPool(plans, {picture: i for i, picture in enumerate(pictures)}, latents)


def ground_latents(encode: Encode) -> dict[str, Tensor]:
    """The latents (C,) of a token that shows nothing but a background, by its colour."""
    pixels = np.stack([render_picture(Picture((), colour), Library({}, {}), TOKEN, TOKEN) for colour in COLOURS])
    return dict(zip(COLOURS, encode(to_signed(pixels))[:, :, 0, 0].half().float(), strict=True))


def draw_plans(plan: PoolPlan, library: Library) -> tuple[list[Plan], list[Picture]]:
    """The plans, and the distinct pictures that they ask for, in the order in which they are stored."""
    if plan.concepts is not None:
        library = library.only(plan.concepts)
    kinds = {kind: weight for kind, weight in KINDS.items() if kind in plan.kinds}
    sampler = Sampler(library, kinds, plan.styles, plan.synonyms)
    rng = np.random.default_rng([plan.seed, plan.width, plan.height])
    pictures = dict.fromkeys(base_pictures(library) if plan.bases else ())
    limit = len(pictures) + plan.pictures
    plans = []
    for _ in range(plan.plans):
        drawn = sampler.plan(rng)
        if drawn.picture not in pictures:
            if len(pictures) == limit:
                continue
            pictures[drawn.picture] = None
        plans.append(drawn)
    return plans, list(pictures)


def _encode(plan: PoolPlan, pictures: list[Picture], packages: Path, encode: Encode) -> Iterable[NDArray[np.float16]]:
    with ProcessPoolExecutor(worker_count(), initializer=_open, initargs=(packages,)) as workers:
        render = partial(_render, plan.width, plan.height)
        pixels = iter(track(workers.map(render, pictures, chunksize=8), f"latents at {plan.name}", total=len(pictures)))
        while chunk := list(islice(pixels, 8)):
            yield encode(to_signed(np.stack(chunk))).half().contiguous().numpy()


_library: list[Library] = []  # one a worker process


def _open(packages: Path) -> None:
    _library.append(load_drawings(packages))


def _render(width: int, height: int, picture: Picture) -> NDArray[np.uint8]:
    return render_picture(picture, _library[0], width, height)
