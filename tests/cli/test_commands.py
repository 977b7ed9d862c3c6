"""The commands on the demo checkpoint: a picture in a file, the list of models, a server that comes and goes."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from alpenglow.cli.background import serving
from alpenglow.cli.serve import check_free
from alpenglow.errors import EngineClosed, SettingsError
from alpenglow.weights import hub


@pytest.mark.parametrize(("name", "image_format"), [("a.jpg", "JPEG"), ("a.PNG", "PNG"), ("a.webp", "WEBP")])
def test_generate_writes_a_picture_of_the_format_of_its_name(alpenglow, tmp_path, name, image_format):
    code, out, _ = alpenglow("generate", "a dog", "-o", name, "--width", 300, "--height", 256, "--seed", 7)
    assert code == 0
    assert re.fullmatch(rf"{name}  288x256  seed 7  \d+\.\d\d s  by demo\n", out)
    with Image.open(tmp_path / name) as picture:
        assert (picture.size, picture.format) == ((288, 256), image_format)


def test_one_seed_gives_one_picture_and_none_a_new_one(alpenglow, tmp_path):
    def picture(*options):
        assert alpenglow("generate", "a dog", "-o", "a.png", "--width", 256, "--height", 256, *options)[0] == 0
        return (tmp_path / "a.png").read_bytes()

    assert picture("--seed", 7) == picture("--seed", 7)
    assert picture() != picture()


def test_references_change_the_picture(alpenglow, tmp_path):
    def picture(*options):
        size = ["--width", 256, "--height", 256, "--seed", 7]
        assert alpenglow("generate", "a dog", "-o", "a.png", *size, *options)[0] == 0
        return np.asarray(Image.open(tmp_path / "a.png"))

    Image.new("RGB", (600, 300), "orange").save(tmp_path / "orange.png")
    assert (picture() != picture("-i", "orange.png")).any()


def test_models_says_whose_weights_answer(alpenglow):
    code, out, _ = alpenglow("models")
    assert code == 0
    assert re.search(r"^ ?klein-9b +demo +@cf/black-forest-labs/flux-2-klein-9b +", out, re.MULTILINE)


def test_models_for_programs(alpenglow):
    _, out, _ = alpenglow("models", "--json")
    cards = {card["row"]: card for card in json.loads(out)}
    assert cards["klein-4b"]["answered_by"] == "demo"
    assert cards["demo"]["api_name"] == "@cf/alpenglow/demo"
    assert "dev" not in cards, "the demo does not stand in for models of another number of steps"


def test_a_server_comes_answers_and_goes(monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "2")  # as some hosts of servers set it
    with serving(["--log-level", "warning"]) as server:
        with urllib.request.urlopen(f"{server.url}/client/v4/accounts/local/ai/models/search") as answer:
            names = [model["name"] for model in json.load(answer)["result"]]
        assert "@cf/black-forest-labs/flux-2-klein-9b" in names
    port = int(server.url.rsplit(":", 1)[1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_that_cannot_start_is_noticed():
    with pytest.raises(EngineClosed, match="ended with exit code 1"), serving(["--model", "klein-9b"]):
        pass


def test_a_port_that_is_taken_is_refused_before_anything_is_loaded(alpenglow, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = alpenglow("serve", "--port", port, "--model", "klein-9b")
        assert (code, err.strip()) == (1, f"Something listens on 127.0.0.1:{port} already: choose another --port.")
        check_free("::", 0)
    for host in ("127.0.0.1", "localhost", ""):
        check_free(host, port)

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SettingsError, match=r"There is no host nowhere\.invalid here"):
        check_free("nowhere.invalid", port)


def test_what_the_processor_cannot_is_said_before_a_server_listens(alpenglow, monkeypatch):
    monkeypatch.setenv("ALPENGLOW_OFFLOAD", "blocks")
    code, out, said = alpenglow("serve", "--port", "0", "--device", "cpu")
    assert code == 1
    assert "Nothing can be offloaded from a CPU" in out + said
    assert "Traceback" not in said


def test_a_device_that_is_not_here_is_refused_before_a_server_listens(alpenglow):
    code, out, said = alpenglow("serve", "--port", "0", "--device", "cuda:99")
    assert code == 1
    assert "There is no device cuda:99 here: choose one of auto, cpu" in out + said
    assert "Traceback" not in said


def test_the_server_says_at_start_who_stands_in_and_ends_on_a_signal():
    command = [sys.executable, "-m", "alpenglow.cli.main", "serve", "--port", "0"]
    said = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            while "Uvicorn running" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            process.send_signal(signal.SIGTERM)
            said += process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert re.search(r"@cf/black-forest-labs/flux-2-klein-9b +demo checkpoint, standing in", said)
    assert "Any token is accepted" in said
    assert "Application shutdown complete" in said
    assert "Traceback" not in said


def test_an_engine_that_fails_to_load_is_noticed_at_once(monkeypatch, tmp_path):
    """The server listens by then, and would answer 500 for ever: it is not waited for in vain."""
    torn = shutil.copytree(hub.BUNDLED / "demo", tmp_path / "demo") / "vae" / "diffusion_pytorch_model.safetensors"
    torn.write_bytes(torn.read_bytes()[:-1000])
    monkeypatch.setenv("ALPENGLOW_MODELS_DIR", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(EngineClosed, match="will not be ready: The engine stopped"), serving():
        pass
    assert time.monotonic() - began < 60


def test_the_doctor_says_what_fits(alpenglow):
    code, out, _ = alpenglow("doctor", "--json", "--model", "demo", "--device", "cpu", "--width", 256, "--height", 256)
    found = json.loads(out)
    assert code == 0
    assert "exact" in {one["precision"] for one in found["predictions"]}
    assert all(one["model"] == "demo" and one["gigabytes"] < 1 for one in found["predictions"])
    code, out, _ = alpenglow("doctor", "--model", "demo", "--device", "cpu")
    assert "--precision auto is" in out


def test_pictures_of_every_precision_that_the_doctor_lists(alpenglow, tmp_path):
    options = ["--width", 256, "--height", 256, "--seed", 7]
    _, out, _ = alpenglow("doctor", "--json", "--model", "demo", "--device", "cpu")
    pictures = {}
    for precision in {one["precision"] for one in json.loads(out)["predictions"]}:
        assert alpenglow("generate", "a dog", "-o", f"{precision}.png", *options, "--precision", precision)[0] == 0
        pictures[precision] = np.asarray(Image.open(tmp_path / f"{precision}.png"), int)
    assert all(np.abs(pictures["exact"] - picture).mean() < 2 for picture in pictures.values())


def test_a_precision_that_is_none_is_refused(alpenglow):
    code, _, told = alpenglow("generate", "a dog", "--precision", "fp4")
    assert code == 1
    assert "ALPENGLOW_PRECISION" in told
