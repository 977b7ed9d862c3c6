# ruff: noqa: INP001 - a script, not a package
"""Makes docs/screenshots: the pages as they are, with pictures of the demo checkpoint, in Debian's Chromium.

    python examples/screenshots.py

Seeds are fixed: the same checkpoint gives the same pictures.
"""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from alpenglow.cli.background import serving

ROOT = Path(__file__).resolve().parents[1]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, PHONE = {"width": 1440, "height": 940}, {"width": 390, "height": 844}
QUALITY = 88
PHONE_GAP = 48

PAST = (
    ("a snowman", 3),
    ("a butterfly", 2),
    ("a rocket", 5),
    ("a cat", 1),
    ("mountains at night", 4),
    ("a house", 7),
    ("a fox on a blue background", 2),
    ("a sunset at the alps", 1),
)
"""Prompts and seeds of the pictures that the history shows, all at 256 x 256; the last one is on the stage."""

EDIT = "take the subject of image 1 and style it like image 0"


def main() -> None:
    """Start a server, use it, and write the pictures of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots", help="folder to write to")
    parser.add_argument("--url", help="a server that runs already, instead of one that this program starts")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if program is None:
        parser.error("No Chromium was found: install it with apt-get install chromium.")
    with sync_playwright() as playwright, running(args.url) as url:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = studio(browser, url, scheme)
            save(page, args.out / f"playground-{scheme}.webp")
            if scheme == "light":
                first_sight(browser, url, args.out)
                code(page, args.out)
                edit(page, args.out)
        page = studio(browser, url, "light", PAST[-4:], PHONE, mobile=True)
        phone(page, args.out)
        for path, name in (("/models", "models"), ("/models/klein-9b", "model"), ("/docs", "api")):
            page = opened(browser, url, "light", WIDE)
            page.goto(url + path, wait_until="networkidle")
            save(page, args.out / f"{name}.webp")
        browser.close()


@contextmanager
def running(url: str | None) -> Iterator[str]:
    """The address of a server for as long as the block lasts."""
    if url:
        yield url
        return
    with serving(["--log-level", "warning"]) as server:
        yield server.url


def opened(browser: Browser, url: str, scheme: str, viewport: dict[str, int], *, mobile: bool = False) -> Page:
    """A page in a browser of its own."""
    context = browser.new_context(
        viewport=viewport, color_scheme=scheme, device_scale_factor=2 if mobile else 1.5, is_mobile=mobile
    )
    context.set_default_timeout(180_000)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    return page


def studio(
    browser: Browser,
    url: str,
    scheme: str,
    past: tuple[tuple[str, int], ...] = PAST,
    viewport: dict[str, int] = WIDE,
    *,
    mobile: bool = False,
) -> Page:
    """The playground with these pictures made."""
    page = opened(browser, url, scheme, viewport, mobile=mobile)
    page.locator("#drawn").get_by_text("256 × 256").click()
    for prompt, seed in past:
        make(page, prompt, seed)
    return page


def make(page: Page, prompt: str, seed: int) -> None:
    """One picture, waited for."""
    page.fill("#prompt", prompt)
    page.locator("#drawn").get_by_text("Keep", exact=True).click()
    page.fill("#seed", str(seed))
    page.click("#generate")
    page.wait_for_selector("#actions:not([hidden])")
    page.wait_for_selector("#generate:not([hidden])")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.wait_for_timeout(400)


def first_sight(browser: Browser, url: str, out: Path) -> None:
    """The playground before anything is made."""
    page = opened(browser, url, "light", WIDE)
    page.wait_for_timeout(400)
    save(page, out / "playground-empty.webp")


def code(page: Page, out: Path) -> None:
    """The dialog with the code of the last picture."""
    page.locator("#actions").get_by_role("button", name="View code").click()
    save(page, out / "playground-code.webp")
    page.keyboard.press("Escape")


def edit(page: Page, out: Path) -> None:
    """Two references, a picture from them, and the slider between."""
    page.set_input_files("#file", [ROOT / "examples" / "style.png", ROOT / "examples" / "subject.png"])
    make(page, EDIT, 1)
    page.get_by_role("button", name="Compare with image 1").click()
    page.evaluate("document.activeElement.blur()")
    save(page, out / "playground-edit.webp")


def phone(page: Page, out: Path) -> None:
    """Two screens of a phone side by side: what is asked, and what came of it."""
    screens = []
    for place in ("scrollTo(0, 0)", "document.getElementById('stage').scrollIntoView()"):
        page.evaluate(place)
        page.wait_for_timeout(300)
        screens.append(Image.open(BytesIO(page.screenshot())))
    width, height = screens[0].size
    both = Image.new("RGB", (2 * width + PHONE_GAP, height), "white")
    for at, screen in enumerate(screens):
        both.paste(screen, (at * (width + PHONE_GAP), 0))
    write(both, out / "playground-phone.webp")


def save(page: Page, path: Path) -> None:
    """What the page shows."""
    write(Image.open(BytesIO(page.screenshot())), path)


def write(picture: Image.Image, path: Path) -> None:
    """A file of some ten kilobytes."""
    picture.convert("RGB").save(path, quality=QUALITY, method=6)
    print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path, path.stat().st_size)  # noqa: T201


if __name__ == "__main__":
    main()
