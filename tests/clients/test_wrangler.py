"""Unmodified wrangler: `dev` with the npm package and the example Worker, `ai models`, `whoami`, `getPlatformProxy`."""

import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import httpx
import nodejs
import pytest
from answers import ACCOUNT, MODEL, TOKEN, picture

EXAMPLE = Path(__file__).parents[2] / "examples" / "worker"


@pytest.fixture
def dev(npm, env, tmp_path):
    """The example Worker, from a copy, under `wrangler dev --env local`: gives its URL and wrangler's log."""

    @contextmanager
    def run(**more):
        project = tmp_path / "worker"
        shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("node_modules", ".wrangler"))
        command = [nodejs.NODE, npm / "node_modules/wrangler/bin/wrangler.js", "dev", "--env", "local", "--port", "0"]
        log = tmp_path / "wrangler.log"
        with nodejs.running(command, project, env | more, log, r"Ready on (http://\S+)", seconds=120) as url:
            yield url, log

    return run


def test_the_example_worker_makes_and_edits_pictures(dev, references):
    asked = {"prompt": "a sunset with a dog", "width": 256, "height": 256}
    with dev() as (url, log), httpx.Client(base_url=url, timeout=60) as worker:
        made = worker.get("/", params=asked)
        assert picture(made.content).size == (256, 256)
        with references[0].open("rb") as style, references[1].open("rb") as subject:
            edited = worker.post("/", data={"width": 320, "height": 256}, files=[("image", style), ("image", subject)])
        assert picture(edited.content).size == (320, 256)
        refused = worker.get("/", params=asked | {"width": 20})
        assert refused.status_code == 400
        assert refused.json() == {"error": "AiError: 5006: Error: '/width' must be >= 256"}
    assert re.search(r"env\.AI.*alpenglow", log.read_text())
    assert "nothing answers" not in log.read_text()


def test_a_silent_server_is_told_at_start(dev):
    with dev(ALPENGLOW_URL="http://127.0.0.1:9") as (url, log):
        answer = httpx.get(url, timeout=60)
        assert (answer.status_code, answer.json()["error"]) == (502, "Error: Network connection lost.")
    assert "nothing answers at http://127.0.0.1:9" in log.read_text()


@pytest.fixture
def wrangler(server, npm, env, tmp_path):
    """`wrangler("ai", "models", "list")` against our REST face instead of Cloudflare's."""
    env |= {
        "CLOUDFLARE_API_BASE_URL": f"{server.url}/client/v4",
        "CLOUDFLARE_API_TOKEN": TOKEN,
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
    }
    path = npm / "node_modules/wrangler/bin/wrangler.js"
    return lambda *arguments: nodejs.run([nodejs.NODE, path, *arguments], tmp_path, env, seconds=120)


def test_ai_models_list(wrangler):
    names = [model["name"] for model in wrangler("ai", "models", "list", "--json", "--task", "Text-to-Image").json]
    assert MODEL in names


def test_ai_models_schema(wrangler):
    schema = wrangler("ai", "models", "schema", MODEL).json
    assert "prompt" in schema["input"]["properties"]
    assert "image" in schema["output"]["properties"]


def test_whoami(wrangler):
    done = wrangler("whoami")
    assert done.returncode == 0, done.output
    assert "You are logged in" in done.output
    assert re.search(r"[0-9a-f]{32}", done.output)


def test_get_platform_proxy(script):
    outcome = script("platform-proxy.mjs").json
    assert {name: picture(image).size for name, image in outcome["images"].items()} == {
        "json": (256, 256),
        "form": (256, 256),
        "stream": (256, 256),
    }
    assert outcome["error"] == "5006: Error: '/width' must be >= 256"
    assert outcome["models"] == [MODEL]
