"""A server in a child process, for as long as a `with` block lasts: for the demo, the benches and the tests."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.error import HTTPError, URLError

from alpenglow.errors import EngineClosed

POLL_SECONDS = 0.05
STOP_SECONDS = 20


@dataclass(frozen=True)
class Server:
    """A server that answers at `url` (no slash at the end) and was ready `ready_seconds` after its start."""

    url: str
    pid: int
    ready_seconds: float


@contextmanager
def serving(options: Sequence[str] = (), ready_within: float = 120.0) -> Iterator[Server]:
    """Run `alpenglow serve` with `options` on a free loopback port until the block ends, whatever ends it.

    Raises EngineClosed if the server ends, its engine fails, or `ready_within` seconds do not make it ready. Its output
    goes to our stderr.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "alpenglow.cli.main", "serve", "--port", str(port), *options]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)  # noqa: S603 - our own program, arguments as a list
    try:
        while not _ready(url):
            if process.poll() is not None:
                raise EngineClosed(f"The server ended with exit code {process.returncode} before it was ready.")
            if time.perf_counter() - began > ready_within:
                raise EngineClosed(f"The server was not ready within {ready_within:.0f} seconds.")
            time.sleep(POLL_SECONDS)
        yield Server(url, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(url: str) -> bool:
    """An answer of 200. Not listening yet and 503 both mean: not yet. Raises EngineClosed if it never will be."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5):  # noqa: S310 - always http on loopback
            return True
    except HTTPError as error:
        with error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                return False
            raise EngineClosed(f"The server will not be ready: {json.load(error)['errors'][0]['message']}") from None
    except (URLError, ConnectionError, TimeoutError):
        return False
