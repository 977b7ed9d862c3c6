"""The playground in Chromium on the demo checkpoint: make, edit, cancel, keep, vary, download, and what is said."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from livedemo import serving, until
from PIL import Image
from playwright.sync_api import Page, expect
from studio import Studio

from alpenglow.engine.engine import Engine


def test_generate_shows_each_step_and_what_the_picture_cost(studio: Studio, page: Page) -> None:
    studio.generate("a red house")
    seen = page.evaluate("seen")
    assert len(seen["previews"]) == 3
    assert len(set(seen["previews"])) == 3
    assert [text for text in seen["said"] if text.startswith("Step")] == [f"Step {step} of 4" for step in (1, 2, 3, 4)]
    time, neurons, dollars, size, seed, weights = studio.facts
    assert re.fullmatch(r"[\d.]+ s", time)
    assert (neurons, dollars, size) == ("85.2 neurons", "$0.00094", "256 × 256")
    assert seed == f"seed {studio.kept()[0]['seed']}"
    assert weights == "demo weights"
    assert page.locator(".after").get_attribute("alt") == "a red house"


def test_which_weights_answer_is_always_said(studio: Studio, page: Page) -> None:
    expect(page.locator("#weights")).to_have_text("demo weights")
    expect(page.locator("#model-hint")).to_contain_text("Answered by the demo checkpoint")
    page.select_option("#model", "@cf/alpenglow/demo")
    expect(page.locator("#model-hint")).to_contain_text("trained from scratch")
    for path in ("/models", "/models/klein-9b", "/usage", "/docs"):
        studio.go(path)
        expect(page.locator("#weights")).to_have_text("demo weights")


def test_edit_two_dropped_files_and_compare(studio: Studio, page: Page, pictures: tuple[Path, Path]) -> None:
    studio.drop("#references", *pictures)
    assert studio.names == ["image 0", "image 1"]
    page.fill("#prompt", "take the subject of")
    page.get_by_role("button", name="Insert image 1 into the prompt").click()
    page.keyboard.type(" and style it like")
    page.get_by_role("button", name="Insert image 0 into the prompt").click()
    assert page.input_value("#prompt") == "take the subject of image 1 and style it like image 0"
    studio.generate(page.input_value("#prompt"), seed=7)
    page.get_by_role("button", name="Compare with image 1").click()
    expect(page.locator(".before")).to_have_attribute("alt", "Image 1: my-subject.jpg")
    slider = page.get_by_role("slider", name="How much of image 1 is seen")
    expect(slider).to_be_focused()
    before = page.locator(".before").evaluate("element => getComputedStyle(element).clipPath")
    for _ in range(9):
        page.keyboard.press("ArrowLeft")
    assert page.locator(".before").evaluate("element => getComputedStyle(element).clipPath") != before
    page.get_by_role("button", name="Compare with image 1").click()
    expect(page.locator(".before")).to_have_count(0)
    edited = studio.kept()[0]["image"]
    page.get_by_role("button", name="Remove image 1").click()
    page.get_by_role("button", name="Remove image 0").click()
    studio.generate("take the subject of image 1 and style it like image 0", seed=7)
    assert studio.kept()[1]["image"] != edited


def test_references_come_by_paste_file_and_result_and_four_are_all(
    studio: Studio, page: Page, pictures: tuple[Path, Path]
) -> None:
    studio.generate("a dog")
    studio.paste(pictures[0])
    page.set_input_files("#file", pictures[1])
    page.get_by_role("button", name="Use as reference").click()
    assert studio.names == ["image 0", "image 1", "image 2"]
    studio.drop("#references", *pictures)
    assert studio.names == ["image 0", "image 1", "image 2", "image 3"]
    expect(page.get_by_role("button", name="Add a reference picture")).to_have_count(0)
    alts = page.locator(".slot img").evaluate_all("all => all.map((one) => one.alt)")
    assert alts[1:] == ["Reference 1: my-subject.jpg", f"Reference 2: alpenglow-{studio.kept()[0]['seed']}.jpg",
                        "Reference 3: style-2.png"]  # fmt: skip
    studio.drop("#slots [data-at='1']", pictures[0])
    assert page.locator(".slot img").nth(1).get_attribute("alt") == "Reference 1: style-3.png"
    page.get_by_role("button", name="Remove image 0").click()
    assert studio.names == ["image 0", "image 1", "image 2"]


def test_cancel_stops_the_work(studio: Studio, page: Page, engine: Engine) -> None:
    studio.ask("a slow picture", "1024 × 1024")
    page.click("#generate")
    expect(page.locator("#said")).to_contain_text("Step", timeout=60_000)
    page.click("#cancel")
    expect(page.locator("#said")).to_have_text("Cancelled: nothing was made, and nothing is billed.")
    expect(page.locator("#generate")).to_be_visible()
    until(lambda: engine.status().running == 0)
    assert studio.kept() == []


def test_a_double_click_asks_once_and_cancels_nothing(studio: Studio, page: Page) -> None:
    studio.ask("a slow picture", "1024 × 1024")
    page.dblclick("#generate")
    studio.finished()
    assert len(studio.kept()) == 1


def test_who_goes_on_writing_loses_no_letter_and_cancels_nothing(studio: Studio, page: Page) -> None:
    studio.ask("a slow", "1024 × 1024")
    page.press("#prompt", "Control+Enter")
    page.keyboard.type(" picture ")
    studio.finished()
    assert [one["prompt"] for one in studio.kept()] == ["a slow"]
    assert page.input_value("#prompt") == "a slow picture "


def test_who_waits_sees_the_place_in_the_queue(site: str, open_studio: Callable[..., Studio]) -> None:
    first, second = open_studio(site), open_studio(site)
    first.ask("a slow picture", "1024 × 1024")
    first.page.click("#generate")
    expect(first.page.locator("#said")).to_contain_text("Step", timeout=60_000)
    second.generate("a quick one")
    assert "Waiting: one picture is before yours" in second.page.evaluate("seen.said")
    first.finished()


def test_history_survives_a_reload_and_can_be_run_again_and_varied(studio: Studio, page: Page) -> None:
    studio.generate("a red house")
    first = studio.kept()[0]
    facts = studio.facts
    page.reload()
    studio.go()
    page.get_by_role("button", name="Show: a red house").click()
    assert studio.facts == facts
    page.get_by_role("button", name="Re-run").click()
    expect(page.locator("#thumbs li")).to_have_count(2, timeout=60_000)
    page.get_by_role("button", name="Vary").click()
    expect(page.locator("#thumbs li")).to_have_count(3, timeout=60_000)
    again, other = studio.kept()[1:]
    assert again["image"] == first["image"]
    assert other["seed"] != first["seed"]
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("#thumbs li")).to_have_count(2)


def test_a_seed_is_drawn_kept_and_reused(studio: Studio, page: Page) -> None:
    studio.generate("a dog")
    seed = studio.kept()[0]["seed"]
    assert page.input_value("#seed") == str(seed)  # for whoever likes it and presses Keep now
    page.locator("#drawn").get_by_text("Keep", exact=True).click()
    studio.generate("a cat")
    assert studio.kept()[1]["seed"] == seed
    page.get_by_text("Random", exact=True).click()
    studio.generate("a cat")
    assert studio.kept()[2]["seed"] != seed
    page.focus("#seed")  # on the way to the button
    studio.generate("a cat")
    assert studio.kept()[3]["seed"] != studio.kept()[2]["seed"]
    page.get_by_role("button", name="Reuse seed").click()
    expect(page.get_by_label("Keep", exact=True)).to_be_checked()


def test_a_seed_above_what_javascript_counts_stays_to_the_digit(studio: Studio) -> None:
    studio.generate("a dog", seed=2**63 - 1)
    assert "seed 9223372036854775807" in studio.facts


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_download(studio: Studio, page: Page, kind: str) -> None:
    studio.generate("a dog", seed=7)
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {kind}").click()
    assert download.value.suggested_filename == f"alpenglow-7.{ {'JPEG': 'jpg'}.get(kind, kind.lower()) }"
    data = Path(download.value.path()).read_bytes()
    picture = Image.open(BytesIO(data))
    assert (picture.format, picture.size) == (kind.upper(), (256, 256))
    if kind == "JPEG":
        assert data == studio.kept()[0]["image"]


def test_sizes_that_are_no_multiple_of_16_show_what_they_make(studio: Studio, page: Page) -> None:
    studio.ask("a dog", None)
    page.fill("#width", "300")
    page.fill("#height", "256")
    expect(page.locator("#size-hint")).to_have_text("Makes 288 × 256: sides are multiples of 16")
    page.click("#generate")
    studio.finished()
    assert "288 × 256" in studio.facts
    assert "width 300 was rounded down to 288, a multiple of 16" in studio.facts


def test_the_form_is_drawn_from_the_schema_and_kept_over_a_reload(studio: Studio, page: Page) -> None:
    page.fill("#prompt", "a fox")
    page.locator("#guidance").fill("3")
    page.get_by_text("More", exact=True).click()
    page.select_option("#output_format", "png")
    expect(page.get_by_label("Rather be refused than wait.")).not_to_be_checked()
    page.locator("#drawn").get_by_text("512 × 512").click()
    for _ in range(2):  # what is shown again is kept again
        studio.go()
        assert page.input_value("#prompt") == "a fox"
        values = [page.input_value(f"#{name}") for name in ("width", "height", "guidance", "output_format")]
        assert values == ["512", "512", "3", "png"]


def test_escape_closes_the_code_and_leaves_the_picture_under_way(studio: Studio, page: Page) -> None:
    studio.ask("a dog", "1024 × 1024")
    page.click("#generate")
    page.get_by_role("button", name="View code").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="The same request")).to_be_hidden()
    studio.finished()


def test_a_picture_that_the_browser_has_no_room_for_is_shown_and_listed(studio: Studio, page: Page) -> None:
    full = "throw new DOMException('full', 'QuotaExceededError')"
    page.evaluate(f"() => {{ IDBObjectStore.prototype.add = () => {{ {full} }} }}")
    studio.generate("a dog")
    studio.generate("a cat")
    expect(page.locator("#thumbs button")).to_have_count(2)
    page.get_by_role("button", name="Show: a dog").click()
    expect(page.locator("#caption .words")).to_have_text("a dog")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("#thumbs button")).to_have_count(1)
    assert studio.kept() == []


def test_a_browser_that_keeps_nothing_works_for_as_long_as_the_page_lasts(
    site: str, open_studio: Callable[..., Studio]
) -> None:
    studio = open_studio(site)
    studio.page.add_init_script(
        """const refuse = { get() { throw new DOMException("blocked", "SecurityError"); } };
        Object.defineProperty(window, "localStorage", refuse);
        Object.defineProperty(IDBFactory.prototype, "open", refuse);"""
    )
    studio.go()
    studio.generate("a dog")
    expect(studio.page.locator("#thumbs button")).to_have_count(1)
    studio.page.get_by_role("button", name=re.compile("Change to")).click()


def test_words_with_a_picture_of_them_are_pasted_as_words(studio: Studio, page: Page) -> None:
    page.focus("#prompt")
    pasted = """() => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(8)], "cells.png", { type: "image/png" }));
      data.setData("text/plain", "a dog");
      data.setData("text/html", "<b>a dog</b>");
      const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
      return document.querySelector("#prompt").dispatchEvent(event);
    }"""
    assert page.evaluate(pasted), "the browser was kept from pasting the words"
    assert studio.names == []


def test_what_is_left_out_of_the_references_is_said(
    studio: Studio, page: Page, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    (note := tmp_path / "note.txt").write_text("no picture")
    studio.drop("#references", *pictures, pictures[0], pictures[1], pictures[0], note)
    assert len(studio.names) == 4
    expect(page.locator("#said")).to_have_text("Left out: 2. Up to 4 pictures can be looked at.")


def test_in_strict_mode_the_form_has_the_same_fields(engine: Engine, open_studio: Callable[..., Studio]) -> None:
    with serving(engine, strict=True) as url:
        studio = open_studio(url)
        assert studio.page.locator("#drawn [name=guidance]").count() == 1
        studio.generate("a dog")
        studio.page.context.close()


def test_the_theme_follows_the_system_until_it_is_chosen(site: str, open_studio: Callable[..., Studio]) -> None:
    studio = open_studio(site, color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = studio.page.evaluate(colour)
    studio.page.get_by_role("button", name="Change to light").click()
    light = studio.page.evaluate(colour)
    assert dark != light
    studio.go("/models")
    assert studio.page.evaluate(colour) == light
