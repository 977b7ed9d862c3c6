"""`alpenglow doctor`: what this machine can do, how fast, and which models and plans fit into it."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from alpenglow.cli.options import Config, Device, print_table
from alpenglow.errors import SettingsError

if TYPE_CHECKING:  # torch takes a second to import; help does not need it
    import torch

    from alpenglow.catalogue import Row
    from alpenglow.engine.optimize import OptimizationPlan

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


def doctor(
    width: Annotated[int, typer.Option(min=256, max=1920, help="Of the pictures asked about.")] = 1024,
    height: Annotated[int, typer.Option(min=256, max=1920, help="Likewise.")] = 1024,
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="Only these.", show_default="all")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    device: Device = None,
    config: Config = None,
) -> None:
    """Say what fits into this machine and how long a picture will take.

    Measures a few products of matrices, reads no weights. Times are estimates.
    """
    import torch

    from alpenglow.catalogue import ROWS, find
    from alpenglow.engine.device import best_device, describe, features, memory
    from alpenglow.engine.optimize import choose
    from alpenglow.settings import Settings

    settings = Settings.load({"device": device, "config_file": config})
    place = torch.device(best_device() if settings.device == "auto" else settings.device)
    free, total = memory(place)
    rows = [find(name) for name in model] if model else list(ROWS)
    found = predict(rows, place, (height, width), free)
    facts = {
        "device": str(place),
        "name": describe(place),
        "features": sorted(features(place)),
        "memory": {"free": free, "total": total},
        "torch": torch.__version__,
        "compiler": shutil.which("g++") or shutil.which("clang++"),
        "auto": str(choose("auto", place)),
    }
    if as_json:
        typer.echo(json.dumps(facts | {"predictions": [asdict(one) for one in found]}, indent=2))
        return
    typer.echo(f"{facts['device']}: {facts['name']}, {', '.join(sorted(features(place))) or 'no special features'}")
    typer.echo(f"memory: {free / 1e9:.1f} GB free of {total / 1e9:.1f} GB; torch {facts['torch']}")
    typer.echo(f"--precision auto is {facts['auto']}; without it, {choose('exact', place)}\n")
    table = Table("model", "precision", "offload", "memory", "fits", f"{width}x{height}", box=None)
    for one in found:
        table.add_row(
            one.model,
            one.precision,
            one.offload,
            f"{one.gigabytes:.1f} GB",
            "yes" if one.fits else "no",
            f"{one.seconds:.2f} s" if one.offload == "none" else "slower",
        )
    print_table(table)


def predict(rows: list[Row], device: torch.device, size: tuple[int, int], free: int) -> list[Prediction]:
    """Every row in every plan that the device can compute; offloaded only where there is something to offload from."""
    from alpenglow.engine.cost import memory, work
    from alpenglow.engine.offload import OFFLOADS
    from alpenglow.engine.optimize import PRECISIONS, choose

    plans = []
    for precision in PRECISIONS:
        try:
            plans += [choose(precision, device)] if precision != "auto" else []
        except SettingsError:
            continue  # this device cannot
    speeds = {plan.precision: speed(plan, device) for plan in plans}
    found = []
    for row in rows:
        flops = work(row, size).total
        for plan in plans:
            needs = memory(row, plan, size)
            for offload in OFFLOADS if device.type != "cpu" else OFFLOADS[:1]:
                taken = needs.on_device(offload) * MARGIN
                seconds = flops / speeds[plan.precision] / EFFICIENCY
                found.append(Prediction(row.name, plan.precision, offload, taken / 1e9, taken < free, seconds))
    return found


def speed(plan: OptimizationPlan, device: torch.device) -> float:
    """Operations a second of the plan's own product, the best of a few."""
    import torch
    from torch import nn

    from alpenglow.engine.device import wait_for
    from alpenglow.engine.optimize import replace_linears

    rows, width = (512, 2048) if device.type == "cpu" else (4096, 8192)
    layers = nn.Sequential(nn.Linear(width, width, bias=False)).to(device, plan.dtype).requires_grad_(False)
    if plan.linear is not None:
        replace_linears(layers, plan.linear, device)
    x = torch.randn(rows, width, device=device, dtype=plan.dtype)
    taken = []
    with torch.inference_mode():
        for _ in range(6):
            began = time.perf_counter()
            layers(x)
            wait_for(device)
            taken.append(time.perf_counter() - began)
    return 2 * rows * width * width / min(taken)
