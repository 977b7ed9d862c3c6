"""The autoencoder and the statistics of its latents are those of diffusers' AutoencoderKLFlux2 and klein pipeline."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline
from torch import Tensor

from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig, patchify, unpatchify
from oracles import Meets, autoencoder_pair, normal

SMALL = AutoEncoderConfig(channels=(8, 16, 24), layers_per_block=1, latent_channels=4, norm_groups=4)
CONFIGS = {
    "three levels": SMALL,
    "one level": replace(SMALL, channels=(8,)),
    "four levels of two layers": replace(SMALL, channels=(16, 16, 32, 32), layers_per_block=2),
    "another decoder": replace(SMALL, decoder_channels=(4, 12, 32), latent_channels=6, bn_eps=0.1),
    "six levels": replace(SMALL, channels=(4, 4, 8, 8, 12, 16), decoder_channels=(4, 8, 8, 12, 16, 20)),
}
UP_TO_FOUR = {name: config for name, config in CONFIGS.items() if len(config.channels) <= 4}
GRID = (2, 3)
ROUNDING = 1e-5
"""In fp32 each side is up to 4e-6 from its own fp64 result, decoding four levels, measured over six seeds."""
Pair = tuple[AutoEncoder, AutoencoderKLFlux2]


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS.keys())
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return autoencoder_pair(request.param, tmp_path_factory.mktemp("autoencoder"))


def test_encode(pair: Pair, meets: Meets) -> None:
    meets(*encoded(pair), within=ROUNDING)


@pytest.mark.parametrize("pair", UP_TO_FOUR.values(), ids=UP_TO_FOUR.keys(), indirect=True)
def test_decode(pair: Pair, meets: Meets) -> None:
    """Six levels only in fp64: theirs decodes in channels-last memory, where GroupNorm loses up to 1e-4 over them."""
    meets(*decoded(pair), within=ROUNDING)


def test_both_in_fp64(pair: Pair, meets: Meets) -> None:
    """Without rounding to hide behind."""
    ours, theirs = pair
    precise = deepcopy(ours).double(), deepcopy(theirs).double()
    meets(*encoded(precise))
    meets(*decoded(precise))


@torch.inference_mode()
def test_normalising_is_undone_by_its_inverse(pair: Pair) -> None:
    ours = deepcopy(pair[0]).double()
    latents = normal(1, ours.config.token_channels, *GRID).double()
    assert (ours.normalise(latents) - latents).abs().max() > 0.1
    assert (ours.denormalise(ours.normalise(latents)) - latents).abs().max() <= 1e-12


def test_patches_are_ordered_channel_row_column() -> None:
    z = normal(2, 3, 4, 6)
    assert torch.equal(patchify(z), Flux2KleinPipeline._patchify_latents(z))
    assert torch.equal(unpatchify(patchify(z)), z)
    assert torch.equal(z, Flux2KleinPipeline._unpatchify_latents(patchify(z)))


@torch.inference_mode()
def encoded(pair: Pair) -> tuple[Tensor, Tensor]:
    """Normalised latents of two pictures, theirs as their pipeline makes them."""
    ours, theirs = pair
    pipeline = Flux2KleinPipeline(scheduler=None, vae=theirs, text_encoder=None, tokenizer=None, transformer=None)
    side = ours.config.pixels_per_token
    assert side == 2 * pipeline.vae_scale_factor
    images = normal(2, 3, GRID[0] * side, GRID[1] * side).clamp(-1, 1).to(theirs.dtype)
    return ours.encode(images), pipeline._encode_vae_image(images, generator=torch.Generator())


@torch.inference_mode()
def decoded(pair: Pair) -> tuple[Tensor, Tensor]:
    """Two pictures from normalised latents. What their pipeline does before decoding is repeated here."""
    ours, theirs = pair
    latents = normal(2, ours.config.token_channels, *GRID).to(theirs.dtype)
    std = (theirs.bn.running_var.view(1, -1, 1, 1) + theirs.config.batch_norm_eps).sqrt()
    raw = latents * std + theirs.bn.running_mean.view(1, -1, 1, 1)
    return ours.decode(latents), theirs.decode(Flux2KleinPipeline._unpatchify_latents(raw)).sample
