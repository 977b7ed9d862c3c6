"""Every bad input: a clear error in the documented envelope, and a server that goes on."""

import asyncio
import base64
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO

import httpx
import pytest
from liveserver import RUN, LiveServer, PaintingEngine, form, png, problem, refusal, serving
from PIL import Image

from alpenglow import errors
from alpenglow.api import envelope
from alpenglow.api.app import create_app
from alpenglow.settings import Settings
from listening import wait_until

BAD = "AiError: Bad input: Error: "
HALF = png(300, 300)[:-60]


def bomb() -> bytes:
    buffer = BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def _the_server_goes_on(server: LiveServer) -> Iterator[None]:
    yield
    assert server.http.post(RUN, content=form(("prompt", "still there?"))).status_code == 200


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": "1"}, "required properties at '/' are 'prompt'"),
        ({"prompt": ""}, "Length of '/prompt' must be >= 1"),
        ({"prompt": b"\xff\xfe"}, "'/prompt' is not UTF-8 text"),
        ({"prompt": "x", "width": "255"}, "'/width' must be >= 256"),
        ({"prompt": "x", "width": "1921"}, "'/width' must be <= 1920"),
        ({"prompt": "x", "height": "-5"}, "'/height' must be >= 256"),
        ({"prompt": "x", "width": "abc"}, "Type mismatch of '/width', 'integer' not in 'string'"),
        ({"prompt": "x", "width": "1e9"}, "Type mismatch of '/width', 'integer' not in 'string'"),
        ({"prompt": "x", "width": ""}, "Type mismatch of '/width', 'integer' not in 'string'"),
        ({"prompt": "x", "width": "512.5"}, "Type mismatch of '/width', 'integer' not in 'string'"),
        ({"prompt": "x", "seed": "-1"}, "'/seed' must be >= 0"),
        ({"prompt": "x", "seed": str(2**63)}, "'/seed' must be <= 9223372036854775807"),
        ({"prompt": "x", "guidance": "strong"}, "Type mismatch of '/guidance', 'number' not in 'string'"),
        ({"prompt": "x", "guidance": "nan"}, "'/guidance' must be a finite number"),
        ({"prompt": "x", "guidance": "-0.5"}, "'/guidance' must be >= 0"),
        ({"prompt": "x", "guidance": "21"}, "'/guidance' must be <= 20"),
        ({"prompt": "x", "output_format": "tiff"}, "'/output_format' must be one of 'jpeg', 'png' or 'webp'"),
        (
            {"width": "1", "height": "x"},
            "required properties at '/' are 'prompt', '/width' must be >= 256, Type mismatch",
        ),
        (
            {"prompt": "x", "input_image_1": png()},
            "required properties at '/' are 'input_image_0': images have no gaps",
        ),
        (
            {"prompt": "x", **{f"input_image_{index}": png() for index in range(5)}},
            "Additional or unevaluated properties '/input_image_4' at '/' not allowed: images are input_image_0 to",
        ),
    ],
)
def test_fields_out_of_line(server: LiveServer, fields: dict[str, str | bytes], words: str) -> None:
    status, code, message = problem(server.http.post(RUN, content=form(*fields.items())))
    assert (status, code) == (400, 5006)
    assert message.startswith(BAD + words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "required properties at '/' are 'prompt'"),
        (b"--b--", "required properties at '/' are 'prompt'"),
        (b"--b--\r\n", "required properties at '/' are 'prompt'"),
        (b"{}", "required properties at '/' are 'prompt'"),
        (
            b'{"prompt": 5, "width": 1e9}',
            "Type mismatch of '/prompt', 'string' not in 'number', '/width' must be <= 1920",
        ),
        (b'{"prompt": "x", "height": [1]}', "Type mismatch of '/height', 'integer' not in 'array'"),
        (b'{"prompt": "x", "width": 512.5}', "Type mismatch of '/width', 'integer' not in 'number'"),
        (b'{"prompt": "\\ud800"}', "'/prompt' is not Unicode text"),
        (b'{"prompt": "x", "input_image_\\ud800": "x"}', "Additional or unevaluated properties"),
        (b'{"prompt": "x"', "the body begins like JSON and is none: Expecting ',' delimiter: line 1 column 15"),
        (b'{"a":' + b"[" * 90_000, "the body begins like JSON and cannot be read as that"),
        (b'{"seed":' + b"9" * 5000 + b"}", "the body begins like JSON and cannot be read as that"),
        (b"prompt=a+cat&width=512", "the body is neither a multipart form nor a JSON object"),
        (b"[1]", "the body is neither"),
        (b"-" * 1000, "the body is neither"),
        (b"--b\r\nno header\r\n\r\n--b--", "the form is malformed"),
        (form(("prompt", "x"))[:-30], "the form ends before its closing delimiter"),
        (form(("prompt", "x"), ("prompt", "y")), "'/prompt' was sent twice"),
    ],
)
def test_bodies_out_of_line(server: LiveServer, body: bytes, words: str) -> None:
    boundary = "b" if body.startswith((b"--b\r", b"--b-")) else "b0undary"
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    status, code, message = problem(server.http.post(RUN, content=body, headers=headers))
    assert (status, code) == (400, 5006)
    assert message.startswith(BAD + words)


