"""Model pages, the price calculator and the usage chart, in Chromium, by a server with real books."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from livedemo import serving
from playwright.sync_api import expect
from studio import Studio

from alpenglow.engine.engine import Engine
from alpenglow.ledger.ledger import Ledger

RUN = "/client/v4/accounts/team/ai/run/@cf/black-forest-labs/flux-2-klein-9b"


def test_the_models_and_who_answers_for_them(site: str, open_studio: Callable[..., Studio]) -> None:
    page = open_studio(site, "/models").page
    row = page.get_by_role("row").filter(has_text="flux-2-klein-9b").first
    expect(row).to_contain_text("demo stands in")
    expect(row).to_contain_text("FLUX Non-Commercial License")
    page.get_by_role("link", name="FLUX.2 [klein] 9B", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("FLUX.2 [klein] 9B")


@pytest.mark.parametrize("name", ["klein-9b", "@cf/black-forest-labs/flux-2-klein-9b"])
def test_a_model_page_has_parameters_price_and_limits(site: str, open_studio: Callable[..., Studio], name: str) -> None:
    page = open_studio(site, f"/models/{name}").page
    parameters = page.get_by_role("region", name="Parameters")
    for words in ("width", "256 to 1920", "1024", "jpeg, png, webp", "string, required"):
        expect(parameters).to_contain_text(words)
    expect(page.locator("#amount")).to_have_text("$1.50, which is 136,364 neurons")  # 100 of a megapixel
    page.get_by_label("Pictures").fill("1")
    page.get_by_role("spinbutton", name="References").fill("2")
    expect(page.locator("#amount")).to_have_text("$0.016, which is 1,455 neurons")
    page.get_by_label("Width").fill("10")
    expect(page.locator("#amount")).to_contain_text("Sides from 256 to 1920")


def test_a_model_that_is_not_there(site: str) -> None:
    answer = httpx.get(f"{site}/models/nobody")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 5007)


@pytest.fixture
def billed(engine: Engine, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of a server that billed two pictures of klein-9b and one of klein-4b, and a token."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.access.create_account("team", account_id="team")
        _, secret = ledger.access.create_token("", ["team"])
        with serving(engine, ledger) as url:
            for path in (RUN, RUN, RUN.replace("9b", "4b")):
                form = {
                    name: (None, value) for name, value in (("prompt", "a dog"), ("width", "256"), ("height", "256"))
                }
                httpx.post(url + path, files=form, headers={"authorization": f"Bearer {secret}"}, timeout=60)
            yield url, secret


def test_usage_by_day_and_model(billed: tuple[str, str], open_studio: Callable[..., Studio]) -> None:
    url, secret = billed
    page = open_studio(url, "/usage").page
    expect(page.locator("#said")).to_have_text("This server asks for a token. Enter one to go on.")
    page.get_by_role("textbox", name="Token").fill(secret)
    page.get_by_role("textbox", name="Token").blur()
    expect(page.locator("#figures tbody tr")).to_have_count(2)
    expect(page.locator("#figures")).to_contain_text("170.5")  # neurons of two pictures
    bars = page.locator(".chart rect")
    expect(bars).to_have_count(2)
    heights = bars.evaluate_all("all => all.map((one) => Number(one.getAttribute('height')))")
    assert max(heights) == pytest.approx(2 * min(heights), rel=0.01)
    page.get_by_label("Count").select_option("dollars")
    assert "dollars by day" in page.locator(".chart svg").get_attribute("aria-label")
    page.get_by_label("To", exact=True).fill("2000-01-01")
    expect(page.locator("#said")).to_have_text("Nothing was made in this time.")


def test_without_a_ledger_it_says_so(site: str, open_studio: Callable[..., Studio]) -> None:
    page = open_studio(site, "/usage").page
    expect(page.locator("#said")).to_contain_text("keeps no ledger")
