"""Positions and packing are those of diffusers' klein pipeline, integer by integer."""

import pytest
import torch
from diffusers import Flux2KleinPipeline

from alpenglow.models.tokens import image_ids, reference_ids, text_ids, to_latents, to_tokens
from oracles import normal

GRIDS = [(1, 1), (3, 5), (16, 16), (300, 2)]


@pytest.mark.parametrize("length", [1, 7, 512])
def test_text_ids(length: int) -> None:
    theirs = Flux2KleinPipeline._prepare_text_ids(torch.zeros(1, length, 4))[0]
    assert text_ids(length).dtype == theirs.dtype
    assert torch.equal(text_ids(length), theirs)


@pytest.mark.parametrize("grid", GRIDS)
def test_image_ids(grid: tuple[int, int]) -> None:
    assert torch.equal(image_ids(*grid), Flux2KleinPipeline._prepare_latent_ids(torch.zeros(1, 4, *grid))[0])


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_reference_ids(number: int) -> None:
    theirs = Flux2KleinPipeline._prepare_image_ids([torch.zeros(1, 4, *grid) for grid in GRIDS[:number]])[0]
    assert torch.equal(reference_ids(GRIDS[:number]), theirs)
    assert reference_ids(GRIDS[:number])[:, 0].unique().tolist() == [10, 20, 30, 40][:number]


def test_no_references_have_no_ids() -> None:
    assert torch.equal(torch.cat([text_ids(3), reference_ids([])]), text_ids(3))


def test_packing_is_row_by_row() -> None:
    latents = normal(2, 4, 3, 5)
    tokens = to_tokens(latents)
    assert torch.equal(tokens, Flux2KleinPipeline._pack_latents(latents))
    assert torch.equal(tokens[:, 7], latents[:, :, 1, 2])
    assert torch.equal(to_latents(tokens, 3, 5), latents)
