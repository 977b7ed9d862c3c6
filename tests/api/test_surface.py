"""All that SDKs, wrangler and "connect" buttons ask beside a picture."""

import base64
from io import BytesIO
from pathlib import Path

import pytest
from liveserver import CARDS, MODEL, LiveServer, form, png, problem, refusal, serving
from PIL import Image

from alpenglow.ledger.ledger import Ledger

ACCOUNT = "/client/v4/accounts/0123456789abcdef0123456789abcdef"
ANY = f"{ACCOUNT}/ai/run"
SECOND_CATALOGUE = MODEL.removeprefix("@cf/")


def get(server: LiveServer, path: str) -> object:
    response = server.http.get(path)
    assert response.status_code == 200, response.text
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert (body["success"], body["errors"]) == (True, [])
    return body["result"]


def test_the_model_in_the_body(server: LiveServer) -> None:
    reference = base64.b64encode(png()).decode()
    inner = {"prompt": "x", "width": 512, "height": 256, "num_steps": 4, "input_image_0": reference}
    body = server.http.post(ANY, json={"model": MODEL, "input": inner}).json()
    assert list(body) == ["result", "success", "errors", "messages"]
    assert Image.open(BytesIO(base64.b64decode(body["result"]["image"]))).size == (512, 256)
    assert len(server.engine.requests[-1].references) == 1


def test_a_model_of_the_second_catalogue_answers_with_a_state_and_a_uri(server: LiveServer) -> None:
    response = server.http.post(ANY, json={"model": SECOND_CATALOGUE, "input": {"prompt": "x", "width": 1000}})
    body = response.json()
    assert (body["state"], body["success"], body["errors"]) == ("Completed", True, [])
    assert "width 1000 was rounded down" in body["messages"][0]["message"]
    kind, _, data = body["result"]["image"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(BytesIO(base64.b64decode(data))).size == (992, 768)
    assert response.headers["x-alpenglow-seed"] == str(server.engine.requests[-1].seed)


def test_and_fails_with_a_state(server: LiveServer) -> None:
    response = server.http.post(ANY, json={"model": SECOND_CATALOGUE, "input": {"prompt": "x", "width": 1}})
    body = response.json()
    assert (response.status_code, body["state"], body["model"]) == (400, "Failed", SECOND_CATALOGUE)
    assert body["error"] == {"code": 5006, "message": "Error: '/width' must be >= 256"}
    assert (body["success"], body["errors"][0]["code"]) == (False, 5006)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": {"prompt": "x"}}, "required properties at '/' are 'model'"),
        ({"model": 5, "input": {"prompt": "x"}}, "Type mismatch of '/model', 'string' not in 'number'"),
        ({"model": MODEL}, "required properties at '/' are 'prompt'"),
        ({"model": MODEL, "input": "x"}, "Type mismatch of '/input', 'object' not in 'string'"),
    ],
)
def test_bodies_out_of_line(server: LiveServer, body: dict[str, object], words: str) -> None:
    told = problem(server.http.post(ANY, json=body))
    assert told == (400, 5006, f"AiError: Bad input: Error: {words}")


def test_a_form_to_the_route_without_a_model_is_told_where_to_go(server: LiveServer) -> None:
    told = problem(server.http.post(ANY, content=form(("model", MODEL), ("prompt", "x"))))
    assert told[:2] == (400, 5006)
    assert told[2].endswith("a form goes to .../ai/run/MODEL")


def test_an_unknown_model_in_the_body(server: LiveServer) -> None:
    told = problem(server.http.post(ANY, json={"model": "@cf/no/such", "input": {"prompt": "x"}}))
    assert told == (400, 5007, "AiError: No such model @cf/no/such or task")


