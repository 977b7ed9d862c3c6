"""The numbers that the bundled demo checkpoint was made with. Changing one makes another checkpoint."""

from dataclasses import dataclass

from alpenglow.training.examples import FAVOURITES
from alpenglow.training.fit_decoder import DecoderPlan
from alpenglow.training.fit_flow import FlowPlan
from alpenglow.training.latents import PoolPlan


@dataclass(frozen=True)
class Recipe:
    """A plan for each stage, in the order in which they run. The first pool holds the references.

    `concepts` are the things that the flow learns to draw: as many as an hour on two CPU cores suffices for.
    """

    decoder: tuple[DecoderPlan, ...]
    vocabulary_captions: int
    pools: tuple[PoolPlan, ...]
    concepts: frozenset[str]
    flow: FlowPlan
    seed: int = 0


RECIPE = Recipe(
    decoder=(
        DecoderPlan(steps=1_500, batch=16, side=256, finest=3),
        DecoderPlan(steps=5_000, batch=8, side=128, learning_rate=1.5e-3, seed=1),
    ),
    vocabulary_captions=60_000,
    pools=(
        PoolPlan(256, 256, pictures=6_500, plans=400_000, weight=0.86, bases=True),
        PoolPlan(512, 512, pictures=800, plans=100_000, weight=0.07),
        PoolPlan(1024, 768, pictures=260, plans=50_000, weight=0.035),
        PoolPlan(1024, 1024, pictures=260, plans=50_000, weight=0.03),
        PoolPlan(768, 1024, pictures=80, plans=20_000, weight=0.005),
    ),
    concepts=frozenset(FAVOURITES),
    flow=FlowPlan(steps=8_000),
)
