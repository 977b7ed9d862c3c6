"""`alpenglow usage`: what was made and what it cost."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from alpenglow.cli.options import AsJson, Config, LedgerUrl, open_ledger, print_table

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="UTC day, inclusive.")]


def usage(
    by: Annotated[str, typer.Option(help="Some of day, model, account.")] = "day,model,account",
    account: Annotated[str | None, typer.Option(help="Only this one, by name or id.")] = None,
    since: Day = None,
    until: Day = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets.")] = False,
    ledger: LedgerUrl = None,
    config: Config = None,
) -> None:
    r"""Say what was made and what it cost, by the day, the model and the account.

    alpenglow usage --by account --since 2026-01-01
    alpenglow usage --csv > usage.csv
    """
    from alpenglow.api.usage import Report, read_grouping

    grouping = read_grouping(by)
    with open_ledger(ledger, config) as book:
        rows = book.books.usage(
            grouping,
            account=book.access.account(account).id if account else None,
            since=since.date() if since else None,
            until=until.date() if until else None,
        )
    report = Report(rows, grouping)
    if as_json:
        typer.echo(json.dumps(report.records(), indent=2))
    elif as_csv:
        typer.echo(report.csv(), nl=False)
    else:
        names, numbers = report.columns[: len(grouping)], report.columns[len(grouping) :]
        records = report.records()
        table = Table(*names, *(Column(name.replace("_", " "), justify="right") for name in numbers), box=None)
        if chart := sys.stdout.isatty():
            table.add_column("")
        for record, bar in zip(records, bars(records), strict=True):
            cells = (f"{value:,.2f}" if isinstance(value, float) else str(value) for value in record.values())
            table.add_row(*cells, *([Text(bar, style="magenta")] if chart else []))
        print_table(table)


def bars(records: Sequence[Mapping[str, str | int | float]], width: int = 24) -> list[str]:
    """A bar for each record by its neurons, or by its requests where nothing cost any; eighths of a character count."""
    for figure in ("neurons", "requests"):
        values = [float(record[figure]) for record in records]
        if most := max(values, default=0.0):
            return [_bar(round(8 * width * value / most)) for value in values]
    return [""] * len(records)


def _bar(eighths: int) -> str:
    return "\u2588" * (eighths // 8) + ["", *"\u258f\u258e\u258d\u258c\u258b\u258a\u2589"][eighths % 8]
