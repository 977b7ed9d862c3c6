"""What the flow is shown, stage by stage.

The first three stages have never been run whole. The bundled flow went through twenty-one stages of commit 741ef44,
over pools of rendered pictures; these three sum them up, in about as many steps. It then went through the next three,
of which two fifths were kept (`--keep 0.6`), the next one (`--keep 0.15`) and the five on a GPU after it, each ended by
the clock at the steps that stand here. How the last six were run on two cores stands in BENCHMARKS.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from alpenglow.request import MAX_SIDE
from alpenglow.training.batches import Part
from alpenglow.training.fit_flow import FlowPlan
from alpenglow.training.pictures import TOKEN


@dataclass(frozen=True)
class Stage:
    """A part of the flow's training: what is shown, each part by its share, and how it is learned.

    `leaning` says how many times as often as by its error alone a style's drawings are shown by themselves.
    """

    parts: tuple[Part, ...]
    plan: FlowPlan
    leaning: Mapping[str, float] = field(default_factory=dict)


THINGS = Part(
    0.62,
    {"subject": 0.42, "pair": 0.12, "restyle": 0.38, "make style": 0.08},
    {(256, 256): 0.28, (512, 512): 0.57, (1024, 768): 0.04, (1024, 1024): 0.07, (1280, 768): 0.04},
)
BY_NAME = Part(
    0.62,
    {"subject": 0.5, "pair": 0.1, "restyle": 0.35, "make style": 0.05},
    {
        (256, 256): 0.26,
        (512, 512): 0.5,
        (1024, 768): 0.04,
        (768, 1024): 0.02,
        (1024, 1024): 0.07,
        (1280, 768): 0.04,
        (768, 1280): 0.01,
        (1920, 1088): 0.05,
        (1088, 1920): 0.01,
    },
)
COPIED = Part(0.12, {"recolour": 0.4, "beside": 0.6}, {(256, 256): 0.2, (512, 512): 0.6, (1024, 768): 0.2})
OUTSIDE = Part(0.14, {"subject at scene": 0.6, "place": 0.4}, {(256, 256): 0.25, (512, 512): 0.6, (1024, 768): 0.15})
LANDSCAPES = Part(
    0.12,
    {"scene": 1.0},
    {
        (512, 512): 0.1,
        (1024, 768): 0.35,
        (1024, 1024): 0.4,
        (768, 1024): 0.05,
        (1280, 768): 0.05,
        (1920, 1088): 0.05,
    },
)
EVERYTHING = (THINGS, COPIED, OUTSIDE, LANDSCAPES)

COUNTED = Part(
    0.1, {"count": 0.7, "size": 0.3}, {(256, 256): 0.25, (512, 512): 0.6, (1024, 768): 0.1, (1024, 1024): 0.05}
)
ARRANGED = replace(COUNTED, kinds={"count": 0.5, "size": 0.25, "on": 0.25})
EDITED = Part(
    0.16,
    {"recolour": 0.3, "beside": 0.25, "beside by name": 0.1, "shift": 0.2, "together": 0.15},
    {(256, 256): 0.25, (512, 512): 0.6, (1024, 768): 0.15},
)
NAMED = replace(
    BY_NAME,
    kinds={"subject": 0.6, "pair": 0.08, "restyle": 0.28, "make style": 0.04},
    frames={
        (256, 256): 0.32,
        (512, 512): 0.44,
        (1024, 768): 0.04,
        (768, 1024): 0.02,
        (1024, 1024): 0.13,
        (1280, 768): 0.04,
        (768, 1280): 0.01,
    },
)
EVERYTHING_COUNTED = (replace(BY_NAME, share=0.54), COUNTED, COPIED, replace(OUTSIDE, share=0.12), LANDSCAPES)

SEVERAL = Part(
    0.2,
    {"count": 0.5, "size": 0.2, "on": 0.3},
    {(256, 256): 0.2, (512, 512): 0.62, (1024, 768): 0.09, (1024, 1024): 0.09},
)
EDITED_TOGETHER = Part(
    0.18,
    {"recolour": 0.34, "beside": 0.2, "beside by name": 0.1, "shift": 0.14, "together": 0.22},
    {(256, 256): 0.25, (512, 512): 0.6, (1024, 768): 0.15},
)
EVERYTHING_ARRANGED = (
    replace(NAMED, share=0.44, frames=NAMED.frames | {(1920, 1088): 0.03}),
    SEVERAL,
    EDITED_TOGETHER,
    replace(OUTSIDE, share=0.12),
    replace(LANDSCAPES, share=0.06),
)

ALL_FRAMES = {
    (256, 256): 0.36,
    (512, 512): 0.41,
    (1024, 768): 0.04,
    (768, 1024): 0.02,
    (1024, 1024): 0.09,
    (1280, 768): 0.04,
    (768, 1280): 0.01,
    (1920, 1088): 0.025,
    (1088, 1920): 0.005,
}
NAMES_FIRST = (
    replace(
        NAMED,
        share=0.58,
        kinds={"subject": 0.66, "pair": 0.06, "restyle": 0.24, "make style": 0.04},
        frames={(256, 256): 0.6, (512, 512): 0.3, (1024, 768): 0.03, (1024, 1024): 0.05, (1280, 768): 0.02},
    ),
    Part(0.14, {"count": 0.5, "size": 0.2, "on": 0.3}, {(256, 256): 0.5, (512, 512): 0.5}),
    Part(
        0.1,
        {"recolour": 0.34, "beside": 0.2, "beside by name": 0.1, "shift": 0.14, "together": 0.22},
        {(256, 256): 0.5, (512, 512): 0.5},
    ),
    replace(OUTSIDE, share=0.13, frames={(256, 256): 0.35, (512, 512): 0.6, (1024, 768): 0.05}),
    replace(LANDSCAPES, share=0.05),
)
EVERYTHING_KNOWN = (
    replace(NAMED, share=0.48, kinds=NAMED.kinds | {"restyle": 0.26, "pair": 0.1}, frames=ALL_FRAMES),
    replace(SEVERAL, share=0.16),
    replace(EDITED_TOGETHER, share=0.15),
    replace(OUTSIDE, share=0.15),
    replace(LANDSCAPES, share=0.06, frames=LANDSCAPES.frames | {(1024, 768): 0.3, (1920, 1088): 0.1}),
)

LARGE = [
    (width, height)
    for width, height in product(range(512, MAX_SIDE + 1, TOKEN), repeat=2)
    if width * height > 1280 * 768 or max(width, height) > 1280
]


def large(rest: float, asked_for: Mapping[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """Frames that are asked for by their weight, and besides all large ones, which share the `rest`."""
    frames = dict.fromkeys((*LARGE, *asked_for))
    return {frame: rest / len(LARGE) + asked_for.get(frame, 0.0) for frame in frames}


ASKED_FOR = {
    (1920, 1088): 0.1,
    (1088, 1920): 0.09,
    (1536, 1024): 0.05,
    (1024, 1536): 0.04,
    (1920, 1920): 0.04,
    (1280, 1280): 0.02,
    (1024, 1024): 0.03,
    (1280, 768): 0.015,
    (768, 1280): 0.015,
}
ANY_LARGE = Part(
    0.56,
    {"subject": 0.68, "pair": 0.1, "restyle": 0.08, "recolour": 0.05, "beside": 0.05, "count": 0.04},
    large(0.6, ASKED_FOR),
)
ANY_LARGE_SAMPLED = replace(
    ANY_LARGE,
    kinds={"subject": 0.64, "pair": 0.12, "restyle": 0.12, "recolour": 0.04, "beside": 0.04, "count": 0.04},
    frames=large(
        0.5,
        ASKED_FOR
        | {
            (1920, 1088): 0.07,
            (1088, 1920): 0.12,
            (1024, 1536): 0.05,
            (1920, 1920): 0.1,
            (1024, 1024): 0.04,
            (1280, 768): 0.02,
            (768, 1280): 0.03,
        },
    ),
)
LARGEST_SAMPLED = replace(
    ANY_LARGE,
    kinds=ANY_LARGE.kinds | {"subject": 0.66, "restyle": 0.1},
    frames=large(
        0.4,
        ASKED_FOR
        | {
            (1088, 1920): 0.14,
            (1536, 1024): 0.04,
            (1024, 1536): 0.05,
            (1920, 1920): 0.16,
            (1280, 1280): 0.03,
            (1024, 1024): 0.04,
            (1280, 768): 0.02,
            (768, 1280): 0.02,
        },
    ),
)
WIDE_AND_TALL = replace(
    LANDSCAPES, frames={(1920, 1088): 0.3, (1088, 1920): 0.4, (1280, 768): 0.15, (1024, 1024): 0.15}
)
OUTSIDE_LARGE = replace(OUTSIDE, frames={(1920, 1088): 0.35, (1280, 768): 0.3, (1024, 1024): 0.35})
NAMED_BESIDE = replace(NAMED, kinds=NAMED.kinds | {"subject": 0.5, "restyle": 0.38})
NAMED_AGAIN = replace(
    NAMED,
    kinds=NAMED.kinds | {"subject": 0.56, "restyle": 0.32},
    frames=NAMED.frames | {(256, 256): 0.45, (1024, 1024): 0.16},
)


def shared(parts: Sequence[Part], *shares: float) -> tuple[Part, ...]:
    """The same parts, each with its share."""
    return tuple(replace(part, share=share) for part, share in zip(parts, shares, strict=True))


EVERY_FRAME = shared(
    (ANY_LARGE, WIDE_AND_TALL, OUTSIDE_LARGE, NAMED_BESIDE, SEVERAL, EDITED_TOGETHER, OUTSIDE),
    *(0.56, 0.06, 0.04, 0.22, 0.04, 0.04, 0.04),
)
EVERY_FRAME_KNOWN = shared(
    (ANY_LARGE, WIDE_AND_TALL, OUTSIDE_LARGE, NAMED_AGAIN, SEVERAL, EDITED_TOGETHER, OUTSIDE),
    *(0.34, 0.04, 0.03, 0.38, 0.07, 0.07, 0.07),
)
KNOWN_AGAIN = shared(EVERY_FRAME_KNOWN, 0.24, 0.03, 0.03, 0.5, 0.07, 0.07, 0.06)
EVERY_FRAME_SAMPLED = shared(
    (ANY_LARGE_SAMPLED, WIDE_AND_TALL, OUTSIDE_LARGE, NAMED_BESIDE, SEVERAL, EDITED_TOGETHER, OUTSIDE),
    *(0.42, 0.05, 0.04, 0.3, 0.06, 0.06, 0.07),
)
LARGEST_FRAMES_SAMPLED = shared(
    (LARGEST_SAMPLED, WIDE_AND_TALL, OUTSIDE_LARGE, NAMED_BESIDE, SEVERAL, EDITED_TOGETHER, OUTSIDE),
    *(0.6, 0.03, 0.02, 0.22, 0.04, 0.05, 0.04),
)
SMALLEST_KNOWN = shared(
    (
        LARGEST_SAMPLED,
        WIDE_AND_TALL,
        OUTSIDE_LARGE,
        replace(NAMED_AGAIN, frames=NAMED_AGAIN.frames | {(256, 256): 0.9}),
        SEVERAL,
        EDITED_TOGETHER,
        OUTSIDE,
    ),
    *(0.22, 0.03, 0.02, 0.55, 0.06, 0.06, 0.06),
)
SAMPLED = FlowPlan(steps=0, first_alone=0.8, averaging=0.998, words=False, sampled=True)


CURRICULUM = (
    # What words mean is learned soonest from single things, by sampling's first step alone: a prompt with its
    # references means one picture here, so that step can learn all of what they mean, at a quarter of the cost.
    Stage(
        (Part(0.92, {"subject": 1.0}, {(256, 256): 0.5, (512, 512): 0.5}), LANDSCAPES),
        FlowPlan(steps=20_000, first_alone=1, learning_rate=2e-3, hold=0.99, averaging=0.99, seed=100),
    ),
    Stage(
        EVERYTHING,
        FlowPlan(steps=30_000, first_alone=0.9, learning_rate=1.5e-3, hold=0.9, averaging=0.99, seed=101),
    ),
    # The other steps after it.
    Stage(
        EVERYTHING,
        FlowPlan(steps=30_000, first_alone=0.3, learning_rate=1e-3, hold=0.3, averaging=0.99, seed=102),
    ),
    # The same three once more, in short: what needs a thing's name or its looks, then everything, with numbers and
    # sizes, which came in with the second of these.
    Stage(
        (
            replace(BY_NAME, share=0.84),
            replace(COPIED, share=0.05),
            replace(OUTSIDE, share=0.04),
            replace(LANDSCAPES, share=0.07),
        ),
        FlowPlan(steps=4_300, first_alone=1, learning_rate=1.2e-3, hold=0.7, averaging=0.99, seed=103),
    ),
    Stage(
        EVERYTHING_COUNTED,
        FlowPlan(steps=1_400, first_alone=0.85, learning_rate=1e-3, hold=0.9, averaging=0.99, seed=104),
    ),
    Stage(
        EVERYTHING_COUNTED,
        FlowPlan(steps=2_800, first_alone=0.3, learning_rate=1e-3, hold=0.3, averaging=0.99, seed=105),
    ),
    # What is new, and what is still wrong, at a lower rate and with half as many pictures a step, for slow processors:
    # more of a thing, one on another, edits with up to four references, and the style that is behind.
    Stage(
        (
            replace(NAMED, share=0.5),
            replace(ARRANGED, share=0.22),
            replace(EDITED, share=0.18),
            replace(OUTSIDE, share=0.04),
            replace(LANDSCAPES, share=0.06),
        ),
        FlowPlan(steps=6_300, batch=4, first_alone=0.88, learning_rate=6e-4, hold=0.4, averaging=0.99, seed=106),
        leaning={"fxemoji": 1.6},
    ),
    # The same on a GPU, whose steps are cheap: with food and drink, things in landscapes and the largest frames, by
    # sampling's first step, then by all four.
    Stage(
        EVERYTHING_ARRANGED,
        FlowPlan(steps=17_649, batch=32, first_alone=0.92, learning_rate=1.5e-3, hold=0.5, averaging=0.99, seed=107),
        leaning={"fxemoji": 1.6},
    ),
    Stage(
        EVERYTHING_ARRANGED,
        FlowPlan(steps=8_812, batch=32, first_alone=0.4, learning_rate=7e-4, hold=0.2, averaging=0.99, seed=108),
        leaning={"fxemoji": 1.6},
    ),
    # Twice as many things: small frames first, which show the most for their cost.
    Stage(
        NAMES_FIRST,
        FlowPlan(steps=18_030, batch=32, first_alone=0.96, learning_rate=1.5e-3, hold=0.9, averaging=0.99, seed=109),
    ),
    Stage(
        EVERYTHING_KNOWN,
        FlowPlan(steps=13_090, batch=32, first_alone=0.9, learning_rate=1.5e-3, hold=0.4, averaging=0.99, seed=110),
    ),
    Stage(
        EVERYTHING_KNOWN,
        FlowPlan(steps=11_138, batch=32, first_alone=0.4, learning_rate=7e-4, hold=0.2, averaging=0.99, seed=111),
    ),
    # Any large frame, at rates low enough for few pictures a step, on two cores. Words are not touched.
    Stage(
        EVERY_FRAME,
        FlowPlan(
            steps=5_000, batch=6, first_alone=0.8, learning_rate=4e-4, hold=0.9, averaging=0.99, words=False, seed=112
        ),
    ),
    Stage(
        EVERY_FRAME_KNOWN,
        FlowPlan(steps=5_000, batch=6, first_alone=0.8, learning_rate=3e-4, averaging=0.998, words=False, seed=113),
    ),
    # What is still wrong after them.
    Stage(
        KNOWN_AGAIN,
        FlowPlan(steps=1_700, batch=6, first_alone=0.8, learning_rate=2e-4, averaging=0.99, words=False, seed=114),
    ),
    # The largest frames again, of whose plain ground a sample is shown: three times as many pictures a step.
    Stage(EVERY_FRAME_SAMPLED, replace(SAMPLED, steps=2_400, learning_rate=6e-4, hold=0.99, seed=115)),
    Stage(LARGEST_FRAMES_SAMPLED, replace(SAMPLED, steps=7_885, learning_rate=6e-4, hold=0.6, seed=116)),
    # What had been lost meanwhile: names at 256x256.
    Stage(SMALLEST_KNOWN, replace(SAMPLED, steps=3_766, learning_rate=4e-4, hold=0.1, averaging=0.99, seed=117)),
)
