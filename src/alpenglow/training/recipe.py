"""The numbers that the bundled demo checkpoint was made with. Changing one makes another checkpoint."""

from dataclasses import dataclass

from alpenglow.training.examples import FAVOURITES, KINDS, Plan
from alpenglow.training.fit_decoder import DecoderPlan
from alpenglow.training.fit_flow import FlowPlan
from alpenglow.training.latents import PoolPlan


@dataclass(frozen=True)
class FlowStage:
    """A part of the flow's training: which kinds of example on which grounds, and how often each pool is drawn."""

    kinds: frozenset[str]
    white_only: bool
    shares: tuple[float, ...]
    plan: FlowPlan

    def wants(self, plan: Plan) -> bool:
        """Whether an example belongs into this stage. Scenes have no ground of one colour."""
        return plan.kind in self.kinds and not (
            self.white_only and plan.kind != "scene" and plan.picture.ground != "white"
        )


@dataclass(frozen=True)
class Recipe:
    """A plan for each stage, in the order in which they run. The first pool holds the references.

    `concepts` are the things that the flow learns to draw: as many as an hour on two CPU cores suffices for.
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
    ),
    vocabulary_captions=60_000,
    pools=(
        PoolPlan(256, 256, pictures=6_500, plans=400_000, bases=True),
        PoolPlan(512, 512, pictures=800, plans=100_000),
        PoolPlan(1024, 768, pictures=260, plans=50_000),
        PoolPlan(1024, 1024, pictures=260, plans=50_000),
        PoolPlan(768, 1024, pictures=80, plans=20_000),
    ),
    concepts=frozenset(FAVOURITES),
    flow=(
        # What words mean is learned soonest from single things on white. Everything at once learned colours alone.
        FlowStage(
            frozenset({"subject", "scene"}),
            white_only=True,
            shares=(1, 0, 0, 0, 0),
            plan=FlowPlan(steps=7_000, learning_rate=2e-3, seed=65),
        ),
        FlowStage(
            frozenset(KINDS),
            white_only=False,
            shares=(0.52, 0.19, 0.11, 0.16, 0.02),
            plan=FlowPlan(steps=7_000, learning_rate=1.5e-3, seed=67),
        ),
    ),
)
