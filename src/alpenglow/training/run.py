"""A training run on disk: what it needs to resume at any moment, and what it logs. Knows nothing of what is trained."""

import csv
import os
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim import Optimizer


class Step(NamedTuple):
    """A step of a run: which it is, how much of the run is over before it, and whether to save after it."""

    number: int
    over: float
    save: bool


class Run:
    """One stage of training in a folder: `state.pt`, or `timed.pt`, written whole or not at all, and `curve.csv`."""

    def __init__(self, folder: Path, *, save_every: float = 60.0, minutes: float | None = None) -> None:
        """A run ends after so many `minutes`, if that is said, and not after a number of steps. It is not resumed."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state = folder / ("timed.pt" if minutes else "state.pt")
        self.save_every = save_every
        self.minutes = minutes

    @property
    def steps_done(self) -> int:
        """As the last save says."""
        return int(torch.load(self.state, weights_only=True, mmap=True)["step"]) if self.state.exists() else 0

    def resume(self, module: nn.Module, optimizer: Optimizer, average: "Average") -> int:
        """Put all three back to where the last save left them; the step to go on with, 0 for a new or a timed run.

        The optimizer's rates stay those that it has: a step that is recorded on this device reads them there.
        """
        if self.minutes or not self.state.exists():
            return 0
        state = torch.load(self.state, map_location="cpu", weights_only=True)
        module.load_state_dict(state["model"])
        rates = [{"lr": group["lr"], "capturable": group["capturable"]} for group in optimizer.param_groups]
        optimizer.load_state_dict(state["optimizer"])
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group.update(rate)
        average.load(state["average"])
        return int(state["step"])

    def save(self, module: nn.Module, optimizer: Optimizer, average: "Average", step: int) -> None:
        """Replace the saved state by that after `step` steps; a crash leaves the old one."""
        partial = self.state.with_name("state.pt.partial")
        state = {"model": module.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(state | {"average": average.shadow, "step": step}, partial)
        partial.replace(self.state)

    def log(self, row: dict[str, float]) -> None:
        """Append to the curve."""
        path = self.folder / "curve.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def steps(self, first: int, last: int, title: str) -> Iterator[Step]:
        """The steps from `first` to before `last`, or until the minutes are over, under a progress bar. The last one
        saves, and others now and then.
        """
        begun = saved = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, transient=False) as progress:
            bar = progress.add_task(title, total=None if self.minutes else last, completed=first)
            for step in count(first) if self.minutes else range(first, last):
                now = time.monotonic()
                over = min(1.0, (now - begun) / 60 / self.minutes) if self.minutes else step / last
                ends = over == 1 if self.minutes else step == last - 1
                due = ends or now - saved > self.save_every
                yield Step(step, over, due)
                if due:
                    saved = now
                progress.update(bar, completed=step + 1)
                if ends:
                    return


class Average:
    """Exponential moving average of a module's parameters, in fp32; what is shipped is the average."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Mix the module's parameters in; early steps count more, so that the start is forgotten."""
        mix = 1 - min(self.decay, (1 + step) / (10 + step))
        names, values = zip(*module.named_parameters(), strict=True)
        torch._foreach_lerp_([self.shadow[name] for name in names], list(values), mix)

    def load(self, shadow: dict[str, Tensor]) -> None:
        """Take over a saved average, onto this one's device."""
        self.shadow = {name: value.to(self.shadow[name].device) for name, value in shadow.items()}

    def copy_to(self, module: nn.Module) -> None:
        """Overwrite the module's parameters by the average."""
        module.load_state_dict(self.shadow, strict=False)


def worker_count() -> int:
    """Processes to render with."""
    return os.cpu_count() or 1
