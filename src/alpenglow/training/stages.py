"""A stage of the flow's training: what is shown in it, how often, and in which frames."""

from dataclasses import dataclass

from alpenglow.training.drawings import STYLES
from alpenglow.training.examples import Plan
from alpenglow.training.fit_flow import FlowPlan

FRAMES = (
    *((10, 10), (12, 12), (16, 16), (20, 20), (30, 30)),
    *((12, 8), (8, 12), (16, 9), (9, 16), (16, 12), (12, 16), (19, 13), (13, 19), (20, 12), (12, 20)),
    *((24, 16), (16, 24), (30, 17), (17, 30)),
)
"""Widths and heights of frames in tokens, from 640x640 to 1920x1920: a thing is as large in all of them."""

COMMON_FRAMES = ((12, 12), (16, 16), (16, 9), (9, 16), (16, 12), (12, 16), (20, 12), (30, 17), (17, 30))
"""Those that people ask for most: 1024x1024, 1280x720, 1920x1080."""


@dataclass(frozen=True)
class FlowStage:
    """A part of the flow's training: which kinds of example on which grounds, restyled to which styles, and how often
    each pool is drawn, by its name; what `shares` lacks is not drawn. `framed` is the share of things of FRAMED in
    `frames`.
    """

    kinds: frozenset[str]
    shares: dict[str, float]
    plan: FlowPlan
    white_only: bool = False
    restyled_to: frozenset[str] = frozenset(STYLES)
    framed: float = 0.0
    frames: tuple[tuple[int, int], ...] = FRAMES

    def wants(self, plan: Plan) -> bool:
        """Whether an example belongs into this stage. Scenes have no ground of one colour."""
        if plan.kind == "restyle" and plan.picture.drawings[0][1] not in self.restyled_to:
            return False
        return plan.kind in self.kinds and not (
            self.white_only and plan.kind != "scene" and plan.picture.ground != "white"
        )
