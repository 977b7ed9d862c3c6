"""The numbers that the bundled demo checkpoint was made with. Changing one makes another checkpoint."""

from dataclasses import dataclass

from alpenglow.training.curriculum import CURRICULUM
from alpenglow.training.examples import BY_NAME, COPIES, LANDSCAPES, PLAIN_STYLE_WEIGHTS, SUBJECTS
from alpenglow.training.fit_decoder import DecoderPlan
from alpenglow.training.latents import PoolPlan
from alpenglow.training.pictures import LARGEST_CELL, TOKEN
from alpenglow.training.stages import FlowStage
from alpenglow.training.things import ANIMALS_AND_PLANTS, FAVOURITES, MISSED

FRAMED = ("512x512-1", "512x512-0", "512x512-3")
"""The pools whose things are put into larger frames. The first holds each drawing by itself."""

WIDE = 2 * LARGEST_CELL // TOKEN
"""Tokens of width from which two things stand beside each other as large as one in FRAMED."""


@dataclass(frozen=True)
class Recipe:
    """A plan for each stage, in the order in which they run. Pools with `bases` hold the references.

    `concepts` are the things that the flow learns to draw by their names.
    """

    decoder: tuple[DecoderPlan, ...]
    vocabulary_captions: int
    pools: tuple[PoolPlan, ...]
    concepts: frozenset[str]
    flow: tuple[FlowStage, ...]
    seed: int = 0


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
    flow=CURRICULUM,
)
