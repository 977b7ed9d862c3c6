"""The numbers that a demo checkpoint is made with.

The decoder's are the bundled one's; of the flow's `curriculum` tells. The words' are those of the round that followed
its stages 9 to 11. Two more came after it, on two cores: BENCHMARKS.md. From the beginning they have not been run.
"""

from dataclasses import dataclass

from alpenglow.training.curriculum import CURRICULUM, Stage
from alpenglow.training.fit_decoder import DecoderPlan
from alpenglow.training.fit_words import WordsPlan


@dataclass(frozen=True)
class Recipe:
    """A plan for each stage, in the order in which they run.

    `added_words` says how many words have an entry of their own in the vocabulary, `plans` how many are drawn of each
    kind.
    """

    decoder: tuple[DecoderPlan, ...]
    vocabulary_captions: int
    added_words: int
    plans: dict[str, int]
    flow: tuple[Stage, ...]
    words: WordsPlan
    seed: int = 0


RECIPE = Recipe(
    decoder=(
        DecoderPlan(steps=1_500, batch=16, side=256, finest=3),
        DecoderPlan(steps=5_000, batch=8, side=128, learning_rate=1.5e-3, seed=1),
        DecoderPlan(steps=2_000, batch=8, side=128, learning_rate=6e-4, latent_noise=0.1, seed=2),
        DecoderPlan(steps=1_700, batch=8, side=128, learning_rate=6e-4, latent_noise=0.1, seed=3),
        DecoderPlan(steps=8_000, batch=8, side=128, learning_rate=8e-4, latent_noise=0.1, seed=4),
    ),
    vocabulary_captions=60_000,
    added_words=1_408,
    plans={
        "subject": 240_000,
        "scene": 18_000,
        "subject at scene": 72_000,
        "pair": 90_000,
        "restyle": 90_000,
        "recolour": 48_000,
        "beside": 48_000,
        "place": 48_000,
        "make style": 48_000,
        "size": 36_000,
        "count": 48_000,
        "on": 48_000,
        "beside by name": 24_000,
        "together": 24_000,
        "shift": 24_000,
    },
    flow=CURRICULUM,
    words=WordsPlan(
        steps=10_332,
        batch=128,
        kinds={
            "subject": 0.453,
            "pair": 0.126,
            "subject at scene": 0.06,
            "on": 0.066,
            "size": 0.05,
            "count": 0.136,
            "beside by name": 0.02,
            "scene": 0.03,
            "restyle": 0.02,
            "recolour": 0.01,
            "beside": 0.01,
            "together": 0.01,
            "shift": 0.005,
            "place": 0.002,
            "make style": 0.002,
        },
    ),
)
