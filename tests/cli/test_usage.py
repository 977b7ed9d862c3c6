"""Help that teaches, and faults told in a sentence: 2 for a wrong usage, 1 for what could not be done."""

import subprocess
import sys
import time

import pytest

from alpenglow import __version__


def test_version(alpenglow):
    assert alpenglow("--version") == (0, f"alpenglow {__version__}\n", "")


@pytest.mark.parametrize(
    ("command", "teaches"),
    [
        ((), "alpenglow serve"),
        (("serve",), "--form 'prompt=a sunset at the alps'"),
        (("serve",), "ALPENGLOW_TOKEN"),
        (("generate",), 'alpenglow generate "a sunset at the alps" -o sunset.jpg'),
        (("generate",), "take the subject of image 1 and style it like image 0"),
        (("models",), "alpenglow serve --model klein-4b"),
    ],
)
def test_help_shows_commands_to_type(alpenglow, command, teaches):
    code, out, _ = alpenglow(*command, "--help")
    assert code == 0
    assert teaches in out


def test_help_is_there_at_once():
    """Half a second on an idle machine; the bound here leaves room for a busy one. Importing torch alone takes more."""
    command = [sys.executable, "-m", "alpenglow.cli.main", "generate", "--help"]
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 1.5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate"], "Missing argument"),
        (["generate", "a dog", "--width", "255"], "256"),
        (["generate", "a dog", "--height", "1921"], "1920"),
        (["generate", "a dog", "--width", "abc"], "valid int"),
        (["generate", "a dog", "-o", "dog.gif"], "must end in .jpg, .jpeg, .png, .webp"),
        (["generate", " "], "the prompt is empty"),
        (["generate", "a dog", "-o", "nowhere/dog.jpg"], "there is no folder nowhere"),
        (["generate", "a dog", "-i", "absent.png"], "does not exist"),
        (["paint"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2(alpenglow, arguments, says):
    code, out, err = alpenglow(*arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_a_picture_that_cannot_be_written_is_not_drawn(alpenglow, tmp_path):
    (tmp_path / "folder.png").mkdir()
    code, _, err = alpenglow("generate", "a dog", "-o", "folder.png")
    assert code == 2
    assert "folder.png cannot be written" in err


def test_a_fifth_image_is_a_wrong_usage(alpenglow, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    code, _, err = alpenglow("generate", "a dog", *["-i", "a.png"] * 5)
    assert code == 2
    assert "at most 4 images" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["generate", "a dog", "-i", "text.png"], "text.png: this is not an image that can be read"),
        (["generate", "a dog", "-i", "empty.png"], "empty.png: the image is empty"),
        (["generate", "a dog", "--model", "dev"], "There are no weights for dev in "),
        (["generate", "a dog", "--model", "nope"], "There is no model nope: choose one of demo, klein-4b"),
        (["serve", "--model", "klein-9b"], "put the files of https://huggingface.co/black-forest-labs/FLUX.2-klein-9B"),
        (["serve", "--host", "0.0.0.0"], "ALPENGLOW_TOKEN"),
        (["serve", "--port", "70000"], "ALPENGLOW_PORT"),
        (["models", "--config", "absent.toml"], "absent.toml is not a file"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_1(alpenglow, tmp_path, arguments, sentence):
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    code, out, err = alpenglow(*arguments)
    assert (code, out) == (1, "")
    assert sentence in err
    assert "Traceback" not in err
    assert err.count("\n") == 1
