"""What a machine can do and which models fit into it, from the networks' shapes and a few timed products.

Reads no weights. Prints nothing.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from alpenglow.catalogue import ROWS, Row, find
from alpenglow.engine.cost import Size, flops_of, footprint
from alpenglow.engine.device import describe, device_named, features, memory, wait_for
from alpenglow.engine.offload import OFFLOADS
from alpenglow.engine.optimize import PRECISIONS, OptimizationPlan, choose, replace_linears
from alpenglow.errors import SettingsError

EFFICIENCY = 0.6
"""Of the product's own speed that whole pictures reach as a rule: see BENCHMARKS.md."""

MARGIN = 1.1
"""Python, kernels and what allocators waste."""


@dataclass(frozen=True)
class Prediction:
    """One model in one plan on this machine, for one size."""

    model: str
    precision: str
    offload: str
    gigabytes: float
    fits: bool
    seconds: float


@dataclass(frozen=True)
class Survey:
    """A machine. `free` and `total` are bytes; `auto` and `exact` are the plans of these precisions."""

    device: str
    name: str
    features: tuple[str, ...]
    free: int
    total: int
    torch: str
    compiler: str | None
    auto: str
    exact: str
    predictions: tuple[Prediction, ...]


def survey(device: str, size: Size, models: Sequence[str] = ()) -> Survey:
    """Of these models, or of all. Raises UnknownModel."""
    place = device_named(device)
    free, total = memory(place)
    rows = [find(name) for name in models] if models else list(ROWS)
    return Survey(
        device=str(place),
        name=describe(place),
        features=tuple(sorted(features(place))),
        free=free,
        total=total,
        torch=torch.__version__,
        compiler=shutil.which("g++") or shutil.which("clang++"),
        auto=str(choose("auto", place)),
        exact=str(choose("exact", place)),
        predictions=tuple(predict(rows, place, size, free)),
    )


def predict(rows: Sequence[Row], device: torch.device, size: Size, free: int) -> list[Prediction]:
    """Every row in every plan that the device can compute; offloaded only where there is something to offload from."""
    plans = []
    for precision in PRECISIONS:
        try:
            plans += [choose(precision, device)] if precision != "auto" else []
        except SettingsError:
            continue  # this device cannot
    speeds = {plan.precision: speed(plan, device) for plan in plans}
    found = []
    for row in rows:
        flops = flops_of(row, size).total
        for plan in plans:
            needs = footprint(row, plan, size)
            for offload in OFFLOADS if device.type != "cpu" else OFFLOADS[:1]:
                taken = needs.on_device(offload) * MARGIN
                seconds = flops / speeds[plan.precision] / EFFICIENCY
                found.append(Prediction(row.name, plan.precision, offload, taken / 1e9, taken < free, seconds))
    return found


def speed(plan: OptimizationPlan, device: torch.device) -> float:
    """Operations a second of the plan's own product, the best of a few."""
    rows, width = (512, 2048) if device.type == "cpu" else (4096, 8192)
    layers = nn.Sequential(nn.Linear(width, width, bias=False)).to(device, plan.read_as or torch.bfloat16)
    layers.requires_grad_(requires_grad=False)
    if plan.linear is not None:
        replace_linears(layers, plan.linear, device, plan.dtype)
    if plan.compile:  # quantising alone would take as long as the product
        layers.compile()
    x = torch.randn(rows, width, device=device, dtype=plan.dtype)
    taken = []
    with torch.inference_mode():
        for _ in range(6):
            began = time.perf_counter()
            layers(x)
            wait_for(device)
            taken.append(time.perf_counter() - began)
    return 2 * rows * width * width / min(taken)
