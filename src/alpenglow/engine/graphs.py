"""CUDA graphs of the transformer for small pictures, where launching kernels takes longer than running them.

A graph reads and writes fixed memory: inputs are copied into it, the output out of it. How a graph is captured is
passed in, so that all but the capture itself is tested on a CPU.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from alpenglow.models.attention import Attend, attention
from alpenglow.models.transformer import Flux2Transformer, Modulations

MAX_IMAGE_TOKENS = 1024
"""512 x 512; above, the device is busy all the time anyway."""

MAX_GRAPHS = 16
"""Shapes that are kept. Each holds its inputs and output; activations lie in memory that all share."""

WARM_UPS = 3

Replay = Callable[[], object]
Capture = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]
"""Runs a forward once on fixed inputs; gives what runs it again and where it leaves its output."""


@dataclass(frozen=True)
class Recorded:
    """One shape: fixed inputs, replay, fixed output."""

    inputs: tuple[Tensor, ...]
    replay: Replay
    output: Tensor


class GraphedTransformer:
    """Called like the transformer. Small shapes are recorded when they come for the first time."""

    def __init__(self, transformer: Flux2Transformer, capture: Capture) -> None:
        self.transformer = transformer
        self._capture = capture
        self._recorded: OrderedDict[tuple[torch.Size, ...], Recorded] = OrderedDict()

    def __call__(
        self,
        img: Tensor,
        txt: Tensor,
        timestep: Tensor,
        rotary: Tensor,
        *,
        modulations: Modulations,
        references: Tensor | None = None,
        attend: Attend = attention,
    ) -> Tensor:
        """See `Flux2Transformer.forward`. What attends through a memory of references is never recorded."""
        tokens = img.shape[0] * (img.shape[1] + (0 if references is None else references.shape[1]))
        if tokens > MAX_IMAGE_TOKENS or attend is not attention:
            return self.transformer(
                img, txt, timestep, rotary, references=references, attend=attend, modulations=modulations
            )
        inputs = tensors_of(img, txt, rotary, modulations, references)
        key = tuple(tensor.shape for tensor in inputs)
        if key not in self._recorded:
            self._recorded[key] = self._record(img, txt, timestep, rotary, modulations, references)
            while len(self._recorded) > MAX_GRAPHS:
                self._recorded.popitem(last=False)
        self._recorded.move_to_end(key)
        recorded = self._recorded[key]
        for fixed, given in zip(recorded.inputs, inputs, strict=True):
            fixed.copy_(given)
        recorded.replay()
        return recorded.output.clone()

    def forget(self) -> None:
        """Give back the memory of all recordings; shapes are recorded anew as they come."""
        self._recorded.clear()

    def _record(
        self,
        img: Tensor,
        txt: Tensor,
        timestep: Tensor,
        rotary: Tensor,
        modulations: Modulations,
        references: Tensor | None,
    ) -> Recorded:
        img, txt, rotary = img.clone(), txt.clone(), rotary.clone()
        modulations = Modulations.of(tensor.clone() for tensor in modulations.tensors())
        references = None if references is None else references.clone()

        def run() -> Tensor:
            return self.transformer(img, txt, timestep, rotary, references=references, modulations=modulations)

        return Recorded(tensors_of(img, txt, rotary, modulations, references), *self._capture(run))


def tensors_of(
    img: Tensor, txt: Tensor, rotary: Tensor, modulations: Modulations, references: Tensor | None
) -> tuple[Tensor, ...]:
    """All that a forward reads, in one order."""
    return (img, txt, rotary, *modulations.tensors(), *([] if references is None else [references]))


def on_cuda(run: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
    """Capture by CUDA, after the warm-up on a stream of its own that it asks for."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # All graphs take turns in one pool: a replay is over, and its output copied, before the next one begins.
    with torch.cuda.graph(graph, pool=shared_pool()):
        output = run()
    return graph.replay, output


@cache
def shared_pool() -> Any:  # torch's type has no public name
    """What CUDA graphs of this process take memory from."""
    return torch.cuda.graph_pool_handle()


def again(run: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
    """The slow twin: runs the forward itself into the same memory."""
    output = run().clone()
    return lambda: output.copy_(run()), output
