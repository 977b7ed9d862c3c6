"""`alpenglow models`: what may be asked for, and whose weights answer."""

import json
from dataclasses import asdict

import typer
from rich.table import Column, Table

from alpenglow.cli.options import AsJson, Config, open_engine, print_table
from alpenglow.settings import Settings


def models(
    as_json: AsJson = False,
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
    table = Table(
        "name", "answered by", Column("name in the API", no_wrap=True), "licence of its own weights", box=None
    )
    for card in cards:
        table.add_row(card.row, card.answered_by, card.api_name, card.licence)
    print_table(table)
    typer.echo(f"\nTheir own weights are looked for in {settings.models_dir}, then in {settings.hub_cache_dir}.")
