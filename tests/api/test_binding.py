"""The face of `env.AI`, fed with the bytes that workerd really sends."""

import base64
import json
from io import BytesIO
from urllib.parse import quote

import httpx
import pytest
from liveserver import MODEL, LiveServer, PaintingEngine, form, png, problem, raw, refusal, serving
from PIL import Image

HEADERS = {"cf-consn-model-id": MODEL, "cf-consn-sdk-version": "2.0.0"}

AS_SENT = (
    b"POST /run?version=3&userInputs=%7B%7D HTTP/1.1\r\n"
    b"Content-Length: 323\r\n"
    b"Host: workers-binding.ai\r\n"
    b"Content-Type: multipart/form-data\r\n"
    b"cf-consn-model-id: @cf/black-forest-labs/flux-2-klein-9b\r\n"
    b"cf-consn-sdk-version: 2.0.0\r\n"
    b"\r\n"
    b"--00ed4650534e4d32fe50e06b510e0c99\r\n"
    b'Content-Disposition: form-data; name="prompt"\r\n'
    b"\r\n"
    b"a sunset with a dog\r\n"
    b"--00ed4650534e4d32fe50e06b510e0c99\r\n"
    b'Content-Disposition: form-data; name="width"\r\n'
    b"\r\n"
    b"1024\r\n"
    b"--00ed4650534e4d32fe50e06b510e0c99\r\n"
    b'Content-Disposition: form-data; name="height"\r\n'
    b"\r\n"
    b"1024\r\n"
    b"--00ed4650534e4d32fe50e06b510e0c99--"
)
"""The changelog's first JavaScript, as workerd puts it on the wire: no boundary above, no line end below."""


