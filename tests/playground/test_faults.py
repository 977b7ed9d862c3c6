"""What the playground says when something goes wrong, and how it comes by a token."""

from collections.abc import Callable
from pathlib import Path

from livedemo import serving
from PIL import Image
from playwright.sync_api import Route, expect
from studio import Studio

from alpenglow.engine.engine import Engine


def test_an_empty_prompt(studio: Studio) -> None:
    studio.page.click("#generate")
    expect(studio.page.locator("#problem")).to_contain_text("The prompt is empty.")
    expect(studio.page.locator("#prompt")).to_be_focused()


def test_generating_before_the_models_are_known(studio: Studio) -> None:
    """The press is not lost: it is done once the page knows what to ask."""
    page, held = studio.page, []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/ai/models/search**", hold, times=1)
    page.goto(studio.url, wait_until="domcontentloaded")
    page.fill("#prompt", "a dog")
    page.click("#generate")
    expect(page.locator("#generate")).to_be_visible()
    page.wait_for_timeout(300)
    assert len(held) == 1
    assert not any("/ai/stream/" in address for address in studio.requests)
    held[0].continue_()
    studio.finished()
    assert [one["prompt"] for one in studio.kept()] == ["a dog"]


def test_a_refusal_is_said_in_words_with_the_servers_own_below(studio: Studio) -> None:
    studio.ask("a dog", None)
    studio.page.fill("#width", "20")
    expect(studio.page.locator("#size-hint")).to_have_text("Each side from 256 to 1920")
    studio.page.click("#generate")
    problem = studio.page.locator("#problem")
    expect(problem).to_contain_text("Width must be at least 256.")
    expect(problem).to_contain_text("'/width' must be >= 256")


def test_a_file_that_is_no_picture(studio: Studio, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    studio.page.set_input_files("#file", bad)
    studio.ask("a dog")
    studio.page.click("#generate")
    expect(studio.page.locator("#problem")).to_contain_text("One of the references is not a picture that can be read.")


def test_a_reference_that_was_changed_after_it_was_added(studio: Studio, tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.png"
    Image.new("RGB", (64, 64), "navy").save(drawing)
    studio.page.set_input_files("#file", drawing)
    expect(studio.page.locator(".slots .name")).to_have_count(1)
    drawing.unlink()
    studio.ask("a dog")
    studio.page.click("#generate")
    expect(studio.page.locator("#problem")).to_contain_text("A reference has changed on the disk.")
    studio.page.get_by_role("button", name="Remove image 0").click()
    studio.generate("a dog")


def test_a_draft_outlives_a_server_that_is_away(studio: Studio) -> None:
    page = studio.page
    studio.generate("a dog", size="512 × 512", seed=42)
    page.route("**/client/v4/accounts?*", lambda route: route.abort())
    page.reload()
    expect(page.locator("#problem")).to_contain_text("The server cannot be reached.")
    page.fill("#prompt", "a cat")
    page.unroute("**/client/v4/accounts?*")
    page.get_by_role("button", name="Show: a dog").click()
    page.get_by_role("button", name="Re-run").click()
    expect(page.locator("#thumbs button")).to_have_count(2)
    assert "512 × 512" in studio.facts
    assert [one["seed"] for one in studio.kept()] == ["42", "42"]


def test_a_server_that_is_gone(engine: Engine, open_studio: Callable[..., Studio]) -> None:
    with serving(engine) as url:
        studio = open_studio(url)
        studio.ask("a dog")
    studio.page.click("#generate")
    expect(studio.page.locator("#problem")).to_contain_text("The server cannot be reached.")


def test_a_request_that_takes_too_long(engine: Engine, open_studio: Callable[..., Studio]) -> None:
    with serving(engine, request_timeout_seconds=0.05) as url:
        studio = open_studio(url)
        studio.ask("a dog", "1024 × 1024")
        studio.page.click("#generate")
        expect(studio.page.locator("#problem")).to_contain_text("It took too long.")
        studio.page.context.close()


def test_a_token_is_asked_for_checked_and_kept(engine: Engine, open_studio: Callable[..., Studio]) -> None:
    with serving(engine, token="cfut_local") as url:
        studio = open_studio(url)
        dialog = studio.page.get_by_role("dialog", name="This server asks for a token")
        expect(dialog).to_be_visible()
        studio.page.fill("#token", "another")
        studio.page.get_by_role("button", name="Keep it").click()
        expect(dialog).to_contain_text("The token is not accepted here.")
        studio.page.fill("#token", "cfut…local")  # which no header carries
        studio.page.get_by_role("button", name="Keep it").click()
        expect(dialog).to_be_visible()
        expect(dialog).to_contain_text("The token is not accepted here.")
        studio.page.fill("#token", "cfut_local")
        studio.page.get_by_role("button", name="Keep it").click()
        expect(dialog).to_be_hidden()
        studio.go()
        studio.generate("a dog")
        studio.page.get_by_role("button", name="View code").first.click()
        code = studio.page.inner_text("#code-text")
        assert "$ALPENGLOW_TOKEN" in code
        assert "cfut_local" not in code
        studio.page.context.close()
