"""What tests of every room may use; imports nothing heavy. Being here also puts `oracles` on their path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor

    from oracles import Meets

WITHIN = {4: 5e-6, 8: 1e-12}
"""By bytes of a number: fp32, fp64."""


@pytest.fixture
def meets(record_property: Callable[[str, object], None]) -> Meets:
    """`meets(ours, theirs)`: equal but for rounding. `-rP` shows the real figures, as a rule 0.0.

    At the unit scale of `oracles.randomise` the transformer's own rounding, fp32 against fp64, is 1.5e-6. Two that add
    in another order may be twice that apart, on another processor too; a wrong formula is not that close. A `theirs`
    that hardly varies would prove nothing and fails.
    """

    def check(ours: Tensor, theirs: Tensor, within: float | None = None) -> None:
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        scale, difference = theirs.std().item(), (ours - theirs).abs().max().item()
        record_property("max_abs_difference", difference)
        print(f"max abs difference {difference:.1e} at scale {scale:.2f}")
        assert scale > 0.05
        assert difference <= (within or WITHIN[ours.itemsize])

    return check