@pytest.mark.parametrize("name", [MODEL, SECOND_CATALOGUE, "klein-9b", "%40cf%2Fblack-forest-labs%2Fflux-2-klein-9b"])
def test_the_schema_is_what_a_page_builds_a_form_of(server: LiveServer, name: str) -> None:
    schema = get(server, f"{ACCOUNT}/ai/models/schema?model={name}")
    assert set(schema) == {"input", "output"}
    fields = schema["input"]["properties"]
    assert schema["input"]["required"] == ["prompt"]
    assert {"type", "minimum", "maximum", "default"} <= set(fields["width"])
    assert (fields["height"]["minimum"], fields["height"]["maximum"], fields["height"]["default"]) == (256, 1920, 768)
    assert fields["input_image_3"]["format"] == "binary"
    assert fields["output_format"]["enum"] == ["jpeg", "png", "webp"]
    assert all(isinstance(field["type"], str) for field in fields.values())
    assert schema["output"]["properties"]["image"]["type"] == "string"


def test_no_schema_of_an_unknown_model(server: LiveServer) -> None:
    told = refusal(server.http.get(f"{ACCOUNT}/ai/models/schema?model=@cf/no/such"))
    assert told == (400, 5007, "No such model @cf/no/such or task")
    assert refusal(server.http.get(f"{ACCOUNT}/ai/models/schema"))[:2] == (400, 5006)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("tasks/search", ["Text-to-Image"]),
        ("tasks/search?search=image", ["Text-to-Image"]),
        ("tasks/search?search=speech", []),
        ("tasks/search?page=2", []),
        ("authors/search", ["black-forest-labs"]),
        ("authors/search?search=meta", []),
        ("authors/search?page=2", []),
    ],
)
def test_tasks_and_authors(server: LiveServer, path: str, names: list[str]) -> None:
    assert [entry["name"] for entry in get(server, f"{ACCOUNT}/ai/{path}")] == names


@pytest.mark.parametrize("path", ["finetunes", "finetunes/public", "tomarkdown/supported"])
def test_what_there_is_none_of(server: LiveServer, path: str) -> None:
    assert get(server, f"{ACCOUNT}/ai/{path}") == []


def test_no_file_is_turned_into_markdown(server: LiveServer) -> None:
    told = problem(server.http.post(f"{ACCOUNT}/ai/tomarkdown", files={"files": ("a.html", b"<p>x</p>", "text/html")}))
    assert told == (400, 5007, "AiError: No such model toMarkdown or task")


BATCH = "FLUX.2 has no batch capability; send each picture as a request of its own, without queueRequest"


@pytest.mark.parametrize(
    ("query", "body", "name"),
    [
        ("?queueRequest=true", {"requests": [{"prompt": "x"}]}, "queueRequest"),
        ("?queueRequest=true", {"request_id": "768f15b7"}, "queueRequest"),
        ("", {"requests": [{"prompt": "x"}]}, "requests"),
        ("", {"request_id": "768f15b7"}, "request_id"),
        ("", {"prompt": "x", "queueRequest": True}, "queueRequest"),
    ],
)
def test_there_is_no_batch(server: LiveServer, query: str, body: dict[str, object], name: str) -> None:
    """The picture comes at once or not at all: whoever would poll for it is told."""
    told = (400, 5006, f"AiError: Bad input: Error: '/{name}': {BATCH}")
    assert problem(server.http.post(f"{ANY}/{MODEL}{query}", json=body)) == told


@pytest.mark.parametrize("given", ["false", "undefined", ""])
def test_a_batch_that_is_not_asked_for(server: LiveServer, given: str) -> None:
    answer = server.http.post(f"{ANY}/{MODEL}?queueRequest={given}", json={"prompt": "x", "lora": None})
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [form(("prompt", "x"), ("lora", "mine")), b'{"prompt": "x", "lora": "mine"}'])
def test_there_are_no_fine_tunes(server: LiveServer, body: bytes) -> None:
    told = (405, 5005, f"AiError: The model {MODEL} does not support LoRa inference")
    assert problem(server.http.post(f"{ANY}/{MODEL}", content=body)) == told


@pytest.mark.parametrize("kind", ["object", "number", "boolean"])
def test_an_image_is_bytes_or_text(server: LiveServer, kind: str) -> None:
    image = {"object": [1, 2], "number": 5, "boolean": True}[kind]
    told = (400, 5004, f"AiError: Invalid data type for base64 input: {kind}")
    assert problem(server.http.post(f"{ANY}/{MODEL}", json={"prompt": "x", "input_image_0": image})) == told


