"""For everyone: axe-core, the keyboard alone, a phone, weight, first paint, nothing from elsewhere."""

from collections.abc import Callable
from pathlib import Path

import httpx
import nodejs
import pytest
from livedemo import serving
from playwright.sync_api import Page, expect
from studio import Studio

from alpenglow.engine.engine import Engine

PAGES = ["/", "/models", "/models/klein-9b", "/usage", "/docs"]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
MAX_BYTES = 150_000
MAX_PAINT_MS = 500
PAINT = """new Promise((resolve) => new PerformanceObserver((list) => {
  const [paint] = list.getEntriesByName("first-contentful-paint");
  if (paint) resolve(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""


@pytest.fixture(scope="session")
def axe() -> str:
    nodejs.install()
    return (nodejs.MODULES / "axe-core" / "axe.min.js").read_text("utf-8")


def violations(page: Page, axe: str) -> list[str]:
    page.evaluate(f"() => {{ {axe} }}")
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


@pytest.mark.timeout(400)  # the first may have to install npm packages
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_on_any_page(
    site: str, open_studio: Callable[..., Studio], axe: str, path: str, scheme: str
) -> None:
    studio = open_studio(site, path, color_scheme=scheme)
    assert violations(studio.page, axe) == []


@pytest.mark.timeout(400)
def test_axe_finds_nothing_in_any_state(studio: Studio, page: Page, axe: str, pictures: tuple[Path, Path]) -> None:
    studio.drop("#references", *pictures)
    page.click("#generate")
    expect(page.locator("#problem")).to_be_visible()
    assert violations(page, axe) == []
    studio.ask("a dog", "1024 × 1024")
    page.click("#generate")
    expect(page.locator("#cancel")).to_be_visible()
    assert violations(page, axe) == []
    page.click("#cancel")
    studio.generate("a dog")
    page.get_by_role("button", name="Compare with image 0").click()
    assert violations(page, axe) == []
    page.get_by_role("button", name="View code").last.click()
    assert violations(page, axe) == []


@pytest.mark.timeout(400)
def test_axe_finds_nothing_where_a_token_is_asked_for(
    engine: Engine, open_studio: Callable[..., Studio], axe: str
) -> None:
    with serving(engine, token="cfut_local") as url:
        studio = open_studio(url)
        assert violations(studio.page, axe) == []
        studio.page.context.close()


def focused(page: Page) -> str:
    return page.evaluate(
        "(({ ariaLabel, innerText, id }) => (ariaLabel || innerText || id).trim())(document.activeElement)"
    )


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_the_keyboard_alone_makes_a_picture_and_copies_its_code(studio: Studio, page: Page) -> None:
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    page.keyboard.press("Enter")
    tab_to(page, "prompt")
    page.keyboard.type("a dog")
    while page.evaluate("document.activeElement.name") != "preset":
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#width") == "256"  # from 1024 x 768 on, and around
    page.keyboard.press("Control+Enter")
    studio.finished()
    assert "256 × 256" in studio.facts
    tab_to(page, "View code")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="The same request")).to_be_visible()
    while page.evaluate("document.activeElement.role") != "tab":
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#code-text")).to_contain_text("from cloudflare import Cloudflare")
    tab_to(page, "Copy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    tab_to(page, "Show: a dog")


def test_escape_cancels(studio: Studio, page: Page) -> None:
    studio.ask("a slow picture", "1024 × 1024")
    page.click("#generate")
    expect(page.locator("#cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#said")).to_contain_text("Cancelled")
    expect(page.locator("#generate")).to_be_focused()


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_every_page_without_scrolling_sideways(
    site: str, open_studio: Callable[..., Studio], path: str
) -> None:
    page = open_studio(site, path, **PHONE).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_phone_makes_a_picture(site: str, open_studio: Callable[..., Studio], pictures: tuple[Path, Path]) -> None:
    studio = open_studio(site, **PHONE)
    studio.drop("#references", *pictures)
    studio.ask("a dog", None)
    studio.page.get_by_text("256 × 256").tap()
    studio.page.get_by_role("button", name="Generate").tap()
    studio.finished()
    box = studio.page.locator(".after").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert studio.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_light_and_soon_painted(site: str, open_studio: Callable[..., Studio], path: str) -> None:
    """All that it loads together, uncompressed; of some paints the soonest, as others use the machine."""
    studio = open_studio(site, "/docs" if path != "/docs" else "/models")
    loaded: set[str] = set()
    studio.page.on("request", lambda request: request.resource_type == "fetch" or loaded.add(request.url))
    paints: list[float] = []
    while len(paints) < 10 and (not paints or min(paints) > MAX_PAINT_MS):
        studio.go(path)
        paints.append(studio.page.evaluate(PAINT))
    weight = sum(len(httpx.get(url).content) for url in loaded)
    print(f"{path}: {weight:,} bytes, first paint {min(paints):.0f} ms")
    assert 1000 < weight <= MAX_BYTES
    assert min(paints) <= MAX_PAINT_MS


def test_everything_comes_from_the_server_itself(site: str, open_studio: Callable[..., Studio]) -> None:
    """Whatever a page asked for is checked after every test; here that the browser would refuse anything else, too."""
    studio = open_studio(site)
    policy = studio.page.request.get(site).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert len(studio.requests) > 10
    assert studio.page.evaluate("fetch('http://127.0.0.2:1/').catch((error) => error.message)") == "Failed to fetch"
    assert [fault for fault in studio.faults if "Content Security Policy" in fault]
    studio.faults.clear()
    studio.requests.pop()
