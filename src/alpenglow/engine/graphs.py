"""CUDA graphs of the transformer for small pictures, where launching kernels takes longer than running them.

A graph reads and writes fixed memory: inputs are copied into it, the output out of it. How a graph is captured is
passed in, so that all but the capture itself is tested on a CPU.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

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

    def run(self, given: tuple[Tensor, ...]) -> Tensor:
        """What it gives for these inputs. It holds until the next call."""
        for fixed, tensor in zip(self.inputs, given, strict=True):
            fixed.copy_(tensor)
        self.replay()
        return self.output


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
        inputs = Inputs(img, txt, rotary, modulations, references)
        key = tuple(tensor.shape for tensor in inputs.tensors())
        if key not in self._recorded:
            self._recorded[key] = self._record(inputs, timestep)
            while len(self._recorded) > MAX_GRAPHS:
                self._recorded.popitem(last=False)
        self._recorded.move_to_end(key)
        return self._recorded[key].run(inputs.tensors()).clone()

    def forget(self) -> None:
        """Give back the memory of all recordings; shapes are recorded anew as they come."""
        self._recorded.clear()

    def _record(self, inputs: Inputs, timestep: Tensor) -> Recorded:
        fixed = inputs.cloned()

        def run() -> Tensor:
            return self.transformer(
                fixed.img,
                fixed.txt,
                timestep,
                fixed.rotary,
                references=fixed.references,
                modulations=fixed.modulations,
            )

        return Recorded(fixed.tensors(), *self._capture(run))


class Inputs(NamedTuple):
    """All that a forward reads; with modulations given, the timestep is not."""

    img: Tensor
    txt: Tensor
    rotary: Tensor
    modulations: Modulations
    references: Tensor | None

    def tensors(self) -> tuple[Tensor, ...]:
        """One after the other."""
        references = () if self.references is None else (self.references,)
        return (self.img, self.txt, self.rotary, *self.modulations.tensors(), *references)

    def cloned(self) -> Inputs:
        """The same in memory of their own."""
        return Inputs(
            self.img.clone(),
            self.txt.clone(),
            self.rotary.clone(),
            Modulations.of(tensor.clone() for tensor in self.modulations.tensors()),
            None if self.references is None else self.references.clone(),
        )


def capture_on_cuda(warm_ups: int = WARM_UPS) -> Capture:
    """Captures by CUDA, after so many runs on a stream of its own that it asks for. What the graphs of one such
    function compute with lies in the same memory, since only one of them runs at a time.
    """
    pool, side = torch.cuda.graph_pool_handle(), torch.cuda.Stream()

    def capture(run: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(warm_ups):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        clear_workspaces()
        with torch.cuda.graph(graph, pool=pool):
            output = run()
        clear_workspaces()
        return graph.replay, output

    return capture


def clear_workspaces() -> None:
    """Let go of what cuBLAS keeps for each stream. Taken while a graph is captured, it lies in the graphs' pool, which
    would neither be given back as a whole nor be whole for other graphs; torch's own compiler does the same.
    """
    torch._C._cuda_clearCublasWorkspaces()  # noqa: SLF001 - torch has no public name for it
