"""The rows and their names."""

import uuid
from dataclasses import FrozenInstanceError

import pytest
import torch

from alpenglow.catalogue import ROWS, Row, find
from alpenglow.errors import UnknownModel
from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import Flux2Transformer

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_rows_in_their_order() -> None:
    names = ["demo", "klein-4b", "klein-9b", "klein-9b-kv", "klein-base-4b", "klein-base-9b", "dev"]
    assert [row.name for row in ROWS] == names


@each_row
def test_a_row_is_found_by_three_names(row: Row) -> None:
    assert find(row.name) is row
    assert find(row.api_name) is row
    assert find(row.api_name.removeprefix("@cf/")) is row
    assert find(row.api_name.rpartition("/")[2]) is row
    assert row.api_name.startswith("@cf/")


@pytest.mark.parametrize("name", ["", "klein", "Klein-9b", "@cf/klein-9b", "@cf/black-forest-labs/flux-1-schnell"])
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(UnknownModel) as raised:
        find(name)
    assert raised.value.model == name


def test_names_and_ids_are_unique() -> None:
    for field in ("name", "api_name", "id", "title"):
        assert len({getattr(row, field) for row in ROWS}) == len(ROWS)


@each_row
def test_ids_are_uuids(row: Row) -> None:
    assert str(uuid.UUID(row.id)) == row.id


@each_row
def test_the_parts_of_a_row_fit_each_other(row: Row) -> None:
    a = row.architecture
    assert a.transformer.context_dim == a.text_encoder.context_dim
    assert a.transformer.in_channels == a.autoencoder.token_channels
    assert a.transformer.guidance_embed == (row.guidance == "embedded")
    with torch.device("meta"):
        networks = Flux2Transformer(a.transformer), AutoEncoder(a.autoencoder), TextEncoder(a.text_encoder)
    assert all(parameter.is_meta for network in networks for parameter in network.parameters())


@each_row
def test_distilled_rows_take_four_steps_and_one_pass(row: Row) -> None:
    assert (row.steps, row.default_guidance) == ((4, 1.0) if row.distilled else (50, 4.0))


def test_grid_is_16_pixels_and_the_demo_s_64() -> None:
    assert {row.name: row.pixels_per_token for row in ROWS if row.pixels_per_token != 16} == {"demo": 64}


def test_only_kv_keeps_keys_and_values() -> None:
    assert [row.name for row in ROWS if row.kv] == ["klein-9b-kv"]


def test_prompts_of_dev_differ_from_those_of_klein() -> None:
    klein, dev = find("klein-9b").architecture, find("dev").architecture
    assert (klein.padding_side, klein.system, klein.text_encoder.taps) == ("right", None, (9, 18, 27))
    assert (dev.padding_side, dev.removed, dev.text_encoder.taps) == ("left", "[IMG]", (10, 20, 30))
    assert {row.architecture.max_text_tokens for row in ROWS if row.name != "demo"} == {512}


def test_card_says_who_answers() -> None:
    row = find("klein-9b")
    card = row.card()
    assert (card.row, card.answered_by) == ("klein-9b", "klein-9b")
    assert card.api_name == "@cf/black-forest-labs/flux-2-klein-9b"
    assert card.id == "e580c765-810c-4da3-936c-a2808892f14c"
    assert card.licence == "FLUX Non-Commercial License"
    assert row.card("demo").answered_by == "demo"


def test_rows_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        find("demo").steps = 5  # type: ignore[misc]
