"""Debian's Chromium, a server on the demo checkpoint, and what a page showed and asked for while a test used it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))  # `nodejs`: the npm packages that clients share

from livedemo import demo_engine, serving
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from studio import Studio

from alpenglow.engine.engine import Engine

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

WATCH = """
window.seen = { previews: [], said: [] };
addEventListener("DOMContentLoaded", () => {
  const note = () => {
    const said = document.getElementById("said")?.textContent, preview = document.querySelector(".soft")?.src;
    if (said && seen.said.at(-1) !== said) seen.said.push(said);
    if (preview && seen.previews.at(-1) !== preview) seen.previews.push(preview);
  };
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
});
"""
"""Previews come and go within a second: the page itself writes down what it showed."""


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with demo_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def site(engine: Engine) -> Iterator[str]:
    """A server with default settings, for all tests that leave it as it is."""
    with serving(engine) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each file: as long as Playwright is there it keeps an event loop running in the thread of all tests."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip("No Chromium was found: install it with `apt-get install chromium`.")
    expect.set_options(timeout=30_000)  # patience costs nothing where all is well, and a busy machine needs it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_studio(browser: Browser) -> Iterator[Callable[..., Studio]]:
    """`open_studio(url, path, **context)`: a page in a browser of its own. What it logs as an error fails the test."""
    contexts: list[BrowserContext] = []
    studios: list[Studio] = []

    def open_(url: str, path: str = "/", **options: object) -> Studio:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
        context.add_init_script(WATCH)
        context.set_default_timeout(60_000)
        studio = Studio(context.new_page(), url)
        studios.append(studio)
        studio.go(path)
        return studio

    yield open_
    for context in contexts:
        context.close()
    for studio in studios:
        assert studio.faults == []
        assert all(address.startswith((studio.url, "data:", "blob:")) for address in studio.requests)


@pytest.fixture
def studio(site: str, open_studio: Callable[..., Studio]) -> Studio:
    """The playground, ready, on the common server."""
    return open_studio(site)


@pytest.fixture
def page(studio: Studio) -> Page:
    return studio.page


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two small pictures to edit."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    style, subject = folder / "style.png", folder / "my subject.jpg"
    Image.new("RGB", (320, 240), "orange").save(style)
    Image.new("RGB", (240, 320), "navy").save(subject)
    return style, subject
