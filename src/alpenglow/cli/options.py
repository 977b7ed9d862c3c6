"""Options that several commands share, and the engine and the ledger that they describe."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:  # torch takes a second to import; help does not need it
    from pydantic import SecretStr

    from alpenglow.engine.engine import Engine, Loader
    from alpenglow.ledger.ledger import Ledger
    from alpenglow.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings, instead of ./alpenglow.toml.")]
Device = Annotated[str | None, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")]
Strict = Annotated[
    bool | None,
    typer.Option(
        "--strict", help="Refuse what Cloudflare refuses: JSON, forms without a boundary, images over 512x512."
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(help="auto, exact, bf16, int8 or fp8: how to compute; see alpenglow doctor.", show_default="exact"),
]
Solo = Annotated[bool | None, typer.Option("--solo", help="One request at a time: bits never depend on company.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the arithmetic on a CPU.")]

AsJsonObject = Annotated[bool, typer.Option("--json", help="For programs: a JSON object.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: a JSON list.")]
LedgerUrl = Annotated[
    str | None, typer.Option("--ledger", help="local, sqlite:///file or postgresql://...", show_default="local")
]

WIDE = 1000
"""Columns that no table needs."""


def print_table(table: Table) -> None:
    """As wide as the terminal, or as the table needs: a long line wraps there, but no id and no sum is cut.

    Cells say what they say: what somebody called an account or a token is no markup.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    needed = console.measure(table, options=console.options.update(width=WIDE)).maximum
    console.width = max(console.width, needed) if sys.stdout.isatty() else needed
    console.print(table)


def open_ledger(url: str | None, config: Path | None, *, make: bool = False) -> Ledger:
    """The ledger named by the option, else by the settings, else the local one, which is made where it is missing.

    Another file is made only where `make` says so: what is not there yet has most likely a misspelt name.
    """
    from alpenglow.settings import Settings, local_ledger

    settings = Settings.load({"config_file": config, "ledger_url": url})
    return ledger_at(settings.ledger_url or local_ledger(), make=make)


def ledger_at(url: SecretStr, *, make: bool = False) -> Ledger:
    """The ledger at a URL; see `open_ledger`."""
    from alpenglow.ledger.ledger import Ledger
    from alpenglow.settings import local_ledger

    return Ledger.open(url.get_secret_value(), make=make or url == local_ledger())


def leave(engine: Engine, code: int) -> None:
    """End the program at once where the engine still loads in its thread: native code under which Python is taken down
    aborts.
    """
    if engine.left_loading:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def open_engine(settings: Settings) -> tuple[Engine, Loader]:
    """The engine that the settings describe, and what to start it with."""
    from alpenglow.engine.assemble import assemble
    from alpenglow.engine.device import batch_tokens, device_named
    from alpenglow.engine.scheduler import Limits
    from alpenglow.settings import set_up_torch

    set_up_torch()
    device = device_named(settings.device)
    return assemble(
        settings.models,
        settings.models_dir,
        Limits(
            max_batch_tokens=1 if settings.solo else settings.max_batch_tokens or batch_tokens(device),
            max_queued=settings.max_queued,
            max_seconds=settings.request_timeout_seconds,
        ),
        cache_dir=settings.hub_cache_dir,
        device=settings.device,
        precision=settings.precision,
        offload=settings.offload,
        cache_bytes=settings.cache_bytes,
        threads=settings.threads,
        ignore_guidance=settings.ignore_guidance_on_distilled,
    )