@pytest.mark.parametrize(
    ("image", "status", "code", "words"),
    [
        (b"", 400, 3010, "AiError: AiError: '/input_image_0': the image is empty"),
        (b"I am a picture, honestly", 400, 3010, "AiError: AiError: '/input_image_0': this is not an image"),
        (base64.b64encode(b"neither am I"), 400, 3010, "AiError: AiError: '/input_image_0': this is not an image"),
        (b"data:image/png;base64,####", 400, 3010, "AiError: AiError: '/input_image_0': this is not an image"),
        (HALF, 400, 3010, "AiError: AiError: '/input_image_0': the image is damaged or cut short"),
        (bomb(), 413, 3006, "AiError: Request is too large: '/input_image_0': the image has 20000 x 20000 pixels"),
        (png(4, 4), 400, 3010, "AiError: AiError: '/input_image_0': the image has 4 x 4 pixels, less than 16 a side"),
    ],
    ids=["empty", "text", "base64 of text", "bad data URL", "truncated", "bomb", "tiny"],
)
def test_images_out_of_line(server: LiveServer, image: bytes, status: int, code: int, words: str) -> None:
    told = problem(server.http.post(RUN, content=form(("prompt", "x"), ("input_image_0", image))))
    assert told[:2] == (status, code)
    assert told[2].startswith(words)


def test_the_second_image_is_named(server: LiveServer) -> None:
    body = form(("prompt", "x"), ("input_image_0", png()), ("input_image_1", b"text"))
    assert "'/input_image_1': this is not an image" in problem(server.http.post(RUN, content=body))[2]


def megabytes(count: int) -> Iterator[bytes]:
    yield form(("prompt", "x"), ("note", ""))[: -len("\r\n--b0undary--")]
    for _ in range(count):
        yield b"x" * 1_000_000


def test_a_hundred_megabytes_announced(server: LiveServer) -> None:
    began = time.monotonic()
    size = sum(map(len, megabytes(100)))
    response = server.http.post(RUN, content=megabytes(100), headers={"content-length": str(size)})
    assert problem(response)[:2] == (413, 3006)
    assert time.monotonic() - began < 10


def test_a_hundred_megabytes_in_chunks(server: LiveServer) -> None:
    assert problem(server.http.post(RUN, content=megabytes(100)))[:2] == (413, 3006)


@pytest.mark.parametrize("options", [[], ["--header", "Expect:"]], ids=["100-continue", "at once"])
def test_a_hundred_megabytes_from_curl(server: LiveServer, options: list[str], tmp_path) -> None:
    file = tmp_path / "large.bin"
    with file.open("wb") as large:
        large.truncate(100_000_000)
    command = ["curl", "--silent", *options, "--form", "prompt=x", "--form", f"input_image_0=@{file}", server.url + RUN]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    assert json.loads(answer)["errors"][0]["code"] == 3006


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([("prompt", "x" * 65_537)], "'/prompt' has more than 65,536 bytes"),
        ([("prompt", "x"), ("input_image_0", b"x" * 20_000_001)], "'/input_image_0' has more than 20,000,000 bytes"),
        ([("prompt", "x")] + [("n", "1")] * 32, "the form has more than 32 parts"),
    ],
)
def test_parts_over_their_limit(server: LiveServer, parts: list[tuple[str, str | bytes]], words: str) -> None:
    assert problem(server.http.post(RUN, content=form(*parts))) == (
        413,
        3006,
        f"AiError: Request is too large: {words}",
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [(RUN, "prompt"), (RUN, "input_image_0"), ("/v1/images/generations", "prompt"), ("/v1/images/edits", "image")],
)
def test_text_of_json_has_the_limits_of_a_form(path: str, name: str) -> None:
    with serving(max_text_bytes=100, max_image_bytes=200) as live:
        most = 100 if name == "prompt" else 200
        fields = {"prompt": "x", name: "é" * (most // 2)}
        assert live.http.post(path, json=fields).status_code != 413
        longer = fields[name] + "x"
        over = live.http.post(path, json=fields | {name: [longer] if name == "image" else longer})
        assert over.status_code == 413
        assert f"'/{name}' has more than {most} bytes" in over.text


def test_an_unknown_field_may_be_long(server: LiveServer) -> None:
    assert server.http.post(RUN, content=form(("prompt", "x"), ("mask", b"x" * 1_000_000))).status_code == 200


@pytest.mark.parametrize("body", [form(("prompt", "x")), b'{"messages": [{"role": "user", "content": "hi"}]}', b""])
def test_an_unknown_model(server: LiveServer, body: bytes) -> None:
    """Said before anything about fields: those of a model of another kind would be found missing or too many."""
    response = server.http.post("/client/v4/accounts/a/ai/run/@cf/nobody/none", content=body)
    assert problem(response) == (400, 5007, "AiError: No such model @cf/nobody/none or task")
    bound = server.http.post("/run?version=3", content=body, headers={"cf-consn-model-id": "@cf/nobody/none"}).json()
    assert (bound["internalCode"], bound["description"]) == (5007, "No such model @cf/nobody/none or task")


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", RUN, (405, 7001, "GET not supported for requested URI.")),
        ("OPTIONS", RUN, (405, 7001, "OPTIONS not supported for requested URI.")),
        ("POST", "/client/v4/accounts/a/ai/models/search", (405, 7001, "POST not supported for requested URI.")),
        ("GET", "/nowhere", (400, 7000, "No route for that URI")),
        ("POST", "/client/v4/accounts/a/ai/walk/x", (400, 7000, "No route for that URI")),
        (
            "POST",
            "/client/v4/accounts//ai/run/x",
            (404, 7003, "Could not route to /client/v4/accounts//ai/run/x, perhaps your object identifier is invalid?"),
        ),
    ],
)
def test_wrong_doors(server: LiveServer, method: str, path: str, told: tuple[int, int, str]) -> None:
    assert refusal(server.http.request(method, path)) == told


