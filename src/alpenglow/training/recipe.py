"""The numbers that the bundled demo checkpoint was made with. Changing one makes another checkpoint."""

from dataclasses import dataclass

from alpenglow.training.captions import DEFAULT_STYLE
from alpenglow.training.examples import KINDS, PLAIN_STYLE_WEIGHTS
from alpenglow.training.fit_decoder import DecoderPlan
from alpenglow.training.fit_flow import FlowPlan
from alpenglow.training.latents import PoolPlan
from alpenglow.training.pictures import LARGEST_CELL, TOKEN
from alpenglow.training.stages import COMMON_FRAMES, FlowStage
from alpenglow.training.things import ANIMALS_AND_PLANTS, FAVOURITES, MISSED

FRAMED = ("512x512-1", "512x512-0", "512x512-3")
"""The pools whose things are put into larger frames. The first holds each drawing by itself."""

WIDE = 2 * LARGEST_CELL // TOKEN
"""Tokens of width from which two things stand beside each other as large as one in FRAMED."""


@dataclass(frozen=True)
class Recipe:
    """A plan for each stage, in the order in which they run. Pools with `bases` hold the references.

    `concepts` are the things that the flow learns to draw: as many as two hours on two CPU cores suffice for.
    """

    decoder: tuple[DecoderPlan, ...]
    vocabulary_captions: int
    pools: tuple[PoolPlan, ...]
    concepts: frozenset[str]
    flow: tuple[FlowStage, ...]
    seed: int = 0


BY_NAME = frozenset({"subject", "pair", "restyle", "make style"})
"""Kinds of example that need what a thing is called, or what it looks like in another style."""

COPIES = frozenset({"recolour", "place"})
"""Edits that copy a reference and need not know what it shows: learned from every drawing there is."""

LANDSCAPES = frozenset({"scene"})
SUBJECTS = frozenset({"subject"})

EVERYTHING: dict[str, float] = {
    "256x256-1": 0.04,
    "256x256-0": 0.22,
    "512x512-1": 0.06,
    "512x512-0": 0.42,
    "1024x768-0": 0.04,
    "1024x1024-0": 0.03,
    "768x1024-0": 0.02,
    "512x512-2": 0.02,
    "1024x768-2": 0.02,
    "1024x1024-2": 0.02,
    "1280x768-2": 0.01,
    "1920x1088-2": 0.01,
}
"""Shares of pools that keep all that was learned."""

ANIMALS_PLANTS_AND_LANDSCAPES = EVERYTHING | {
    "256x256-0": 0.13,
    "256x256-3": 0.1,
    "512x512-0": 0.28,
    "512x512-3": 0.18,
    "1024x768-2": 0.05,
    "1024x1024-2": 0.06,
    "768x1024-2": 0.01,
}
"""The same, leaning to these."""

