"""Steps of training as CUDA graphs: so small a network takes longer to launch its kernels than to run them.

A graph reads and writes fixed memory. A step's inputs are copied into it; the weights and their optimizer's state,
which a step changes, are the same tensors every time anyway. How a step is captured is passed in, so that all but the
capture itself is tested on a CPU.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from alpenglow.engine.graphs import Capture, Recorded

Step = Callable[[tuple[Tensor, ...]], Tensor]
"""Takes its inputs, changes what it changes, gives a Tensor such as its loss, without a gradient."""


class Replayed:
    """Called like the step. Inputs of new shapes run as they come; when those shapes come again they are recorded.

    The first of them is also the warm-up that a capture wants: kernels are loaded, the optimizer has its state.
    """

    def __init__(self, step: Step, capture: Capture) -> None:
        self._step, self._capture = step, capture
        self._seen: dict[tuple[torch.Size, ...], Recorded | None] = {}

    def __call__(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """What the step gives. It holds until the next call."""
        key = tuple(tensor.shape for tensor in inputs)
        if key not in self._seen:
            self._seen[key] = None
            return self._step(inputs)
        recorded = self._seen[key] or self._record(inputs)
        self._seen[key] = recorded
        return recorded.run(inputs)

    def _record(self, inputs: tuple[Tensor, ...]) -> Recorded:
        fixed = tuple(tensor.clone() for tensor in inputs)
        return Recorded(fixed, *self._capture(lambda: self._step(fixed)))
