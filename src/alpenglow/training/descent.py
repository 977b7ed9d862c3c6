"""Gradient descent as the flow and the words share it: rates, average, log, saves, and recorded steps on a GPU."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from alpenglow.engine.graphs import capture_on_cuda
from alpenglow.training.replay import Replayed
from alpenglow.training.run import Average, Run


class Learner(ABC):
    """Takes steps by AdamW. A step reads nothing but its inputs and what stays where it is: it can be recorded."""

    def __init__(self, module: nn.Module, peaks: Sequence[tuple[Iterable[nn.Parameter], float]]) -> None:
        """`module` is on the device that trains. `peaks` are the parameters of it that learn, with their full rates."""
        self.module = module
        device = next(module.parameters()).device
        # Tensors, so that a step that is recorded reads what they are by then.
        self._rates = [(torch.zeros((), device=device), peak) for _, peak in peaks]
        groups = [{"params": some, "lr": rate} for (some, _), (rate, _) in zip(peaks, self._rates, strict=True)]
        self.optimizer = torch.optim.AdamW(
            groups, betas=(0.9, 0.98), weight_decay=0.01, fused=True, capturable=device.type == "cuda"
        )

    def at(self, share: float) -> None:
        """Learn at that share of the full rates from now on."""
        for rate, peak in self._rates:
            rate.fill_(peak * share)

    def __call__(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Take one step; the loss before it."""
        loss = self.backward(inputs)
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        return loss.detach()

    @abstractmethod
    def backward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The loss, whose gradients, and no others, are then those of the parameters."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long and how fast a descent is: `hold` is the share of its steps at the full rate."""

    steps: int
    learning_rate: float
    hold: float = 0.0
    averaging: float = 0.998
    seed: int = 0


def descend(
    learner: Learner, inputs: Callable[[np.random.Generator], tuple[Tensor, ...]], run: Run, pace: Pace, title: str
) -> None:
    """Train what learns in place, resuming from `run`; ends with its averaged weights. `inputs` are drawn anew for each
    step, by a chance that follows from the seed and the step's number.
    """
    module = learner.module
    device = next(module.parameters()).device
    average = Average(module, pace.averaging)
    first = run.resume(module, learner.optimizer, average)
    take = Replayed(learner, capture_on_cuda(warm_ups=0)) if device.type == "cuda" else learner

    started, total, counted = time.monotonic(), torch.zeros((), device=device), 0
    for step, over, save in run.steps(first, pace.steps, title):
        learner.at(learning_rate_shape(step, over, pace.hold))
        total += take(inputs(np.random.default_rng([pace.seed, step])))
        counted += 1
        if step % 4 == 0:
            average.update(module, step)
        if step % 100 == 0:
            run.log({"step": step, "loss": total.item() / counted, "seconds": time.monotonic() - started})
            total, counted = torch.zeros((), device=device), 0
        if save:
            run.save(module, learner.optimizer, average, step + 1)
    average.copy_to(module)


def learning_rate_shape(step: int, over: float, hold: float = 0.0, warm_up: int = 100) -> float:
    """Share of the peak when so much of a run is `over`: a linear rise, the peak for a share `hold` of the run, then a
    cosine to a hundredth.

    A run that holds can still be made longer as long as it does.
    """
    falling = max(0.0, (over - hold) / (1 - hold))
    return min(1.0, (step + 1) / warm_up) * (0.505 + 0.495 * math.cos(math.pi * falling))
