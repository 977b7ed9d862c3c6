"""What a picture costs by the published tariff, and that it is billed exactly when it is delivered."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from liveserver import MODEL, LiveServer, PaintingEngine, form, png, problem, refusal, serving

from alpenglow.api.app import create_app
from alpenglow.api.tariff import TARIFF, dollars, neurons, price
from alpenglow.catalogue import ROWS
from alpenglow.errors import EngineFailure
from alpenglow.ledger.books import MICRO
from alpenglow.ledger.ledger import Ledger
from alpenglow.request import GenerationRequest
from alpenglow.settings import Settings
from listening import wait_until

BODY = form(("prompt", "x"), ("width", "256"), ("height", "256"))
PICTURE = 1363.636364 / 16
"""Neurons for BODY by klein-9b."""

SMALL = np.zeros((512, 512, 3), np.uint8)


@dataclass
class Metered:
    """A server with a ledger, an account `team` in it, and a token for that."""

    live: LiveServer
    ledger: Ledger
    account: str
    secret: str

    @property
    def run(self) -> str:
        return f"/client/v4/accounts/{self.account}/ai/run/{MODEL}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}

    def ask(self, body: bytes = BODY, **headers: str) -> httpx.Response:
        return self.live.http.post(self.run, content=body, headers=self.bearer | headers)

    def billed(self) -> tuple[int, float]:
        """Requests and neurons; the books balance, and nothing is still reserved."""
        wait_until(lambda: sum(row[0] for row in reserved(self.ledger)) == 0)
        assert self.ledger.books.audit() == ()
        rows = self.ledger.books.usage(())
        return (rows[0].requests, neurons(rows[0].amount)) if rows else (0, 0.0)


def reserved(ledger: Ledger) -> list[tuple[int]]:
    with ledger._engine.begin() as connection:
        return connection.exec_driver_sql("SELECT reserved FROM days").all()


class Clock:
    """The real time, unless a test sets it."""

    at: float | None = None

    def __call__(self) -> float:
        return time.time() if self.at is None else self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db", clock) as opened:
        yield opened


@pytest.fixture
def metered(ledger: Ledger) -> Iterator[Metered]:
    account = ledger.access.create_account("team")
    _, secret = ledger.access.create_token("", ["team"])
    with serving(ledger=ledger) as live:
        yield Metered(live, ledger, account.id, secret)


@pytest.mark.parametrize(
    ("row", "width", "height", "references", "cost"),
    [
        ("klein-9b", 1024, 1024, 0, 1363.64),
        ("klein-9b", 512, 512, 0, 340.91),
        ("klein-9b", 1920, 1088, 0, 1544.03),  # 1.9922 megapixels
        ("klein-9b", 1920, 1088, 2, 1634.94),
        ("klein-9b-kv", 1024, 1024, 0, 1363.64),
        ("klein-base-9b", 1024, 1024, 0, 1363.64),
        ("klein-4b", 1024, 1024, 0, 104.20),
        ("klein-4b", 1024, 1040, 0, 156.30),
        ("klein-4b", 512, 512, 4, 47.53),
        ("klein-base-4b", 1024, 1024, 0, 104.20),
        ("dev", 1024, 1024, 1, 8437.50),
        ("demo", 1024, 1024, 4, 0),
    ],
)
def test_the_published_tariff(row, width, height, references, cost):
    asked = GenerationRequest("x", "x", width, height, 0, None, (SMALL,) * references)
    assert round(neurons(price(row, asked)), 2) == cost


def test_in_dollars_as_published():
    picture = price("klein-9b", GenerationRequest("x", "x", 1024, 1024))
    assert dollars(picture) == pytest.approx(0.015, abs=1e-10)
    two_megapixels = price("klein-9b", GenerationRequest("x", "x", 1024, 1920, 0, None, (SMALL,)))
    assert dollars(two_megapixels) == pytest.approx(0.015 + 0.875 * 0.002 + 0.25 * 0.002, abs=1e-10)


def test_every_model_has_a_price_by_the_steps_that_it_takes():
    assert TARIFF.keys() == {row.name for row in ROWS}
    steps = {row.name: row.steps for row in ROWS}
    assert steps["dev"] == TARIFF["dev"].steps


def test_the_price_is_told_also_without_a_ledger(server):
    run = f"/client/v4/accounts/a/ai/run/{MODEL}"
    body = form(("prompt", "x"), ("width", "1024"), ("height", "1024"), ("input_image_0", png(512, 512)))
    assert server.http.post(run, content=body).headers["cf-ai-neurons"] == "1409.09"
    assert "cf-ai-neurons" not in server.http.post(run, content=b"").headers
    assert server.http.get("/client/v4/accounts/a/ai/usage").status_code == 400  # no ledger, no such route


def test_a_delivered_picture_is_billed_once(metered):
    answer = metered.ask()
    assert (answer.status_code, answer.headers["cf-ai-neurons"]) == (200, "85.23")
    assert len(answer.content) == int(answer.headers["content-length"])
    assert metered.billed() == (1, pytest.approx(PICTURE, abs=1e-6))


@pytest.mark.parametrize("body", [b"", form(("prompt", "x"), ("width", "1"))])
def test_bad_input_costs_nothing(metered, body):
    assert problem(metered.ask(body))[:2] == (400, 5006)
    assert metered.billed() == (0, 0)


def test_what_the_engine_could_not_do_costs_nothing(metered):
    metered.live.engine.failure = EngineFailure("out of memory")
    answer = metered.ask()
    assert problem(answer)[:2] == (500, 8007)
    assert "cf-ai-neurons" not in answer.headers
    assert metered.billed() == (0, 0)


def test_who_leaves_while_it_is_made_pays_nothing(metered):
    metered.live.engine.seconds = 30
    head = f"POST {metered.run} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(BODY)}\r\n"
    with socket.create_connection(("127.0.0.1", metered.live.port)) as connection:
        connection.sendall(f"{head}Authorization: Bearer {metered.secret}\r\n\r\n".encode() + BODY)
        wait_until(lambda: metered.live.engine.running == 1)
        assert reserved(metered.ledger)[0][0] > 0
    wait_until(lambda: metered.live.engine.cancelled == 1)
    assert metered.billed() == (0, 0)


def test_the_daily_allocation(metered):
    metered.ledger.access.limit_account("team", round(2.5 * PICTURE * MICRO), None)
    assert [metered.ask().status_code for _ in range(2)] == [200, 200]
    told = problem(metered.ask())
    assert told[:2] == (429, 4006)
    assert told[2].startswith("AiError: AiError: you have used up your daily free allocation of 213 neurons")
    binding = metered.live.http.post(
        "/run?version=3", content=BODY, headers=metered.bearer | {"cf-consn-model-id": MODEL}
    )
    assert (binding.status_code, binding.json()["internalCode"]) == (429, 4006)
    assert metered.billed()[0] == 2


def test_the_allocation_renews_at_midnight_utc(metered, clock):
    clock.at = datetime(2027, 1, 15, 23, 59, 59, tzinfo=UTC).timestamp()
    metered.ledger.access.limit_account("team", round(1.5 * PICTURE * MICRO), None)
    assert [metered.ask().status_code for _ in range(2)] == [200, 429]
    clock.at += 1
    assert [metered.ask().status_code for _ in range(2)] == [200, 429]
    url = f"/client/v4/accounts/{metered.account}/ai/usage"
    told = metered.live.http.get(url, params={"by": "day"}, headers=metered.bearer).json()["result"]
    assert [(row["day"], row["requests"]) for row in told] == [("2027-01-15", 1), ("2027-01-16", 1)]


def test_requests_a_minute(metered, clock):
    clock.at = time.time() // 60 * 60 + 59
    metered.ledger.access.limit_account("team", None, 1)
    assert metered.ask().status_code == 200
    status, code, message = problem(metered.ask())
    assert (status, code) == (429, 3021)
    assert "rate limiting: inference request per min rate reached" in message
    assert metered.billed()[0] == 1
    clock.at += 1
    assert metered.ask().status_code == 200


def test_refused_when_busy_costs_nothing(metered):
    metered.live.engine.running = 1
    told = problem(metered.live.http.post(f"{metered.run}?rejectIfBusy=true", content=BODY, headers=metered.bearer))
    assert told[:2] == (429, 3040)
    assert metered.billed() == (0, 0)


def test_of_two_who_rather_leave_than_wait_one_is_served(metered):
    """Both find the engine free when they arrive; the ledger's answer takes both of them some time."""
    metered.live.engine.seconds = 0.5
    url = f"{metered.run}?rejectIfBusy=true"
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(metered.live.http.post, url, content=BODY, headers=metered.bearer) for _ in range(6)]
    assert sorted(one.result().status_code for one in asked) == [200] + [429] * 5
    assert metered.billed()[0] == 1