RECIPE = Recipe(
    decoder=(
        DecoderPlan(steps=1_500, batch=16, side=256, finest=3),
        DecoderPlan(steps=5_000, batch=8, side=128, learning_rate=1.5e-3, seed=1),
        DecoderPlan(steps=2_000, batch=8, side=128, learning_rate=6e-4, latent_noise=0.1, seed=2),
        DecoderPlan(steps=1_700, batch=8, side=128, learning_rate=6e-4, latent_noise=0.1, seed=3),
    ),
    vocabulary_captions=60_000,
    pools=(  # of each size: seed 0 shows everything, 1 copies, 2 landscapes, 3 and 4 animals and plants
        PoolPlan(256, 256, pictures=6_000, plans=30_000, kinds=COPIES, bases=True, seed=1),
        PoolPlan(256, 256, pictures=9_000, plans=200_000, concepts=FAVOURITES),
        PoolPlan(512, 512, pictures=5_000, plans=30_000, kinds=COPIES, bases=True, seed=1),
        PoolPlan(512, 512, pictures=5_500, plans=150_000, concepts=FAVOURITES),
        PoolPlan(1024, 768, pictures=1_800, plans=80_000, concepts=FAVOURITES, styles=PLAIN_STYLE_WEIGHTS),
        PoolPlan(1024, 1024, pictures=1_800, plans=80_000, concepts=FAVOURITES, styles=PLAIN_STYLE_WEIGHTS),
        PoolPlan(768, 1024, pictures=600, plans=40_000, concepts=FAVOURITES, styles=PLAIN_STYLE_WEIGHTS),
        PoolPlan(512, 512, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(1024, 768, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(1024, 1024, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(768, 1024, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(1024, 576, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(768, 768, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(1280, 768, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(1536, 1024, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(1920, 1088, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(1088, 1920, pictures=300, plans=20_000, kinds=LANDSCAPES, seed=2),
        PoolPlan(256, 256, 4_000, 80_000, ANIMALS_AND_PLANTS - MISSED, BY_NAME, synonyms=0.2, seed=3),
        PoolPlan(512, 512, 4_000, 80_000, ANIMALS_AND_PLANTS - MISSED, BY_NAME, synonyms=0.2, seed=3),
        PoolPlan(256, 256, 3_000, 60_000, FAVOURITES | ANIMALS_AND_PLANTS, SUBJECTS, synonyms=0.5, seed=4),
        PoolPlan(512, 512, 3_000, 60_000, ANIMALS_AND_PLANTS, SUBJECTS, synonyms=0.1, seed=4),
    ),
    concepts=FAVOURITES | ANIMALS_AND_PLANTS,
    flow=(
        # What words mean is learned soonest from single things on white, first small, then large. Everything at once
        # learned colours alone. The bundled checkpoint's first stages were earlier forms of these, and all but the last
        # were learned from true pictures with noise added, sixteen a step: BENCHMARKS.md.
        FlowStage(
            frozenset({"subject", "scene"}),
            white_only=True,
            shares={"256x256-0": 1},
            plan=FlowPlan(steps=7_000, learning_rate=2e-3, seed=65),
        ),
        FlowStage(
            frozenset({"subject", "scene"}),
            white_only=True,
            shares={"256x256-0": 0.1, "512x512-0": 0.36, "1024x768-0": 0.22, "1024x1024-0": 0.22, "768x1024-0": 0.1},
            plan=FlowPlan(steps=6_000, learning_rate=1.5e-3, hold=0.9, seed=70),
        ),
        FlowStage(
            frozenset(KINDS),
            shares={
                "256x256-1": 0.08,
                "256x256-0": 0.15,
                "512x512-0": 0.27,
                "1024x768-0": 0.21,
                "1024x1024-0": 0.22,
                "768x1024-0": 0.07,
            },
            plan=FlowPlan(steps=16_000, learning_rate=1.5e-3, hold=0.4, seed=71),
        ),
        # Landscapes, and edits that copy a reference, each at a share that it can be learned from. It was planned for
        # 9,000 steps and stopped while the rate began to fall: restyling towards every style at once was a blob.
        FlowStage(
            frozenset(KINDS),
            shares={
                "256x256-1": 0.06,
                "256x256-0": 0.1,
                "512x512-1": 0.13,
                "512x512-0": 0.22,
                "1024x768-0": 0.06,
                "1024x1024-0": 0.06,
                "768x1024-0": 0.02,
                "512x512-2": 0.05,
                "1024x768-2": 0.12,
                "1024x1024-2": 0.12,
                "768x1024-2": 0.03,
                "1024x576-2": 0.03,
            },
            plan=FlowPlan(steps=5_300, learning_rate=1.2e-3, hold=0.45, seed=72),
        ),
        # So towards one style, the one that goes without saying.
        FlowStage(
            frozenset(KINDS) - {"beside"},
            shares={
                "256x256-1": 0.05,
                "256x256-0": 0.12,
                "512x512-1": 0.12,
                "512x512-0": 0.31,
                "1024x768-0": 0.04,
                "1024x1024-0": 0.04,
                "768x1024-0": 0.01,
                "512x512-2": 0.04,
                "1024x768-2": 0.11,
                "1024x1024-2": 0.10,
                "768x1024-2": 0.03,
                "1024x576-2": 0.03,
            },
            plan=FlowPlan(steps=4_400, learning_rate=1e-3, hold=0.25, seed=73),
            restyled_to=frozenset({DEFAULT_STYLE}),
        ),
        # Along sampling's own path. Shares lean to what was least sharp.
        FlowStage(
            frozenset(KINDS) - {"beside"},
            shares={
                "256x256-1": 0.05,
                "256x256-0": 0.22,
                "512x512-1": 0.08,
                "512x512-0": 0.31,
                "1024x768-0": 0.06,
                "1024x1024-0": 0.06,
                "768x1024-0": 0.02,
                "512x512-2": 0.04,
                "1024x768-2": 0.06,
                "1024x1024-2": 0.06,
                "768x1024-2": 0.02,
                "1024x576-2": 0.02,
            },
            plan=FlowPlan(steps=4_600, learning_rate=1e-3, hold=0.35, seed=74),
            restyled_to=frozenset({DEFAULT_STYLE}),
        ),
        # A prompt with its references means one picture here, so the first step alone can learn all of what they mean,
        # at a quarter of the cost: a hundred things instead of forty, and restyling to every style, first small.
        FlowStage(
            frozenset({"subject", "restyle", "make style"}),
            shares={"256x256-0": 1},
            plan=FlowPlan(steps=2_000, first_alone=1, learning_rate=1e-3, hold=0.7, averaging=0.99, seed=75),
        ),
        FlowStage(
            frozenset(KINDS),
            shares={
                "256x256-1": 0.03,
                "256x256-0": 0.31,
                "512x512-1": 0.06,
                "512x512-0": 0.36,
                "1024x768-0": 0.06,
                "1024x1024-0": 0.07,
                "768x1024-0": 0.03,
                "512x512-2": 0.03,
                "1024x768-2": 0.02,
                "1024x1024-2": 0.02,
                "768x1024-2": 0.005,
                "1024x576-2": 0.005,
            },
            plan=FlowPlan(steps=3_300, first_alone=1, learning_rate=1e-3, hold=0.6, averaging=0.99, seed=76),
        ),
        # The other steps after it.
        FlowStage(
            frozenset(KINDS),
            shares={
                "256x256-1": 0.03,
                "256x256-0": 0.27,
                "512x512-1": 0.06,
                "512x512-0": 0.36,
                "1024x768-0": 0.06,
                "1024x1024-0": 0.07,
                "768x1024-0": 0.03,
                "512x512-2": 0.04,
                "1024x768-2": 0.03,
                "1024x1024-2": 0.03,
                "768x1024-2": 0.01,
                "1024x576-2": 0.01,
            },
            plan=FlowPlan(steps=2_600, first_alone=0.4, learning_rate=7e-4, hold=0.3, averaging=0.99, seed=77),
        ),
        # Things at 512x512, which had been seen least, and frames of every size.
        FlowStage(
            frozenset(KINDS),
            shares={
                "256x256-1": 0.02,
                "256x256-0": 0.12,
                "512x512-1": 0.04,
                "512x512-0": 0.5,
                "1024x768-0": 0.03,
                "1024x1024-0": 0.04,
                "768x1024-0": 0.01,
                "512x512-2": 0.02,
                "1024x768-2": 0.02,
                "1024x1024-2": 0.02,
                "768x1024-2": 0.01,
                "1024x576-2": 0.01,
                "768x768-2": 0.015,
                "1280x768-2": 0.015,
                "1536x1024-2": 0.01,
                "1920x1088-2": 0.015,
                "1088x1920-2": 0.005,
            },
            plan=FlowPlan(steps=1_900, first_alone=0.75, learning_rate=1e-3, hold=0.4, averaging=0.99, seed=78),
            framed=0.1,
        ),
        # Few kinds at a time are learned soonest, here too.
        FlowStage(
            frozenset({"subject", "scene", "restyle", "make style"}),
            shares={
                "256x256-0": 0.06,
                "512x512-0": 0.6,
                "1024x768-0": 0.04,
                "1024x1024-0": 0.04,
                "512x512-2": 0.03,
                "1024x768-2": 0.04,
                "1024x1024-2": 0.03,
                "1280x768-2": 0.02,
                "1920x1088-2": 0.02,
            },
            plan=FlowPlan(steps=1_300, first_alone=0.85, learning_rate=1e-3, hold=0.4, averaging=0.99, seed=79),
            framed=0.12,
        ),
        # Nothing but things by their names, large and in the frames that people ask for: each some three hundred times.
        FlowStage(
            frozenset({"subject", "scene"}),
            shares={
                "256x256-0": 0.12,
                "512x512-0": 0.5,
                "512x512-2": 0.015,
                "1024x768-2": 0.02,
                "1024x1024-2": 0.02,
                "1280x768-2": 0.015,
                "1920x1088-2": 0.01,
            },
            plan=FlowPlan(steps=4_200, first_alone=1, learning_rate=1.2e-3, hold=0.7, averaging=0.99, seed=80),
            framed=0.3,
            frames=COMMON_FRAMES,
        ),
        # Everything again, on what was learned there.
        FlowStage(
            frozenset(KINDS),
            shares=EVERYTHING,
            plan=FlowPlan(steps=2_600, first_alone=0.85, learning_rate=1e-3, hold=0.9, averaging=0.99, seed=81),
            framed=0.12,
            frames=COMMON_FRAMES,
        ),
        # The other steps after it.
        FlowStage(
            frozenset(KINDS),
            shares=EVERYTHING | {"256x256-0": 0.2},
            plan=FlowPlan(steps=3_700, first_alone=0.4, learning_rate=1e-3, hold=0.3, averaging=0.99, seed=82),
            framed=0.14,
            frames=COMMON_FRAMES,
        ),
        # The same three again: animals, plants and large landscapes, then everything.
        FlowStage(
            frozenset({"subject", "scene"}),
            shares={
                "256x256-0": 0.05,
                "256x256-3": 0.18,
                "512x512-0": 0.1,
                "512x512-3": 0.27,
                "512x512-2": 0.015,
                "1024x768-2": 0.12,
                "1024x1024-2": 0.15,
                "768x1024-2": 0.02,
                "1280x768-2": 0.02,
                "1920x1088-2": 0.01,
            },
            plan=FlowPlan(steps=5_200, first_alone=1, learning_rate=1.2e-3, hold=0.7, averaging=0.99, seed=83),
            framed=0.08,
            frames=COMMON_FRAMES,
        ),
        FlowStage(
            frozenset(KINDS),
            shares=ANIMALS_PLANTS_AND_LANDSCAPES,
            plan=FlowPlan(steps=2_300, first_alone=0.85, learning_rate=1e-3, hold=0.9, averaging=0.99, seed=84),
            framed=0.12,
            frames=COMMON_FRAMES,
        ),
        FlowStage(
            frozenset(KINDS),
            shares=ANIMALS_PLANTS_AND_LANDSCAPES,
            plan=FlowPlan(steps=2_500, first_alone=0.4, learning_rate=1e-3, hold=0.3, averaging=0.99, seed=85),
            framed=0.12,
            frames=COMMON_FRAMES,
        ),
        # Other words, which had been seen least, and the animals that are still pale.
        FlowStage(
            frozenset(KINDS),
            shares=ANIMALS_PLANTS_AND_LANDSCAPES | {"256x256-4": 0.2, "512x512-4": 0.35},
            plan=FlowPlan(steps=1_600, first_alone=0.7, learning_rate=1e-3, hold=0.35, averaging=0.99, seed=86),
            framed=0.12,
            frames=COMMON_FRAMES,
        ),
    ),
)
