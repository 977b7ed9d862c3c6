"""Options that several commands share, and the engine that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # torch takes a second to import; help does not need it
    from alpenglow.engine.engine import Engine, Loader
    from alpenglow.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings, instead of ./alpenglow.toml.")]
Device = Annotated[str | None, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the arithmetic on a CPU.")]


def open_engine(settings: Settings) -> tuple[Engine, Loader]:
    """The engine that the settings describe, and what to start it with."""
    from alpenglow.engine.assemble import assemble
    from alpenglow.engine.scheduler import Limits

    return assemble(
        settings.models,
        settings.models_dir,
        Limits(max_batch_tokens=settings.max_batch_tokens, max_queued=settings.max_queued),
        device=settings.device,
        threads=settings.threads,
        ignore_guidance=settings.ignore_guidance_on_distilled,
    )
