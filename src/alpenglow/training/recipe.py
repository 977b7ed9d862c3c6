"""The numbers that the bundled demo checkpoint was made with. Changing one makes another checkpoint."""

from dataclasses import dataclass

from alpenglow.training.fit_autoencoder import AutoencoderPlan
from alpenglow.training.fit_flow import FlowPlan
from alpenglow.training.latents import PoolPlan


@dataclass(frozen=True)
class Recipe:
    """A plan for each stage, in the order in which they run. The first pool holds the references."""

    autoencoder: AutoencoderPlan
    vocabulary_captions: int
    pools: tuple[PoolPlan, ...]
    flow: FlowPlan
    decoder: AutoencoderPlan
    seed: int = 0


RECIPE = Recipe(
    autoencoder=AutoencoderPlan(steps=4_500),
    vocabulary_captions=60_000,
    pools=(
        PoolPlan(256, 256, pictures=14_000, plans=400_000, weight=0.62, bases=True),
        PoolPlan(512, 512, pictures=2_500, plans=100_000, weight=0.2),
        PoolPlan(1024, 768, pictures=900, plans=50_000, weight=0.09),
        PoolPlan(1024, 1024, pictures=700, plans=50_000, weight=0.07),
        PoolPlan(768, 1024, pictures=250, plans=20_000, weight=0.02),
    ),
    flow=FlowPlan(steps=30_000),
    decoder=AutoencoderPlan(steps=3_000, learning_rate=1e-3, decoder_only=True, seed=1),
)
