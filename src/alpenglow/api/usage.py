"""What an account has used, for itself: JSON, or CSV for spreadsheets. An extension: Cloudflare has no such route."""

import asyncio
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from alpenglow.api import envelope
from alpenglow.api.auth import Authenticate
from alpenglow.api.tariff import MEGAPIXEL, dollars, neurons
from alpenglow.errors import InvalidInput
from alpenglow.ledger.books import Grouping, UsageRow
from alpenglow.ledger.ledger import Ledger

GROUPINGS: Sequence[Grouping] = ("day", "model", "account")


class UsageInput(BaseModel):
    """The query: `since` and `until` are UTC days, both inclusive; `by` some of day, model, account."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    since: date | None = None
    until: date | None = None
    by: str = ",".join(GROUPINGS)
    format: Literal["json", "csv"] = "json"


@dataclass(frozen=True, slots=True)
class Report:
    """Rows of usage as people read them. `grouping` names the columns that come first."""

    rows: Sequence[UsageRow]
    grouping: Sequence[Grouping]

    @property
    def columns(self) -> list[str]:
        """Names of the values of a record."""
        return [*self.grouping, *_figures(NOTHING)]

    def records(self) -> list[dict[str, str | int | float]]:
        """One mapping a row, in the order of the columns; neurons and dollars to a millionth."""
        return [{**{key: str(getattr(row, key)) for key in self.grouping}, **_figures(row)} for row in self.rows]

    def csv(self) -> str:
        """With a line of names on top, also if there is nothing else."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns)
        writer.writeheader()
        writer.writerows(self.records())
        return text.getvalue()


NOTHING = UsageRow(None, None, None, 0, 0, 0, 0, 0)


def read_grouping(by: str) -> tuple[Grouping, ...]:
    """`day,model` -> ("day", "model"). Raises InvalidInput."""
    wanted = set(filter(None, map(str.strip, by.split(","))))
    if not wanted <= set(GROUPINGS):
        raise InvalidInput(f"'/by' must be some of {', '.join(GROUPINGS)}")
    return tuple(key for key in GROUPINGS if key in wanted)


def routes(ledger: Ledger, authenticate: Authenticate) -> APIRouter:
    """`GET /client/v4/accounts/{account}/ai/usage`."""
    router = APIRouter(dependencies=[Depends(authenticate)])

    @router.get("/client/v4/accounts/{account}/ai/usage")
    async def usage(request: Request, account: str, query: Annotated[UsageInput, Query()]) -> Response:
        """Pictures, neurons and dollars by day, model or account, as JSON or CSV."""
        by = read_grouping(query.by)

        def ask() -> Sequence[UsageRow]:
            return ledger.books.usage(by, account=account, since=query.since, until=query.until)

        report = Report(await asyncio.to_thread(ask), by)
        if query.format == "csv":
            return Response(report.csv(), media_type="text/csv")
        return envelope.success(request, report.records())

    return router


def _figures(row: UsageRow) -> dict[str, int | float]:
    return {
        "requests": row.requests,
        "pictures": row.pictures,
        "output_megapixels": round(row.output_pixels / MEGAPIXEL, 6),
        "input_megapixels": round(row.input_pixels / MEGAPIXEL, 6),
        "neurons": round(neurons(row.amount), 6),
        "dollars": round(dollars(row.amount), 6),
    }