OPENAI = {"model": "flux-2-klein-9b", "prompt": "x", "size": "256x256", "n": 3}


def test_several_pictures_are_one_request_at_their_sum(metered):
    answer = metered.live.http.post("/v1/images/generations", json=OPENAI, headers=metered.bearer)
    assert len(answer.json()["data"]) == 3
    assert answer.headers["cf-ai-neurons"] == f"{3 * PICTURE:.2f}"
    assert metered.billed() == (1, pytest.approx(3 * PICTURE, abs=1e-5))
    (row,) = metered.ledger.books.usage(("model",))
    assert (row.model, row.pictures, row.output_pixels) == (MODEL, 3, 3 * 256 * 256)


def test_several_pictures_are_reserved_together(metered):
    """Two could be paid for, three cannot: none is begun."""
    metered.ledger.access.limit_account("team", round(2.5 * PICTURE * MICRO), None)
    told = metered.live.http.post("/v1/images/generations", json=OPENAI, headers=metered.bearer)
    assert (told.status_code, told.json()["error"]["code"]) == (429, "insufficient_quota")
    assert metered.live.engine.requests == []
    assert metered.live.http.post("/v1/images/generations", json=OPENAI | {"n": 2}, headers=metered.bearer).is_success
    assert metered.billed() == (1, pytest.approx(2 * PICTURE, abs=1e-5))


