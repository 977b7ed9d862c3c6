"""What the flow is shown, stage by stage: the curriculum that the bundled demo checkpoint went through."""

from alpenglow.training.captions import DEFAULT_STYLE
from alpenglow.training.examples import BY_NAME, KINDS, LANDSCAPES, SUBJECTS
from alpenglow.training.fit_flow import FlowPlan
from alpenglow.training.stages import COMMON_FRAMES, FlowStage

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
"""EVERYTHING, leaning to these."""

OF_ALL_KNOWN = EVERYTHING | {
    "256x256-0": 0.13,
    "256x256-3": 0.1,
    "256x256-4": 0.04,
    "512x512-0": 0.3,
    "512x512-3": 0.2,
    "512x512-4": 0.04,
}
"""EVERYTHING, leaning to animals and plants and to other words; landscapes have less again."""

CURRICULUM = (
    # What words mean is learned soonest from single things on white, first small, then large. Everything at once
    # learned colours alone. The bundled checkpoint's first stages were earlier forms of these, and the first five were
    # learned from true pictures with noise added, sixteen a step: BENCHMARKS.md.
    FlowStage(
        SUBJECTS | LANDSCAPES,
        white_only=True,
        shares={"256x256-0": 1},
        plan=FlowPlan(steps=7_000, learning_rate=2e-3, seed=65),
    ),
    FlowStage(
        SUBJECTS | LANDSCAPES,
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
        SUBJECTS | LANDSCAPES,
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
        SUBJECTS | LANDSCAPES,
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
    # What restyling makes of the animals, and two of them: as few kinds at a time as that needs.
    FlowStage(
        BY_NAME | LANDSCAPES,
        shares={
            "256x256-0": 0.12,
            "256x256-3": 0.26,
            "512x512-0": 0.17,
            "512x512-3": 0.38,
            "512x512-2": 0.01,
            "1024x768-2": 0.015,
            "1024x1024-2": 0.015,
        },
        plan=FlowPlan(steps=4_200, first_alone=1, learning_rate=1.2e-3, hold=0.7, averaging=0.99, seed=87),
        framed=0.08,
        frames=COMMON_FRAMES,
    ),
    # Everything again, and the other steps after it.
    FlowStage(
        frozenset(KINDS),
        shares=OF_ALL_KNOWN,
        plan=FlowPlan(steps=1_900, first_alone=0.85, learning_rate=1e-3, hold=0.9, averaging=0.99, seed=88),
        framed=0.12,
        frames=COMMON_FRAMES,
    ),
    FlowStage(
        frozenset(KINDS),
        shares=OF_ALL_KNOWN,
        plan=FlowPlan(steps=3_900, first_alone=0.3, learning_rate=1e-3, hold=0.3, averaging=0.99, seed=89),
        framed=0.12,
        frames=COMMON_FRAMES,
    ),
)
