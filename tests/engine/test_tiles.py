"""A picture decoded in tiles has no seams; what it differs from the whole by is the norms' statistics."""

from pathlib import Path

import numpy as np
import pytest
import torch

from alpenglow.catalogue import find
from alpenglow.engine import tiles
from alpenglow.engine.pipeline import Pipeline
from alpenglow.models.tokens import to_latents
from alpenglow.request import GenerationRequest
from alpenglow.weights import hub


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    files = hub.find("demo", None, Path("none"), None)
    assert files is not None
    return Pipeline.load(find("demo"), files, device="cpu")


@torch.inference_mode()
def latents(pipeline: Pipeline, width: int, height: int) -> torch.Tensor:
    sample = pipeline.prepare(GenerationRequest("demo", "a sunset at the alps", width, height, seed=1))
    while not sample.done:
        pipeline.advance([sample])
    return to_latents(sample.x, *sample.grid)


@torch.inference_mode()
def test_pictures_survive_and_have_no_seams(pipeline) -> None:
    z = latents(pipeline, 1280, 1024)
    whole = pipeline.networks.autoencoder.decode(z).clamp(-1, 1)
    cut = tiles.decode(pipeline.networks.autoencoder, z).clamp(-1, 1)
    decibels = 10 * torch.log10(4 / (whole - cut).square().mean()).item()
    print(f"tiled against whole: {decibels:.1f} dB")
    assert decibels > 20
    steps = [(image[..., 1:] - image[..., :-1]).abs().mean(dim=(0, 1, 2)) for image in (whole, cut)]
    assert (steps[1] - steps[0]).abs().max() < 0.02, "a seam would be a column where neighbours differ more"


@torch.inference_mode()
def test_what_fits_one_tile_is_exact(pipeline) -> None:
    z = latents(pipeline, 512, 512)
    whole = pipeline.networks.autoencoder.decode(z)
    assert torch.allclose(tiles.decode(pipeline.networks.autoencoder, z), whole, atol=1e-5)


@pytest.mark.parametrize(("length", "tile", "overlap"), [(5, 8, 2), (8, 8, 2), (9, 8, 2), (30, 8, 2), (20, 8, 7)])
def test_tiles_cover_everything(length, tile, overlap) -> None:
    covered = np.zeros(length)
    for start in tiles.starts(length, tile, overlap):
        assert start >= 0
        covered[start : start + tile] += 1
    assert covered.min() >= 1


def test_a_tiled_pipeline_cuts_large_pictures_only(pipeline) -> None:
    tiled = Pipeline(pipeline.row, pipeline.networks, tiled=True)
    for width, equal in ((512, True), (1280, False)):
        pictures = []
        for each in (pipeline, tiled):
            sample = each.prepare(GenerationRequest("demo", "a house", width, 1024, seed=2))
            while not sample.done:
                each.advance([sample])
            pictures.append(each.decode(sample))
        assert pictures[0].shape == pictures[1].shape
        assert np.array_equal(*pictures) == equal