def test_one_of_several_that_fails_leaves_nothing_to_pay(metered):
    """The answer is one JSON document: without it none of the pictures is delivered."""
    metered.live.engine.capacity = 2
    metered.live.engine.seconds = 0.2
    told = metered.live.http.post("/v1/images/generations", json=OPENAI, headers=metered.bearer)
    assert told.status_code == 429
    assert "cf-ai-neurons" not in told.headers
    assert metered.billed() == (0, 0)


def test_who_leaves_while_several_are_made_pays_nothing(metered):
    metered.live.engine.seconds = 30
    with pytest.raises(httpx.ReadTimeout):
        metered.live.http.post(
            "/v1/images/generations", json=OPENAI, headers=metered.bearer, timeout=httpx.Timeout(20, read=1)
        )
    wait_until(lambda: metered.live.engine.cancelled == 3)
    assert metered.billed() == (0, 0)


def test_requests_at_once_do_not_overspend(metered):
    metered.live.engine.seconds = 0.2
    metered.ledger.access.limit_account("team", round(3.5 * PICTURE * MICRO), None)
    with ThreadPoolExecutor(8) as threads:
        codes = sorted(threads.map(lambda _: metered.ask().status_code, range(8)))
    assert codes == [200] * 3 + [429] * 5
    assert metered.billed()[0] == 3


def test_usage_as_json_and_csv(metered):
    metered.ask()
    metered.ask(form(("prompt", "x"), ("width", "256"), ("height", "512"), ("input_image_0", png(512, 512))))
    url = f"/client/v4/accounts/{metered.account}/ai/usage"
    (record,) = metered.live.http.get(url, headers=metered.bearer).json()["result"]
    assert (record["model"], record["account"], record["requests"], record["pictures"]) == (
        MODEL,
        metered.account,
        2,
        2,
    )
    assert (record["output_megapixels"], record["input_megapixels"]) == (0.1875, 0.25)
    assert record["neurons"] == pytest.approx(3 * PICTURE + 181.818182 / 4, abs=1e-5)
    assert record["dollars"] == pytest.approx(record["neurons"] * 0.011 / 1000, abs=1e-6)
    told = metered.live.http.get(url, params={"format": "csv", "by": "model"}, headers=metered.bearer)
    assert told.headers["content-type"].startswith("text/csv")
    names, row = told.text.splitlines()
    assert names == "model,requests,pictures,output_megapixels,input_megapixels,neurons,dollars"
    assert row.startswith(f"{MODEL},2,2,0.1875,0.25,")
    nothing = metered.live.http.get(url, params={"until": "2000-01-01"}, headers=metered.bearer)
    assert nothing.json()["result"] == []
    for wrong in ({"by": "colour"}, {"since": "soon"}, {"format": "xml"}):
        answer = metered.live.http.get(url, params=wrong, headers=metered.bearer)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 5006)


class Wire:
    """The other end of the real application's ASGI: notes what is billed whenever something is sent."""

    def __init__(self, ledger: Ledger, settings: Settings, *, leaves_after: int | None = None) -> None:
        self.app = create_app(PaintingEngine(), settings, ledger)
        self.ledger = ledger
        self.leaves_after = leaves_after
        self.left = asyncio.Event()
        self.sent: list[tuple[bytes, bool, int]] = []
        self.asked = False

    async def receive(self) -> dict[str, object]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": BODY, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, object]) -> None:
        if message["type"] == "http.response.body":
            self.sent.append((message["body"], bool(message["more_body"]), len(self.ledger.books.usage())))
            if len(self.sent) == self.leaves_after:
                self.left.set()
                await asyncio.sleep(0.01)  # as the connection tells it

    async def post(self, path: str, headers: dict[str, str]) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 1),
        }
        await self.app(scope, self.receive, self.send)


@pytest.fixture
def path_and_headers(ledger: Ledger) -> tuple[str, dict[str, str]]:
    account = ledger.access.create_account("team")
    _, secret = ledger.access.create_token("", ["team"])
    return f"/client/v4/accounts/{account.id}/ai/run/{MODEL}", {"authorization": f"Bearer {secret}"}


