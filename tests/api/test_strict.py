"""`strict`: what Cloudflare refuses is refused here too, so that a test that passes here passes there."""

from collections.abc import Iterator

import pytest
from liveserver import MODEL, RUN, LiveServer, form, png, problem, serving

ANY = RUN.removesuffix(f"/{MODEL}")
REQUIRED = "required properties at '/' are 'multipart'"
BINDING = {"cf-consn-model-id": MODEL}
BARE = {"content-type": "multipart/form-data"}
NAMED = {"content-type": "multipart/form-data; boundary=b0undary"}


@pytest.fixture(scope="module")
def strict() -> Iterator[LiveServer]:
    with serving(strict=True) as live:
        yield live


@pytest.mark.parametrize("body", [{"prompt": "x"}, {}, {"prompt": "x", "options": {}}])
def test_json_is_no_form(strict: LiveServer, body: dict[str, object]) -> None:
    told = (400, 5006, f"AiError: Bad input: Error: {REQUIRED}")
    assert problem(strict.http.post(RUN, json=body)) == told
    assert problem(strict.http.post(ANY, json={"model": MODEL, "input": body})) == told
    assert problem(strict.http.post(RUN)) == told
    thrown = strict.http.post("/run", json={"inputs": body, "options": {}}, headers=BINDING).json()
    assert (thrown["internalCode"], thrown["description"]) == (5006, f"Error: {REQUIRED}")


def test_forms_are_taken_on_both_faces(strict: LiveServer) -> None:
    body = form(("prompt", "x"), ("steps", "25"), ("input_image_0", png(512, 512)))
    assert strict.http.post(RUN, content=body, headers=NAMED).status_code == 200
    path = "/run?version=3&userInputs=%7B%22seed%22%3A7%7D"
    assert strict.http.post(path, content=body, headers=BINDING | NAMED).status_code == 200


@pytest.mark.parametrize("headers", [BARE, {}], ids=["as the changelog first had it", "no header"])
def test_a_form_whose_header_names_no_boundary_is_none(strict: LiveServer, headers: dict[str, str]) -> None:
    """Cloudflare's parser wants it; the sentence says what to do about it."""
    body = form(("prompt", "x"))
    status, code, message = problem(strict.http.post(RUN, content=body, headers=headers))
    assert (status, code) == (400, 5006)
    assert message.startswith(f"AiError: Bad input: Error: {REQUIRED}: the Content-Type header names no boundary")
    told = problem(strict.http.post(RUN, content=body, headers={"content-type": f"{BARE['content-type']}; boundary=b"}))
    assert told[2].endswith("the form does not begin with the boundary that the Content-Type header names")
    thrown = strict.http.post("/run?version=3&userInputs=%7B%7D", content=body, headers=BINDING | headers)
    assert (thrown.status_code, thrown.json()["internalCode"]) == (400, 5006)
    assert "give FormData to a Response" in thrown.json()["description"]


def test_an_edit_of_openais_knows_no_such_limit(strict: LiveServer) -> None:
    """Its references are scaled down: Cloudflare has no such route, and OpenAI's takes larger pictures."""
    answer = strict.http.post("/v1/images/edits", data={"prompt": "x"}, files={"image": png(600, 300)})
    assert answer.status_code == 200
    assert strict.engine.requests[-1].references[0].shape == (256, 512, 3)


def test_the_second_catalogue_takes_json(strict: LiveServer) -> None:
    name = MODEL.removeprefix("@cf/")
    assert strict.http.post(ANY, json={"model": name, "input": {"prompt": "x"}}).status_code == 200


def test_large_inputs_are_refused_not_scaled(strict: LiveServer) -> None:
    body = form(("prompt", "x"), ("input_image_0", png()), ("input_image_1", png(513, 300)))
    told = (400, 5006, "AiError: Bad input: Error: '/input_image_1' must be <= 512x512, and is 513x300")
    assert problem(strict.http.post(RUN, content=body, headers=NAMED)) == told


def test_the_schema_is_cloudflares(strict: LiveServer) -> None:
    answer = strict.http.get(f"/client/v4/accounts/a/ai/models/schema?model={MODEL}").json()
    assert answer["result"]["input"]["required"] == ["multipart"]