def bound(response: httpx.Response) -> Image.Image:
    """The picture in an answer that the binding hands on as an object, with all that this takes checked on the way."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert len(response.headers["cf-ai-req-id"]) == 36
    body = response.json()
    assert list(body) == ["image"]
    return Image.open(BytesIO(base64.b64decode(body["image"])))


def thrown(response: httpx.Response) -> tuple[int, str]:
    """What the Worker sees of an error: `<internalCode>: <description>`."""
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert (body["name"], body["httpCode"]) == ("AiError", response.status_code)
    assert set(body) == {"internalCode", "message", "name", "description", "httpCode"}
    return response.status_code, f"{body['internalCode']}: {body['description']}"


def test_the_changelogs_javascript_byte_for_byte(server: LiveServer) -> None:
    head, _, body = AS_SENT.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    answer = raw(server, AS_SENT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'\r\n\r\n{"image":"/9j/' in answer
    asked = server.engine.requests[-1]
    assert (asked.model, asked.prompt, asked.width, asked.height) == (MODEL, "a sunset with a dog", 1024, 1024)


def test_the_second_javascript_names_its_boundary_and_brings_blobs_and_files(server: LiveServer) -> None:
    boundary = "a81eaa10000000000000000000000000"
    field, kind = b'Content-Disposition: form-data; name="', b"\r\nContent-Type: image/png\r\n\r\n"
    parts = [
        field + b'prompt"\r\n\r\nboth',
        field + b'input_image_0"; filename="input_image_0"' + kind + png(colour="red"),
        field + b'input_image_1"; filename="me.png"' + kind + png(colour="blue"),
    ]
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    body += b"--" + boundary.encode() + b"--"
    headers = {**HEADERS, "content-type": f"multipart/form-data; boundary={boundary}"}
    chunks = (body[at : at + 100] for at in range(0, len(body), 100))  # a stream of unknown length
    bound(server.http.post("/run?version=3&userInputs=%7B%7D", content=chunks, headers=headers))
    colours = [tuple(reference[0, 0]) for reference in server.engine.requests[-1].references]
    assert colours == [(255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize("path", ["/run?version=3", "/run?version=2", "/ai-gateway/run?version=3", "/run"])
def test_json(server: LiveServer, path: str) -> None:
    body = {"inputs": {"prompt": "x", "width": 512, "height": None}, "options": {"gateway": {"id": "default"}}}
    assert bound(server.http.post(path, json=body, headers=HEADERS)).size == (512, 768)


def test_form_user_inputs_and_query_are_merged_in_this_order(server: LiveServer) -> None:
    query = "seed=1&width=256&height=256&queueRequest=undefined&tags=a%2Cb&rejectIfBusy=undefined&version=3"
    query += "&userInputs=" + quote(json.dumps({"seed": 2, "width": 512}))
    content = form(("prompt", "x"), ("seed", "3"))
    headers = {**HEADERS, "content-type": "multipart/form-data", "x-foo": "bar"}
    assert bound(server.http.post(f"/run?{query}", content=content, headers=headers)).size == (512, 256)
    assert server.engine.requests[-1].seed == 3


@pytest.mark.parametrize("name", ["inputs", "options"])
def test_parts_that_a_form_is_not_asked_for_are_ignored(server: LiveServer, name: str) -> None:
    content = form(("prompt", "a part"), (name, '{"rejectIfBusy": true}'))
    headers = {**HEADERS, "content-type": "multipart/form-data"}
    bound(server.http.post("/run?version=3&userInputs=%7B%7D", content=content, headers=headers))
    assert server.engine.requests[-1].prompt == "a part"


def test_a_prefix_before_the_model(server: LiveServer) -> None:
    body = {"inputs": {"prompt": "x"}, "options": {}}
    bound(server.http.post("/run?version=3", json=body, headers={**HEADERS, "cf-consn-model-id": f"pre:{MODEL}"}))
    assert server.engine.requests[-1].model == MODEL


def test_a_model_of_the_second_catalogue(server: LiveServer) -> None:
    headers = {**HEADERS, "cf-consn-model-id": MODEL.removeprefix("@cf/")}
    body = {"inputs": {"prompt": "x"}, "options": {"gateway": {"id": "default"}}}
    answer = server.http.post("/ai-gateway/run?version=3", json=body, headers=headers).json()
    assert answer["state"] == "Completed"
    assert answer["result"]["image"].startswith("data:image/jpeg;base64,/9j/")
    assert "gatewayMetadata" in answer


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "5006: Error: required properties at '/' are 'prompt'"),
        (b'{"inputs":{},"options":{}}', "5006: Error: required properties at '/' are 'prompt'"),
        (b'{"inputs":[],"options":{}}', "5006: Error: Type mismatch of '/inputs', 'object' not in 'array'"),
        (b'{"inputs":{"prompt":"x"},"options":"fast"}', "5006: Error: Type mismatch of '/options', 'object' not in"),
        (
            b'{"inputs":{"requests":[{"prompt":"x"}]},"options":{}}',
            "5006: Error: '/requests': FLUX.2 has no batch capab",
        ),
        (b'{"inputs":{"request_id":"abc"},"options":{}}', "5006: Error: '/request_id': FLUX.2 has no batch capability"),
        (b'{"inputs":{"prompt":"x"},"options":{"queueRequest":true}}', "5006: Error: '/queueRequest': FLUX.2 has no"),
        (b'{"inputs":{"prompt":"x","input_image_0":[1,2]}}', "5004: Invalid data type for base64 input: object"),
        (
            b'{"inputs":{"multipart":{"body":{},"contentType":"multipart/form-data"}},"options":{}}',
            "5006: Error: '/multipart' arrived without its form: a workerd older than 2025-11-25",
        ),
    ],
)
def test_inputs_out_of_line(server: LiveServer, body: bytes, told: str) -> None:
    response = server.http.post("/run?version=3", content=body, headers=HEADERS)
    status, words = thrown(response)
    assert (status, words[: len(told)]) == (400, told)
    message = response.json()["message"]
    assert message.startswith("AiError: Bad input: Error: " if told.startswith("5006") else "AiError: Invalid data")
    assert message.endswith(f" ({response.headers['cf-ai-req-id']})")


@pytest.mark.parametrize("given", ["nonsense", "[1]", "{", ""])
def test_user_inputs_that_are_no_object(server: LiveServer, given: str) -> None:
    response = server.http.post(f"/run?userInputs={quote(given)}", content=form(("prompt", "x")), headers=HEADERS)
    assert "'/userInputs'" in thrown(response)[1]


@pytest.mark.parametrize("headers", [{}, {"cf-consn-model-id": "pre:"}])
def test_no_model_named(server: LiveServer, headers: dict[str, str]) -> None:
    response = server.http.post("/run", json={"inputs": {"prompt": "x"}}, headers=headers)
    assert thrown(response) == (400, "3003: Request is missing headers or body: cf-consn-model-id")


def test_a_stranger(server: LiveServer) -> None:
    with serving(token="hush") as live:
        body = {"inputs": {"prompt": "x"}, "options": {}}
        response = live.http.post("/run", json=body, headers=HEADERS)
        assert thrown(response) == (400, "9106: Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        assert "cf-ai-req-id" not in response.headers
        assert refusal(live.http.get("/ai-api/models/search"))[:2] == (400, 9106)
        bound(live.http.post("/run", json=body, headers={**HEADERS, "authorization": "Bearer hush"}))


@pytest.mark.parametrize("where", ["query", "options"])
def test_rather_refused_than_queued(where: str) -> None:
    engine = PaintingEngine()
    with serving(engine) as live:
        body = {"inputs": {"prompt": "x"}, "options": {"rejectIfBusy": True} if where == "options" else {}}
        path = "/run?version=3" + ("&rejectIfBusy=true" if where == "query" else "")
        bound(live.http.post(path, json=body, headers=HEADERS))
        engine.running = 1  # as if another request were under way
        told = thrown(live.http.post(path, json=body, headers=HEADERS))
        assert told == (429, "3040: Capacity temporarily exceeded, please try again.")
        bound(live.http.post("/run?rejectIfBusy=false", json={"inputs": {"prompt": "x"}}, headers=HEADERS))


def test_models_are_listed_in_the_envelope_that_the_binding_unpacks(server: LiveServer) -> None:
    found = server.http.get("/ai-api/models/search?search=9b&per_page=5").json()
    assert [model["name"] for model in found["result"]] == [MODEL]


def test_nothing_is_turned_into_markdown(server: LiveServer) -> None:
    assert server.http.get("/to-everything/markdown/supported").json()["result"] == []
    body = {"files": [{"name": "a.pdf", "mimeType": "application/pdf", "data": ""}], "options": {}}
    told = problem(server.http.post("/to-everything/markdown/transformer", json=body))
    assert told == (400, 5007, "AiError: No such model toMarkdown or task")