def test_a_query_out_of_line(server: LiveServer) -> None:
    status, code, message = refusal(server.http.get("/client/v4/accounts/a/ai/models/search?page=abc"))
    assert (status, code) == (400, 5006)
    assert "'/page'" in message


def test_a_fault_of_ours_is_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    for failure in (errors.EngineFailure("at /home/me/secret.py"), ZeroDivisionError("at /home/me/secret.py")):
        with serving(PaintingEngine(failure=failure)) as live, caplog.at_level(logging.ERROR):
            response = live.http.post(RUN, content=form(("prompt", "x")))
            assert problem(response) == (500, 8007, "AiError: AiError: Internal server error")
            assert response.headers["cf-ai-req-id"] in caplog.text
            assert "Traceback" in caplog.text
            live.engine.failure = None
            assert live.http.post(RUN, content=form(("prompt", "x"))).status_code == 200


def test_every_error_of_the_tree_has_its_own_row_or_a_parent_with_one() -> None:
    def tree(kind: type[Exception]) -> Iterator[type[Exception]]:
        yield kind
        for child in kind.__subclasses__():
            yield from tree(child)

    ours_to_blame = {errors.EngineFailure, errors.LedgerError, errors.WeightsError, errors.SettingsError}
    only_parents = {errors.Refused, errors.Limited}
    assert set(tree(errors.AlpenglowError)) - set(envelope.TABLE) <= ours_to_blame | only_parents


def test_what_is_under_way_when_the_server_stops_is_told_so() -> None:
    """The server cancels what does not end in time; without an answer of ours it would send a bare text."""

    async def ask(path: str) -> list[dict]:
        app, sent = create_app(PaintingEngine(seconds=60), Settings.load({})), []
        messages = [{"type": "http.request", "body": form(("prompt", "x")), "more_body": False}]

        async def receive() -> dict:
            return messages.pop() if messages else await asyncio.Event().wait()

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        task = asyncio.create_task(app(scope | {"headers": [], "http_version": "1.1"}, receive, send))
        await asyncio.sleep(0.3)
        task.cancel("the server stops")
        await task
        return sent

    start, body = asyncio.run(ask(RUN))
    assert start["status"] == 503
    assert json.loads(body["body"])["errors"][0]["code"] == 3040
    start, *_, last = asyncio.run(ask(RUN.replace("/run/", "/stream/")))
    assert start["status"] == 200
    assert last["body"].startswith(b"event: error\n")
    assert b"The server is stopping." in last["body"]
    assert not last["more_body"]


def test_a_stream_that_the_engine_refuses_has_the_status_of_a_run() -> None:
    with serving(PaintingEngine(capacity=0)) as live:
        for path in (RUN, RUN.replace("/run/", "/stream/")):
            response = live.http.post(path, content=form(("prompt", "x")))
            assert problem(response)[:2] == (429, 3040)
            assert "cf-ai-neurons" not in response.headers


def test_leaving_cancels_the_work() -> None:
    with serving(PaintingEngine(seconds=60)) as live:
        with pytest.raises(httpx.ReadTimeout):
            live.http.post(RUN, content=form(("prompt", "x")), timeout=httpx.Timeout(10, read=0.3))
        wait_until(lambda: live.engine.cancelled == 1, seconds=2)
        assert live.engine.running == 0


def test_importing_the_api_leaves_torch_alone() -> None:
    code = "import sys, alpenglow.api.app; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
