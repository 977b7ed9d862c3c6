"""Every command of the documentation is run: here as it stands but for host and size, or by the test that is named.

A fence marked `bash` is run here, command by command, each page in a folder of its own. One marked `sh` needs npm, make
or a shell of one's own; each of its commands is in a table with the test that runs it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest

from alpenglow.cli.background import Server, _free_port, serving

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ADDRESS = "http://127.0.0.1:8770"

ELSEWHERE = {
    "make demo": "examples/demo.py",
    "make test": "Makefile",
    "make serve": "Makefile",
    "npm install --save-dev alpenglow-workers": "tests/clients/nodejs.py",
    "npx alpenglow-workers init": "tests/clients/test_workers_package.py",
    "npx wrangler dev --env local": "tests/clients/test_wrangler.py",
    "npx vitest run": "tests/clients/test_miniflare.py",
    "npx wrangler ai models": "tests/clients/test_wrangler.py",
    "alpenglow serve --host 0.0.0.0 --ledger postgresql://alpenglow@db.internal/alpenglow": "tests/ledger/postgres.py",
    "alpenglow --install-completion": "tests/cli/test_terminal.py",
    "ALPENGLOW_MODELS_DIR=~/models alpenglow serve --model klein-4b": "tests/weights/test_hub.py",
}
"""A command that is not run here -> what runs it, or is run by it."""

SMALLER = (
    (r"\b(width|height)=\d+", r"\1=256"),
    (r"--(width|height) \d+", r"--\1 256"),
    (r'(alpenglow generate (?!.*--width)"[^"]*")', r"\1 --width 256 --height 256"),
)
"""Pictures of the least size: what is tested is the command."""


def commands(page: Path, language: str) -> list[str]:
    """The commands of a page's fences, continued lines joined, comments gone."""
    found = re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = "".join(found).replace("\\\n", " ").splitlines()
    return [bare for line in lines if (bare := re.sub(r"\s+#.*|^#.*", "", line).strip())]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(["--log-level", "warning"]) as server:
        yield server


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page, "bash")], ids=lambda page: page.stem)
def test_the_commands_of_a_page_work(page: Path, server: Server, tmp_path: Path) -> None:
    for name in ("style.png", "subject.png"):
        for folder in (tmp_path, tmp_path / "examples"):
            folder.mkdir(exist_ok=True)
            shutil.copy(ROOT / "examples" / name, folder)
    (tmp_path / "bin").mkdir()
    for name, module in (("alpenglow", "-m alpenglow.cli.main"), ("python", "")):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
        program.chmod(0o755)
    env = os.environ | {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "ALPENGLOW_MODELS_DIR": str(tmp_path / "models"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH")))),
    }
    for command in commands(page, "bash"):
        if command in ELSEWHERE:
            continue
        small = command.replace(ADDRESS, server.url)
        for pattern, smaller in SMALLER:
            small = re.sub(pattern, smaller, small)
        run = serve if re.search(r"\balpenglow serve\b", command) else finish
        run(small, env, tmp_path)


def finish(command: str, env: dict[str, str], folder: Path) -> None:
    """It ends well; an answer of the API is one with a picture."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    if command.startswith("curl") and "/ai/" in command and "--output" not in command:
        assert '"image":' in done.stdout, done.stdout[:500]
    for name in re.findall(r"(?:-o|--output) (\S+)", command):
        assert (folder / name).stat().st_size > 1000


def serve(command: str, env: dict[str, str], folder: Path) -> None:
    """It answers, on a port of its own, and ends when it is told to."""
    port = _free_port()
    with subprocess.Popen(
        ["bash", "-c", f"exec env {command} --port {port}"],
        env=env,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + 90
            while not answers(port):
                assert process.poll() is None, command
                assert time.monotonic() < deadline, command
                time.sleep(0.1)
        finally:
            process.terminate()
            process.wait(30)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except (URLError, ConnectionError, TimeoutError):
        return False


def test_every_other_command_is_run_by_a_test_that_is_named() -> None:
    told = {command for page in PAGES for command in commands(page, "sh")}
    exports = {command for command in told if command.startswith("export ")}
    assert told - exports <= ELSEWHERE.keys()
    for name in re.findall(r"\b([A-Z_]+)=", " ".join(exports)):
        assert f'"{name}": ' in (ROOT / "tests/clients/test_wrangler.py").read_text("utf-8")
    for command, where in ELSEWHERE.items():
        assert (ROOT / where).is_file(), (command, where)


def test_every_fence_is_of_a_kind_that_is_looked_at() -> None:
    kinds = {kind for page in PAGES for kind in re.findall(r"^```(\w*)$", page.read_text("utf-8"), re.MULTILINE)}
    assert kinds <= {"bash", "sh", "js", "python", "toml", ""}


@pytest.mark.timeout(120)
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Links, pictures and all."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "POST /client/v4/accounts/{account}/ai/run/{model}" in (tmp_path / "site/api/index.html").read_text("utf-8")
