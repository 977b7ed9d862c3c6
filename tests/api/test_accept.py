"""Which Accept headers ask for a picture instead of JSON."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpenglow.api.accept import preferred_image


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        ("", None),
        ("*/*", None),
        ("application/json", None),
        ("application/json, text/plain, */*", None),
        ("application/json, image/png", None),
        ("image/png;q=0.5, application/json;q=0.9", None),
        ("text/event-stream", None),
        ("image/gif", None),
        ("image/*;q=0", None),
        ("text/html, image/gif, image/jpeg, */*; q=0.2", None),
        ("text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8", None),
        ("nonsense;;;q=,,", None),
        ("image/*", "jpeg"),
        ("IMAGE/*", "jpeg"),
        ("image/*, */*;q=0.8", "jpeg"),
        ("image/jpeg", "jpeg"),
        ("image/png", "png"),
        ("image/webp", "webp"),
        ("image/avif,image/webp,image/apng,image/*,*/*;q=0.8", "webp"),
        ("image/png, image/jpeg", "png"),
        ("image/png;q=0.5, image/webp;q=0.6, image/jpeg;q=0.4", "webp"),
        ("image/jpeg;q=0, image/*", "png"),
        ("application/json;q=0.5, image/png ; v=1 ; q=0.6", "png"),
    ],
)
def test_preferences(accept: str, preferred: str | None) -> None:
    assert preferred_image(accept) == preferred


def test_blanks_cost_no_more_than_other_letters() -> None:
    began = time.perf_counter()
    assert preferred_image("image/png," + " " * 50_000 + ";") == "png"
    assert time.perf_counter() - began < 1  # what looks back from each blank takes a minute


@given(st.text(alphabet="imagepnj/*;q=01., \tjson\x00é"))
def test_any_header_is_read(accept: str) -> None:
    assert preferred_image(accept) in (None, "jpeg", "png", "webp")
