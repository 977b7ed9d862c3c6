"""Decoding a large picture in tiles, for devices that could not hold it whole.

Not exact: group norms take their statistics from a tile instead of from the picture. What needs the whole picture most,
the attention of the coarsest level, still sees it; tiles overlap and fade into each other.
"""

import torch
from torch import Tensor

from alpenglow.models.autoencoder import AutoEncoder, unpatchify

PIXELS = 2**20
"""Above this many a picture is cut."""

TILE, OVERLAP = 512, 128
"""Pixels a side, and pixels that neighbours share."""


def decode(autoencoder: AutoEncoder, latents: Tensor, tile: int = TILE, overlap: int = OVERLAP) -> Tensor:
    """What `autoencoder.decode` gives, (1, C, h, w) -> (1, 3, H, W), within what the module's docstring says."""
    coarse = autoencoder.decoder.coarse(unpatchify(autoencoder.denormalise(latents)))
    scale = autoencoder.config.pixels_per_token * latents.shape[-1] // coarse.shape[-1]  # pixels of one coarse position
    height, width = coarse.shape[-2:]
    picture = latents.new_zeros(1, 3, height * scale, width * scale, dtype=torch.float32)
    weight = torch.zeros_like(picture[:, :1])
    for top in starts(height, tile // scale, overlap // scale):
        for left in starts(width, tile // scale, overlap // scale):
            part = autoencoder.decoder.fine(coarse[:, :, top : top + tile // scale, left : left + tile // scale])
            rows, columns = part.shape[-2:]
            fade = ramp(rows, overlap).to(part.device)[:, None] * ramp(columns, overlap).to(part.device)
            place = (..., slice(top * scale, top * scale + rows), slice(left * scale, left * scale + columns))
            picture[place] += part * fade
            weight[place] += fade
    return picture / weight


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin so that they cover `length`, the last one flush with its end."""
    if length <= tile:
        return [0]
    return [*range(0, length - tile, max(1, tile - overlap)), length - tile]


def ramp(length: int, overlap: int) -> Tensor:
    """(length,): rises over the overlap, falls over the overlap, never 0."""
    rising = torch.arange(1, length + 1, dtype=torch.float32) / (overlap + 1)
    return torch.minimum(rising, rising.flip(0)).clamp(max=1)
