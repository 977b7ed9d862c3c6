"""The stream of a run on the demo checkpoint: what is told, what comes last, what is billed, and who may leave."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from livedemo import demo_engine, serving, until
from PIL import Image

from alpenglow.api.tariff import neurons
from alpenglow.engine.engine import Engine
from alpenglow.ledger.ledger import Ledger

MODEL = "@cf/black-forest-labs/flux-2-klein-9b"
FIELDS = {"prompt": "a red house", "width": "256", "height": "256", "seed": "7"}
PICTURE = 85.227273
"""Neurons of a sixteenth of a megapixel by klein-9b."""


@dataclass
class Watched:
    """A server with a real engine and a ledger, and a token for it."""

    url: str
    engine: Engine
    ledger: Ledger
    bearer: dict[str, str]

    def path(self, verb: str) -> str:
        return f"{self.url}/client/v4/accounts/team/ai/{verb}/{MODEL}"

    def stream(self, **fields: str):
        files = {name: (None, value) for name, value in (FIELDS | fields).items()}
        return httpx.stream("POST", self.path("stream"), files=files, headers=self.bearer, timeout=60)

    def events(self, **fields: str) -> list[tuple[str, dict]]:
        with self.stream(**fields) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            return list(read_events(response))

    def reserved(self) -> int:
        with self.ledger._engine.begin() as connection:
            return sum(row[0] for row in connection.exec_driver_sql("SELECT reserved FROM days").all())

    def billed(self) -> tuple[int, float]:
        assert self.ledger.books.audit() == ()
        rows = self.ledger.books.usage(())
        return (rows[0].pictures, round(neurons(rows[0].amount), 6)) if rows else (0, 0.0)


def read_events(response: httpx.Response) -> Iterator[tuple[str, dict]]:
    text = ""
    for chunk in response.iter_text():
        text += chunk
        while "\n\n" in text:
            event, text = text.split("\n\n", 1)
            name, data = event.split("\n")
            yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@contextmanager
def watching(engine: Engine, folder: Path) -> Iterator[Watched]:
    with Ledger.open(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        ledger.access.create_account("team", account_id="team")
        _, secret = ledger.access.create_token("", ["team"])
        with serving(engine, ledger) as url:
            yield Watched(url, engine, ledger, {"authorization": f"Bearer {secret}"})


@pytest.fixture
def watched(engine: Engine, tmp_path: Path) -> Iterator[Watched]:
    with watching(engine, tmp_path) as watched:
        yield watched


def test_each_step_is_told_with_a_preview_and_the_picture_is_that_of_run(watched: Watched) -> None:
    events = watched.events()
    assert [name for name, _ in events] == ["progress"] * 5 + ["result"]
    steps = [data for name, data in events if name == "progress"]
    assert [(data["step"], data["steps"]) for data in steps] == [(step, 4) for step in range(5)]
    assert [data["preview"] is not None for data in steps] == [False, True, True, True, False]
    preview = Image.open(BytesIO(base64.b64decode(steps[1]["preview"].removeprefix("data:image/jpeg;base64,"))))
    assert (preview.format, preview.size) == ("JPEG", (256, 256))
    result = events[-1][1]
    assert (result["width"], result["height"], result["seed"], result["weights"]) == (256, 256, 7, "demo")
    assert (result["neurons"], result["media_type"], result["notes"]) == (PICTURE, "image/jpeg", [])
    assert result["dollars"] == pytest.approx(0.0009375)
    assert result["seconds"] > 0
    assert watched.billed() == (1, PICTURE)
    answer = httpx.post(watched.path("run"), data=FIELDS, files={"x": b""}, headers=watched.bearer, timeout=60)
    assert answer.json()["result"]["image"] == result["image"]


def test_who_wants_no_previews_gets_none(watched: Watched) -> None:
    files = {name: (None, value) for name, value in FIELDS.items()}
    url = watched.path("stream") + "?previews=false"
    with httpx.stream("POST", url, files=files, headers=watched.bearer, timeout=60) as response:
        events = list(read_events(response))
    assert [data.get("preview") for _, data in events] == [None] * 6
    assert events[-1][0] == "result"


def test_sizes_are_snapped_and_said(watched: Watched) -> None:
    result = watched.events(width="300")[-1][1]
    assert (result["width"], result["notes"]) == (288, ["width 300 was rounded down to 288, a multiple of 16"])


def test_whoever_leaves_stops_the_work_and_pays_nothing(watched: Watched) -> None:
    with watched.stream(width="1024", height="1024") as response:
        next(read_events(response))
    until(lambda: watched.engine.status().running == 0)
    assert watched.billed() == (0, 0.0)
    until(lambda: watched.reserved() == 0)


def test_who_waits_is_told_the_place(watched: Watched) -> None:
    with watched.stream(width="768", height="768") as first:
        events = read_events(first)
        next(events)
        name, data = watched.events()[0]
        assert (name, data) == ("queued", {"position": 1})
        assert list(events)[-1][0] == "result"
    assert watched.billed()[0] == 2


def test_what_is_wrong_from_the_start_is_a_plain_error(watched: Watched) -> None:
    with watched.stream(width="20") as response:
        body = json.loads(response.read())
    assert response.status_code == 400
    assert body["errors"][0]["message"].startswith("AiError: Bad input: Error: '/width' must be >= 256")


def test_what_goes_wrong_later_is_an_event_in_the_same_words_and_costs_nothing(tmp_path: Path) -> None:
    with demo_engine() as engine, watching(engine, tmp_path) as watched:
        an_engine_that_stops(watched)


def an_engine_that_stops(watched: Watched) -> None:
    with watched.stream(width="1024", height="1024") as response:
        events = read_events(response)
        next(events)
        watched.engine.close()
        name, data = list(events)[-1]
    assert name == "error"
    assert (data["success"], data["errors"][0]["code"]) == (False, 3040)
    assert response.headers["cf-ai-req-id"] in data["errors"][0]["message"]
    assert watched.billed() == (0, 0.0)


def test_a_request_that_takes_too_long_ends_with_an_event(watched: Watched) -> None:
    with serving(watched.engine, None, request_timeout_seconds=0.05) as url:
        files = {name: (None, value) for name, value in FIELDS.items()}
        path = f"{url}/client/v4/accounts/team/ai/stream/{MODEL}"
        with httpx.stream("POST", path, files=files, timeout=60) as response:
            name, data = list(read_events(response))[-1]
    assert (name, data["errors"][0]["code"]) == ("error", 3046)
