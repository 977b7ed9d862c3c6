"""`alpenglow doctor`: what this machine can do, how fast, and which models and plans fit into it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from alpenglow.cli.options import Config, Device, print_table
from alpenglow.request import MAX_SIDE, MIN_SIDE
from alpenglow.settings import Settings


def doctor(
    width: Annotated[int, typer.Option(min=MIN_SIDE, max=MAX_SIDE, help="Of the pictures asked about.")] = 1024,
    height: Annotated[int, typer.Option(min=MIN_SIDE, max=MAX_SIDE, help="Likewise.")] = 1024,
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="Only these.", show_default="all")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    device: Device = None,
    config: Config = None,
) -> None:
    """Say what fits into this machine and how long a picture will take.

    Measures a few products of matrices, reads no weights. Times are estimates.
    """
    from alpenglow.engine.survey import survey

    settings = Settings.load({"device": device, "config_file": config})
    found = survey(settings.device, (height, width), model or ())
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    typer.echo(f"{found.device}: {found.name}, {', '.join(found.features) or 'no special features'}")
    typer.echo(f"memory: {found.free / 1e9:.1f} GB free of {found.total / 1e9:.1f} GB; torch {found.torch}")
    typer.echo(f"--precision auto is {found.auto}; without it, {found.exact}\n")
    table = Table("model", "precision", "offload", "memory", "fits", f"{width}x{height}", box=None)
    for one in found.predictions:
        table.add_row(
            one.model,
            one.precision,
            one.offload,
            f"{one.gigabytes:.1f} GB",
            "yes" if one.fits else "no",
            f"{one.seconds:.2f} s" if one.offload == "none" else "slower",
        )
    print_table(table)
