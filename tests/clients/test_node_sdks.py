"""Cloudflare's package from npm, and its provider for the AI SDK."""

import pytest
from answers import MODEL, picture


@pytest.fixture(scope="module")
def run_once():
    """What a script printed, kept for the tests that look at it: node's SDKs take a while to load."""
    return {}


@pytest.fixture
def sdk(run_once, script, references):
    if "sdk" not in run_once:
        run_once["sdk"] = script("cloudflare.mjs", *references).json
    return run_once["sdk"]


@pytest.mark.parametrize("way", ["json", "form", "mislabelled", "edit"])
def test_run(sdk, way):
    assert picture(sdk[way]["image"]).size == (256, 256)


def test_the_list_of_models_ends(sdk):
    assert MODEL in sdk["names"]
    assert len(sdk["names"]) == len(set(sdk["names"]))


def test_a_models_schema(sdk):
    assert "image" in sdk["schema"]["output"]["properties"]


def test_an_error_is_the_sdks_own(sdk):
    assert (sdk["error"]["kind"], sdk["error"]["status"]) == ("BadRequestError", 400)
    assert sdk["error"]["errors"][0]["code"] == 5006


def test_the_ai_sdk_generates_an_image(script):
    outcome = script("provider.mjs").json
    assert picture(outcome["image"]).size == (256, 320)
    assert outcome["type"] == "image/jpeg"
    assert "'/width' must be >= 256" in outcome["error"]
