"""Every row of the error table over HTTP, told by REST and by the binding."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from liveserver import MODEL, RUN, LiveServer, form, refusal, serving
from starlette.requests import ClientDisconnect

from alpenglow import errors
from alpenglow.api import envelope
from alpenglow.ledger.ledger import Ledger

PROMPT = form(("prompt", "x"))
TWICE, BAD = "AiError: AiError: ", "AiError: Bad input: "


class Row(NamedTuple):
    """An error that the engine raises, and what is told of it; `prefix` stands before `description` in the message."""

    error: BaseException
    status: int
    code: int
    description: str
    prefix: str = "AiError: "


REACHED = [
    Row(errors.InvalidInput("'/width' must be >= 256"), 400, 5006, "Error: '/width' must be >= 256", BAD),
    Row(errors.BadRequest("no"), 400, 5006, "Error: no", BAD),
    Row(errors.InvalidImage("'/input_image_0': no"), 400, 3010, "'/input_image_0': no", TWICE),
    Row(errors.InvalidImageType("object"), 400, 5004, "Invalid data type for base64 input: object"),
    Row(errors.LoraUnsupported("@cf/a/b"), 405, 5005, "The model @cf/a/b does not support LoRa inference"),
    Row(errors.IncompleteRequest("x-y"), 400, 3003, "Request is missing headers or body: x-y"),
    Row(errors.RequestTooLarge("9 bytes"), 413, 3006, "Request is too large: 9 bytes"),
    Row(errors.UnknownModel("@cf/no/such"), 400, 5007, "No such model @cf/no/such or task"),
    Row(errors.Overloaded("full"), 429, 3040, "Capacity temporarily exceeded, please try again.", TWICE),
    Row(errors.RequestTimeout("slow"), 408, 3046, "Request timeout", TWICE),
    Row(
        errors.AllocationSpent(10_000),
        429,
        4006,
        "you have used up your daily free allocation of 10,000 neurons, it renews at 00:00 UTC",
        TWICE,
    ),
    Row(
        errors.RateLimited(720),
        429,
        3021,
        "rate limiting: inference request per min rate reached (720 a minute)",
        TWICE,
    ),
    Row(errors.EngineClosed("stopping"), 503, 3040, "stopping"),
    Row(errors.EngineStopped("see the log"), 500, 8007, "see the log"),
    Row(asyncio.CancelledError(), 503, 3040, "The server is stopping."),
    Row(ClientDisconnect(), 408, 3008, "Request was aborted"),
    Row(errors.EngineFailure("secret"), 500, 8007, "Internal server error", TWICE),
    Row(errors.AlpenglowError("secret"), 500, 8007, "Internal server error", TWICE),
    Row(ZeroDivisionError("secret"), 500, 8007, "Internal server error", TWICE),
]


class Refusal(NamedTuple):
    """Headers that the platform refuses before the model is reached, and what is told of it."""

    error: type[Exception]
    headers: Mapping[str, str]
    status: int
    code: int
    description: str
    token: str | None = "hush"


REFUSED = [
    Refusal(errors.MissingCredentials, {}, 400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers"),
    Refusal(errors.MalformedCredentials, {"authorization": "hush"}, 400, 6003, "Invalid request headers"),
    Refusal(errors.WrongCredentials, {"authorization": "Bearer no"}, 401, 10000, "Authentication error"),
    Refusal(
        errors.UnknownKey,
        {"x-auth-email": "a@example.org", "x-auth-key": "no"},
        403,
        9103,
        "Unknown X-Auth-Key or X-Auth-Email",
    ),
    Refusal(
        errors.ForeignOrigin,
        {"origin": "https://evil.example"},
        403,
        9109,
        "Web pages of https://evil.example may not call this server; list it in cors_origins or set a token",
        token=None,
    ),
]

REST_ONLY = {errors.ForeignAccount}
"""The binding names no account."""


def rest(http: httpx.Client, headers: Mapping[str, str]) -> httpx.Response:
    return http.post(RUN, content=PROMPT, headers=headers)


def binding(http: httpx.Client, headers: Mapping[str, str]) -> httpx.Response:
    return http.post(
        "/run?version=3&userInputs=%7B%7D", content=PROMPT, headers={"cf-consn-model-id": MODEL, **headers}
    )


def enveloped(row: Row | Refusal, message: str, result: object) -> dict[str, object]:
    return {"errors": [{"message": message, "code": row.code}], "success": False, "result": result, "messages": []}


def bare(row: Row | Refusal, message: str) -> dict[str, object]:
    return {
        "internalCode": row.code,
        "message": message,
        "name": "AiError",
        "description": row.description,
        "httpCode": row.status,
    }


@pytest.fixture(scope="module")
def failing() -> Iterator[LiveServer]:
    with serving() as live:
        yield live


def test_no_row_is_left_out() -> None:
    exercised = {type(row.error) for row in REACHED} | {row.error for row in REFUSED} | REST_ONLY
    assert exercised | {Exception} >= set(envelope.TABLE)


@pytest.mark.parametrize("row", REACHED, ids=lambda row: type(row.error).__name__)
def test_errors_of_requests_that_reach_the_model(failing: LiveServer, row: Row) -> None:
    failing.engine.failure = row.error
    over_rest, to_the_worker = rest(failing.http, {}), binding(failing.http, {})
    for answer in (over_rest, to_the_worker):
        assert answer.status_code == row.status
        assert answer.headers["content-type"] == "application/json"
        assert "secret" not in answer.text
    ids = [answer.headers["cf-ai-req-id"] for answer in (over_rest, to_the_worker)]
    assert ids[0] != ids[1]
    message = f"{row.prefix}{row.description}"
    assert over_rest.json() == enveloped(row, f"{message} ({ids[0]})", {})
    assert to_the_worker.json() == bare(row, f"{message} ({ids[1]})")


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.error.__name__)
def test_refusals_of_the_platform(row: Refusal) -> None:
    with serving(token=row.token) as live:
        over_rest, to_the_worker = rest(live.http, row.headers), binding(live.http, row.headers)
        assert live.engine.requests == []
    for answer in (over_rest, to_the_worker):
        assert answer.status_code == row.status
        assert answer.headers["content-type"] == "application/json"
        assert "cf-ai-req-id" not in answer.headers
    told = over_rest.json()
    told["errors"][0].pop("error_chain", None)
    assert told == enveloped(row, row.description, None)
    assert to_the_worker.json() == bare(row, row.description)


def test_a_token_for_another_account(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.access.create_account("ours", account_id="ours")
        _, secret = ledger.access.create_token("t", ["ours"])
        with serving(ledger=ledger) as live:
            bearer = {"authorization": f"Bearer {secret}"}
            assert refusal(rest(live.http, bearer)) == (403, 10000, "Authentication error")
            assert binding(live.http, bearer).status_code == 200