@pytest.mark.parametrize("path", ["/client/v4/user/tokens/verify", f"{ACCOUNT}/tokens/verify"])
def test_a_token_is_verified(path: str) -> None:
    with serving(token="hush") as live:
        body = live.http.get(path, headers={"authorization": "Bearer hush"}).json()
        assert body["result"]["status"] == "active"
        assert len(body["result"]["id"]) == 32
        assert body["messages"] == [{"code": 10000, "message": "This API Token is valid and active"}]
        assert refusal(live.http.get(path, headers={"authorization": "Bearer no"})) == (
            401,
            10000,
            "Authentication error",
        )
        assert refusal(live.http.get(path))[:2] == (400, 9106)


def test_who_am_i(server: LiveServer) -> None:
    (account,) = get(server, "/client/v4/accounts")
    int(account["id"], 16)
    assert len(account["id"]) == 32
    (membership,) = get(server, "/client/v4/memberships")
    assert (membership["account"], membership["status"]) == (account, "accepted")
    assert "@" in get(server, "/client/v4/user")["email"]
    assert get(server, f"/client/v4/accounts/{account['id']}") == account
    assert get(server, "/client/v4/accounts?page=2") == []


def test_who_am_i_by_the_ledger(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ids = [ledger.access.create_account(name).id for name in ("one", "two")]
        ledger.access.create_account("another")
        token, secret = ledger.access.create_token("t", ["one", "two"], email="a@example.org")
        with serving(ledger=ledger) as live:
            live.http.headers["authorization"] = f"Bearer {secret}"
            assert [account["id"] for account in get(live, "/client/v4/accounts")] == ids
            assert [entry["account"]["id"] for entry in get(live, "/client/v4/memberships")] == ids
            assert get(live, "/client/v4/user") == {"id": token.id, "email": "a@example.org", "suspended": False}
            assert get(live, f"/client/v4/accounts/{ids[1]}/tokens/verify") == {"id": token.id, "status": "active"}
            assert refusal(live.http.get(f"{ACCOUNT}/tokens/verify"))[:2] == (403, 10000)


def test_paging_over_all_models_ends(server: LiveServer) -> None:
    names, page = [], 0
    while found := get(server, f"{ACCOUNT}/ai/models/search?per_page=2&page={(page := page + 1)}"):
        names += [model["name"] for model in found]
    assert names == [card.api_name for card in CARDS]


def test_openapi_tells_of_every_route_and_loads_nothing_from_elsewhere(server: LiveServer) -> None:
    document = server.http.get("/openapi.json").json()
    run = document["paths"]["/client/v4/accounts/{account}/ai/run/{model}"]["post"]
    schema = run["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema == get(server, f"{ACCOUNT}/ai/models/schema?model={MODEL}")["input"]
    assert {"/run", "/client/v4/user", "/healthz"} <= set(document["paths"])
    page = server.http.get("/docs").text
    assert all(path in page for path in document["paths"])
    assert "rounded down to a multiple of 16" in page
    assert "://" not in page


@pytest.mark.parametrize("path", ["/client/v4", "/client/v4/zones", f"{ACCOUNT}/ai", f"{ACCOUNT}/ai/walk"])
def test_no_such_route(server: LiveServer, path: str) -> None:
    assert refusal(server.http.get(path)) == (400, 7000, "No route for that URI")


def test_reject_if_busy_over_rest() -> None:
    with serving() as live:
        live.engine.running = 1
        run = f"{ANY}/{MODEL}"
        asked = {"prompt": "x", "options": {"rejectIfBusy": True}}
        told = (429, 3040, "AiError: AiError: Capacity temporarily exceeded, please try again.")
        assert problem(live.http.post(run, json=asked)) == told
        assert problem(live.http.post(f"{run}?rejectIfBusy=true", content=form(("prompt", "x")))) == told
        assert live.http.post(run, content=form(("prompt", "x"))).status_code == 200
