"""The code that the playground shows, run as it stands: every language makes the very picture that the page made."""

import base64
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nodejs
import pytest
from playwright.sync_api import expect
from studio import Studio

NASTY = """it's "a" red\\house; $HOME `x` 100% – größe, <b>@once</b>"""
WEIGHTED = "(a red house:1.2),\nby a lake"
"""What shells, forms and string literals trip over, curl and newlines in the second."""

ACCOUNT = "a19e091000000000000000000000cafe"
LANGUAGES = ["curl", "Worker", "Python", "JavaScript", "OpenAI"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pictures: tuple[Path, Path]) -> Path:
    """Where the snippets run: the pictures lie there under the names that the page gives them."""
    folder = tmp_path_factory.mktemp("snippets")
    for path in pictures:
        shutil.copy(path, folder / path.name.replace(" ", "-"))
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, site: str) -> Callable[[str, str, list[str]], bytes]:
    """`run("curl", code, pictures)`: the bytes of the picture that the code makes."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "ALPENGLOW_URL": site}

    def curl(code: str, _: list[str]) -> bytes:
        answer = nodejs.run(["sh", "-c", code], folder, env).json
        return base64.b64decode(answer["result"]["image"])

    def script(name: str, *program: object) -> Callable[[str, list[str]], bytes]:
        def run_it(code: str, _: list[str]) -> bytes:
            (folder / name).write_text(code, "utf-8")
            done = nodejs.run([*program, name], folder, env)
            assert done.returncode == 0, done.output
            return (folder / "picture.jpg").read_bytes()

        return run_it

    def worker(code: str, pictures: list[str]) -> bytes:
        nodejs.install()
        (folder / "worker.js").write_text(code, "utf-8")
        sent = [folder / picture for picture in pictures]
        command = [nodejs.NODE, nodejs.FOLDER / "snippet.mjs", folder / "worker.js", *sent]
        answer = nodejs.run(command, nodejs.FOLDER, env).json
        assert (answer["status"], answer["type"]) == (200, "image/jpeg")
        return base64.b64decode(answer["image"])

    programs = {
        "curl": curl,
        "Worker": worker,
        "Python": script("cf.py", sys.executable),
        "JavaScript": script("picture.mjs", nodejs.NODE),
        "OpenAI": script("oa.py", sys.executable),
    }

    def run_one(language: str, code: str, pictures: list[str]) -> bytes:
        (folder / "picture.jpg").unlink(missing_ok=True)
        return programs[language](code, pictures)

    return run_one


@pytest.mark.timeout(400)  # the first may have to install npm packages
@pytest.mark.parametrize("edit", [False, True], ids=["from words", "with two pictures"])
def test_the_code_makes_the_same_picture(
    studio: Studio, pictures: tuple[Path, Path], run: Callable[[str, str, list[str]], bytes], edit: bool
) -> None:
    page = studio.page
    page.locator("#guidance").fill("1.5")
    if edit:
        studio.drop("#references", *pictures)
    studio.generate(WEIGHTED if edit else NASTY)
    made = studio.kept()[0]["image"]
    page.locator("#actions").get_by_role("button", name="View code").click()
    for language in LANGUAGES:
        page.get_by_role("tab", name=language).click()
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        code = page.evaluate("navigator.clipboard.readText()")
        assert code == page.inner_text("#code-text")
        expect(page.get_by_role("button", name="Copy", exact=True)).to_be_visible()
        assert run(language, code, ["style.png", "my-subject.jpg"] if edit else []) == made, language


def test_the_code_of_the_form_is_what_would_be_sent(studio: Studio) -> None:
    """Before a picture is there: without a seed, since none is kept."""
    studio.ask("a dog")
    studio.page.locator("#ask").get_by_role("button", name="View code").click()
    lines = studio.page.inner_text("#code-text").split(" \\\n  ")
    assert lines == [
        "curl --request POST",
        f"--url '{studio.url}/client/v4/accounts/{ACCOUNT}/ai/run/@cf/black-forest-labs/flux-2-klein-9b'",
        "--header 'Authorization: Bearer anything'",
        "--header 'Content-Type: multipart/form-data'",
        "--form 'prompt=a dog'",
        "--form 'width=256'",
        "--form 'height=256'",
    ]
