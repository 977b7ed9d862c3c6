"""What the flow is shown, stage by stage."""

from dataclasses import dataclass

from alpenglow.training.batches import Part
from alpenglow.training.fit_flow import FlowPlan


@dataclass(frozen=True)
class Stage:
    """A part of the flow's training: what is shown, each part by its share, and how it is learned."""

    parts: tuple[Part, ...]
    plan: FlowPlan


LANDSCAPES = Part(
    0.08,
    {"scene": 1.0},
    {
        (512, 512): 0.2,
        (1024, 768): 0.25,
        (1024, 1024): 0.27,
        (768, 1024): 0.08,
        (1280, 768): 0.08,
        (1920, 1088): 0.12,
    },
)

EVERYTHING = (
    Part(
        0.76,
        {"subject": 0.5, "pair": 0.1, "restyle": 0.2, "make style": 0.05, "recolour": 0.06, "beside": 0.09},
        {
            (256, 256): 0.28,
            (512, 512): 0.46,
            (1024, 768): 0.06,
            (1024, 1024): 0.1,
            (768, 1024): 0.02,
            (1280, 768): 0.04,
            (1920, 1088): 0.04,
        },
    ),
    Part(
        0.15,
        {"subject at scene": 0.6, "place": 0.4},
        {(256, 256): 0.2, (512, 512): 0.5, (1024, 768): 0.12, (1024, 1024): 0.18},
    ),
    LANDSCAPES,
)

CURRICULUM = (
    # What words mean is learned soonest from single things, by sampling's first step alone: a prompt with its
    # references means one picture here, so that step can learn all of what they mean, at a quarter of the cost.
    Stage(
        (Part(0.92, {"subject": 1.0}, {(256, 256): 0.5, (512, 512): 0.5}), LANDSCAPES),
        FlowPlan(steps=6_000, first_alone=1, learning_rate=2e-3, hold=0.99, seed=100),
    ),
    Stage(EVERYTHING, FlowPlan(steps=10_000, first_alone=0.9, learning_rate=2e-3, hold=0.9, seed=101)),
    # The other steps after it.
    Stage(EVERYTHING, FlowPlan(steps=10_000, first_alone=0.3, learning_rate=1.5e-3, hold=0.2, seed=102)),
)
