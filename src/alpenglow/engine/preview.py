"""Latents of a smaller picture: what makes a preview cheap, since a decoder's work grows with the pixels.

Knows no networks: latents in, latents out.
"""

import torch.nn.functional as F
from torch import Tensor

PREVIEW_SIDE = 256
"""Pixels of a preview's longer side, or one token a side where a token is more."""


def shrink(latents: Tensor, longest: int) -> Tensor:
    """Patchified latents (1, 4 C, h, w) averaged down to at most `longest` tokens a side.

    Averaged after the 2x2 patches are laid out: a patch's four positions are channels, which must not mix. Decoders
    take the average of neighbours for what lies between them; it is softer than the picture, and looks like it.
    """
    height, width = latents.shape[2:]
    scale = max(longest, 1) / max(height, width)
    if scale >= 1:
        return latents
    size = (2 * max(1, round(height * scale)), 2 * max(1, round(width * scale)))
    pixels = F.pixel_shuffle(latents, 2).cpu()  # Metal averages only what divides evenly, and there are few numbers
    return F.pixel_unshuffle(F.adaptive_avg_pool2d(pixels, size), 2).to(latents.device)
