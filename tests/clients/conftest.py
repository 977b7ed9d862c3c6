"""One `alpenglow serve` on the demo checkpoint and one folder of npm packages for all clients."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import nodejs
import pytest
from answers import TOKEN
from PIL import Image

from alpenglow.cli.background import Server, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test may have to install npm packages; with that none takes longer."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real thing, demanding a token, with no weights but the demo's."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # of the child alone: other tests run while the server does
            patch.setenv("ALPENGLOW_MODELS_DIR", str(tmp_path_factory.mktemp("models")))
            patch.setenv("ALPENGLOW_TOKEN", TOKEN)
            server = stack.enter_context(serving(["--log-level", "warning"]))
        yield server


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder whose `node_modules` holds every client."""
    nodejs.install()
    return nodejs.FOLDER


@pytest.fixture
def env(server: Server, tmp_path: Path) -> dict[str, str]:
    """The environment of a client: no login, no telemetry, our server and its token, and nothing of this machine's."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "PATH": os.pathsep.join([str(nodejs.NODE.parent), str(nodejs.MODULES / ".bin"), os.environ["PATH"]]),
        "HOME": str(home),
        "CI": "1",
        "NO_COLOR": "1",
        "WRANGLER_SEND_METRICS": "false",
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        "ALPENGLOW_URL": server.url,
        "ALPENGLOW_TOKEN": TOKEN,
    }


@pytest.fixture
def script(npm: Path, env: dict[str, str]) -> Callable[..., nodejs.Done]:
    """`script("a.mjs", "argument")`: run a script of the folder `node`."""
    return lambda name, *arguments: nodejs.run([nodejs.NODE, npm / name, *arguments], npm, env)


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two small pictures to edit: an orange PNG and a blue JPEG."""
    folder = tmp_path_factory.mktemp("references")
    style, subject = folder / "style.png", folder / "subject.jpg"
    Image.new("RGB", (320, 240), "orange").save(style)
    Image.new("RGB", (240, 320), "navy").save(subject)
    return style, subject
