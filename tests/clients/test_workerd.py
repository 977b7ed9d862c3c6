"""The genuine `cloudflare-internal:ai-api` module in a bare workerd: every way to call `env.AI`."""

import json
import urllib.request
import uuid

import nodejs
import pytest
from answers import MODEL, picture


@pytest.fixture(scope="module")
def worker(server, npm, tmp_path_factory):
    """Ask the Worker to try one way: `worker("form")`."""
    binary = nodejs.run([nodejs.NODE, "-p", "require('workerd').default"], npm, {}).stdout.strip()
    address = server.url.removeprefix("http://")
    command = [binary, "serve", "config.capnp", "--socket-addr=http=127.0.0.1:0", "--control-fd=1"]
    command.append(f"--external-addr=alpenglow={address}")
    log = tmp_path_factory.mktemp("workerd") / "log"
    with nodejs.running(command, npm / "workerd", {}, log, r'"socket":"http","port":(\d+)') as port:

        def ask(name: str) -> dict:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=60) as answer:
                return json.load(answer)

        yield ask


@pytest.mark.parametrize("name", ["form", "stream", "chunked", "edit", "edit-stream", "json"])
def test_a_picture(worker, name):
    outcome = worker(name)
    assert "error" not in outcome
    assert list(outcome["result"]) == ["image"]
    assert picture(outcome["result"]["image"]).size == (256, 256)
    assert outcome["status"] == 200
    assert str(uuid.UUID(outcome["lastRequestId"])) == outcome["lastRequestId"]


def test_inputs_beside_the_form_count(worker):
    """They travel in the query. The form has no height here, and an option is given as well."""
    assert picture(worker("beside")["result"]["image"]).size == (256, 320)


def test_a_proxied_model_answers_in_its_own_shape(worker):
    """The name without `@cf/` is another model at Cloudflare, and answers with where the picture is."""
    result = worker("proxied")["result"]
    assert result["state"] == "Completed"
    kind, _, data = result["result"]["image"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert picture(data).size == (256, 256)


def test_the_raw_response(worker):
    result = worker("raw")["result"]
    assert (result["status"], result["type"]) == (200, "application/json")
    assert picture(result["image"]).size == (256, 256)


def test_models(worker):
    models = {model["name"]: model for model in worker("models")["result"]}
    assert models[MODEL]["task"]["name"] == "Text-to-Image"


def test_no_file_is_turned_into_markdown(worker):
    assert worker("markdown")["result"] == []
    assert worker("convert")["error"]["message"].startswith("AiError: No such model toMarkdown or task")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("small", 5006, "5006: Error: '/width' must be >= 256"),
        ("promptless", 5006, "5006: Error: required properties at '/' are 'prompt'"),
        ("unknown", 5007, "5007: No such model @cf/nobody/nothing or task"),
        ("garbage", 3010, "3010: "),
        ("batch", 5006, "5006: Error: '/queueRequest': FLUX.2 has no batch capability"),
        ("numbers", 5004, "5004: Invalid data type for base64 input: object"),
    ],
)
def test_an_error_arrives_as_an_object(worker, name, code, message):
    outcome = worker(name)
    assert outcome["error"]["name"] == "AiError"
    assert outcome["error"]["message"].startswith(message)
    assert (outcome["status"], outcome["code"]) == (400, code)
    assert uuid.UUID(outcome["lastRequestId"])
