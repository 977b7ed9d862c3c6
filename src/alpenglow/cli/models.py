"""`alpenglow models`: what may be asked for, and whose weights answer."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from alpenglow.cli.options import Config, open_engine
from alpenglow.settings import Settings


def models(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a JSON list.")] = False,
    config: Config = None,
) -> None:
    """List the models that may be asked for, and whose weights answer.

    The demo checkpoint answers for the klein models until their own weights
    are loaded. They go into a folder named as the model below
    ALPENGLOW_MODELS_DIR, and are loaded by name:

    alpenglow serve --model klein-4b
    """
    settings = Settings.load({"config_file": config})
    engine, _ = open_engine(settings)
    cards = engine.models()
    if as_json:
        typer.echo(json.dumps([asdict(card) for card in cards], indent=2))
        return
    table = Table("name", "name in the API", "answered by", "licence of its own weights", box=None, header_style="bold")
    for card in cards:
        table.add_row(card.row, card.api_name, card.answered_by, card.licence)
    Console(highlight=False).print(table)