def test_the_last_bytes_leave_once_it_is_billed(ledger, path_and_headers):
    wire = Wire(ledger, Settings.load())
    asyncio.run(wire.post(*path_and_headers))
    *before, (last, more, billed) = wire.sent
    assert (bool(last), more, billed) == (True, False, 1)
    assert {(more, billed) for _, more, billed in before} == {(True, 0)}
    assert json.loads(b"".join(data for data, _, _ in wire.sent))["success"] is True
    assert ledger.books.audit() == ()


@pytest.mark.parametrize("leaves_after", [1, 2])
def test_who_leaves_before_the_last_bytes_pays_nothing(ledger, path_and_headers, leaves_after):
    wire = Wire(ledger, Settings.load(), leaves_after=leaves_after)
    asyncio.run(wire.post(*path_and_headers))
    assert all(more for _, more, _ in wire.sent)
    assert ledger.books.usage() == ()
    assert reserved(ledger) == [(0,)]


def test_who_stops_reading_a_stream_pays_nothing_and_holds_nothing(ledger, path_and_headers):
    path, headers = path_and_headers
    wire = Wire(ledger, Settings.load({"request_timeout_seconds": 0.3}))
    send = wire.send

    async def send_and_stall(message: dict[str, object]) -> None:
        await send(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    wire.send = send_and_stall
    asyncio.run(asyncio.wait_for(wire.post(path.replace("/run/", "/stream/"), headers), 10))
    assert wire.sent
    assert ledger.books.usage() == ()
    assert reserved(ledger) == [(0,)]


def test_nothing_is_handed_over_that_the_ledger_cannot_bill(ledger, path_and_headers, caplog):
    wire = Wire(ledger, Settings.load())
    send = wire.send

    async def send_and_break(message: dict[str, object]) -> None:
        await send(message)
        if message["type"] == "http.response.start":
            with ledger._engine.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE days RENAME TO lost")

    wire.send = send_and_break
    asyncio.run(wire.post(*path_and_headers))
    assert all(more for _, more, _ in wire.sent)
    assert "is not billed" in caplog.text


def test_a_token_opens_its_own_accounts_only(metered):
    other = metered.ledger.access.create_account("other")
    foreign = metered.run.replace(metered.account, other.id)
    assert refusal(metered.live.http.post(foreign, content=BODY, headers=metered.bearer)) == (
        403,
        10000,
        "Authentication error",
    )
    _, both = metered.ledger.access.create_token("", ["other", "team"])
    for path in (foreign, metered.run):
        assert metered.live.http.post(path, content=BODY, headers={"authorization": f"Bearer {both}"}).is_success
    assert [row.requests for row in metered.ledger.books.usage(["account"])] == [1, 1]
    headers = {"authorization": f"Bearer {both}", "cf-consn-model-id": MODEL}
    assert metered.live.http.post("/run?version=3", content=BODY, headers=headers).is_success
    assert [row.requests for row in metered.ledger.books.usage((), account=other.id)] == [2]  # the first one pays


def test_revoked_expired_and_unknown_tokens(metered):
    _, secret = metered.ledger.access.create_token("", ["team"], expires_at=int(time.time()) - 1)
    for wrong in (secret, "hush", "h\xfcsh"):
        answer = metered.ask(authorization=f"Bearer {wrong}".encode("latin-1"))
        assert refusal(answer) == (401, 10000, "Authentication error")
    assert metered.ask().is_success
    mine = metered.ledger.access.find_token(metered.secret)
    metered.ledger.access.revoke_token(mine.id)
    assert refusal(metered.ask())[:2] == (401, 10000)


def test_key_and_email(metered):
    _, key = metered.ledger.access.create_token("", ["team"], email="Someone@example.org")

    def ask(**headers: str) -> httpx.Response:
        return metered.live.http.post(
            metered.run, content=BODY, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    assert ask(x_auth_email="someone@example.org", x_auth_key=key).is_success
    assert refusal(ask(x_auth_email="other@example.org", x_auth_key=key))[:2] == (403, 9103)
    assert refusal(ask(x_auth_email="someone@example.org", x_auth_key=metered.secret))[:2] == (403, 9103)
    assert refusal(ask(x_auth_email="someone@example.org"))[:2] == (400, 9106)
    with serving(token="hush") as live:
        pair = {"x-auth-email": "any@example.org", "x-auth-key": "hush"}
        assert live.http.post(metered.run, content=BODY, headers=pair).is_success
        assert refusal(live.http.post(metered.run, content=BODY, headers=pair | {"x-auth-key": "x"}))[:2] == (403, 9103)
