"""Sets the autoencoder's first weights by algebra, where descent would take hours to find as much.

The encoder becomes a hierarchical principal component analysis and stays it: at each level 2x2 neighbours are reduced
to as many components as the level has channels, and the last ones are whitened. The decoder starts as a smooth
enlargement of each block's mean colour, carried by the first three channels of every level; what it learns are the
details on top.

Two tricks carry linear values through the norm and the SiLU that end each half: silu(x) - silu(-x) = x, and channels of
a large constant make the norm's divisor the same for every picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from alpenglow.models.autoencoder import PATCH, AttnBlock, AutoEncoder, ResnetBlock

ENCODER_CONSTANT = 30.0
DECODER_CONSTANT = 10.0
COLOUR_POWER = 0.35
"""Mean square of a colour channel in [-1, 1]; only the first scale of the decoder's output depends on it."""

BILINEAR = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16


@torch.no_grad()
def start_linear(model: AutoEncoder, pictures: Sequence[Tensor]) -> None:
    """Set all weights of `model` from pictures, each (B, 3, H, W) in [-1, 1] with sides multiples of 32."""
    for module in model.modules():
        match module:
            case ResnetBlock(conv2=last) | AttnBlock(proj_out=last):
                _fill(last)
    components = set_encoder(model, pictures)
    set_decoder(model, components, pictures)


def set_encoder(model: AutoEncoder, pictures: Sequence[Tensor]) -> list[Tensor]:
    """Set the encoder; return its latents of `pictures`, (B, latent_channels, H/32, W/32) each."""
    encoder: Any = model.encoder  # the parts of a Sequential have no types
    channels, kept = model.config.channels, model.config.latent_channels
    _fill(encoder.conv_in, [(slice(0, 3), slice(0, 3), torch.eye(3))])
    features = list(pictures)
    for level, width in zip(encoder.down, channels[:-1], strict=False):
        _carry(level.block[0])
        blocks = [F.pixel_unshuffle(f, 2) for f in features]  # (B, 4 r, H/2, W/2)
        basis, mean = _principal_components(blocks, width)
        weight = torch.zeros_like(level.downsample.conv.weight)
        weight[: basis.shape[1], : basis.shape[0] // 4, :2, :2] = basis.T.unflatten(1, (-1, 2, 2))
        level.downsample.conv.weight.copy_(weight)
        level.downsample.conv.bias.zero_()
        level.downsample.conv.bias[: basis.shape[1]] = -mean @ basis
        features = [torch.einsum("bchw,cd->bdhw", b - mean[:, None, None], basis) for b in blocks]

    spread = torch.cat([f.transpose(0, 1).flatten(1) for f in features], dim=1).std(1)[:kept]
    whiten = torch.diag(1 / spread)
    constants = torch.zeros(channels[-1])
    constants[2 * kept :: 2], constants[2 * kept + 1 :: 2] = ENCODER_CONSTANT, -ENCODER_CONSTANT
    shortcut = encoder.down[-1].block[0].nin_shortcut
    _fill(
        shortcut,
        [(slice(0, kept), slice(0, kept), whiten), (slice(kept, 2 * kept), slice(0, kept), -whiten)],
        constants,
    )
    _settle_norm(encoder.norm_out, constants, 2 * kept, 1.0)
    eye = torch.eye(kept)
    ends = [(slice(0, kept), slice(0, kept), eye), (slice(0, kept), slice(kept, 2 * kept), -eye)]
    _fill(encoder.conv_out, ends)
    _fill(encoder.quant_conv, [(slice(0, 2 * kept), slice(0, 2 * kept), torch.eye(2 * kept))])
    return [f[:, :kept] / spread[:, None, None] for f in features]


def set_decoder(model: AutoEncoder, latents: Sequence[Tensor], pictures: Sequence[Tensor]) -> None:
    """Set the decoder's path of colour; what is beside it keeps its random weights."""
    decoder: Any = model.decoder
    kept, rgb = model.config.latent_channels, slice(0, 3)
    z = torch.cat([f.permute(0, 2, 3, 1).flatten(0, 2) for f in latents])
    block = pictures[0].shape[-1] // latents[0].shape[-1]
    colour = torch.cat([F.avg_pool2d(p, block).permute(0, 2, 3, 1).flatten(0, 2) for p in pictures])
    solution = torch.linalg.lstsq(torch.cat([z, torch.ones(len(z), 1)], dim=1), colour).solution  # (kept + 1, 3)

    _fill(decoder.post_quant_conv, [(slice(0, kept), slice(0, kept), torch.eye(kept))])
    nn.init.normal_(decoder.conv_in.weight, std=(9 * kept) ** -0.5)
    _set_rows(decoder.conv_in, rgb, [(slice(0, kept), solution[:-1].T)])
    decoder.conv_in.bias[rgb] = solution[-1]
    for level in decoder.up[1:]:
        for shortcut in (part.nin_shortcut for part in level.block if isinstance(part.nin_shortcut, nn.Conv2d)):
            _set_rows(shortcut, rgb, [(rgb, torch.eye(3))])
        _set_rows(level.upsample.conv, rgb, [])
        for i in range(3):
            level.upsample.conv.weight[i, i] = BILINEAR
    last = decoder.up[0].block[0].nin_shortcut
    width = last.weight.shape[0]
    constants = torch.zeros(width)
    constants[6::2], constants[7::2] = DECODER_CONSTANT, -DECODER_CONSTANT
    eye = torch.eye(3)
    _fill(last, [(rgb, rgb, eye), (slice(3, 6), rgb, -eye)], constants)
    _settle_norm(decoder.norm_out, constants, 6, COLOUR_POWER)
    _fill(decoder.conv_out, [(rgb, rgb, eye), (rgb, slice(3, 6), -eye)])


@dataclass(frozen=True)
class LinearEncoder:
    """The encoder as one convolution of a token's pixels to its channels: the same latents fifty times as fast.

    Gives what `model.encode` gives within some thousandths: the tricks above are not linear to the last digit.
    """

    weight: Tensor  # (C, 3, side, side)
    bias: Tensor  # (C,)

    @classmethod
    @torch.no_grad()
    def of(cls, model: AutoEncoder) -> Self:
        """Ask `model` what each pixel does."""
        side = model.config.pixels_per_token
        bias = model.encode(torch.zeros(1, 3, side, side))[0, :, 0, 0]
        units = torch.eye(3 * side * side).unflatten(1, (3, side, side))
        rows = [model.encode(some)[:, :, 0, 0] for some in track(units.split(64), "the encoder's matrix")]
        return cls((torch.cat(rows) - bias).t().unflatten(1, (3, side, side)).contiguous(), bias)

    def to(self, device: str, dtype: torch.dtype) -> Self:
        """The same elsewhere."""
        return replace(self, weight=self.weight.to(device, dtype), bias=self.bias.to(device, dtype))

    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] -> (B, C, H / side, W / side)."""
        return F.conv2d(pictures, self.weight, self.bias, stride=self.weight.shape[-1])


def channel_weights(model: AutoEncoder) -> Tensor:
    """How much each channel of a patchified latent counts, (C,), mean 1: the spread that whitening took from it.

    Without it the finest details, which hardly show, would count as much as the colours.
    """
    shortcut: Any = model.encoder.down[-1].block[0].nin_shortcut  # type: ignore[index,union-attr]
    kept = model.config.latent_channels
    spread = 1 / shortcut.weight.detach()[:kept, :kept, 0, 0].diagonal()
    return (spread / spread.mean()).repeat_interleave(PATCH * PATCH)


def _principal_components(blocks: Sequence[Tensor], number: int) -> tuple[Tensor, Tensor]:
    """The first `number` directions of the channels, (C, number), and the mean, (C,)."""
    x = torch.cat([b.transpose(0, 1).flatten(1) for b in blocks], dim=1)  # (C, samples)
    x = x[:, :: max(1, x.shape[1] // 200_000)]
    _, vectors = torch.linalg.eigh(x.double().cov())
    return vectors.flip(1)[:, :number].float(), x.mean(1)


def _fill(conv: nn.Conv2d, places: Sequence[tuple[slice, slice, Tensor]] = (), bias: Tensor | None = None) -> None:
    """Zero a convolution, then set blocks of its centre tap, and its bias."""
    conv.weight.zero_()
    assert conv.bias is not None
    conv.bias.copy_(torch.zeros_like(conv.bias) if bias is None else bias)
    middle = conv.kernel_size[0] // 2
    for rows, columns, value in places:
        conv.weight[rows, columns, middle, middle] = value


def _set_rows(conv: nn.Conv2d, rows: slice, columns: Sequence[tuple[slice, Tensor]]) -> None:
    """Make some outputs depend on what is given alone, by the centre tap."""
    middle = conv.kernel_size[0] // 2
    conv.weight[rows] = 0
    assert conv.bias is not None
    conv.bias[rows] = 0
    for column, value in columns:
        conv.weight[rows, column, middle, middle] = value


def _carry(block: ResnetBlock) -> None:
    """Let a block that widens pass its inputs on."""
    if isinstance(block.nin_shortcut, nn.Conv2d):
        width = block.nin_shortcut.in_channels
        _fill(block.nin_shortcut, [(slice(0, width), slice(0, width), torch.eye(width))])


def _settle_norm(norm: nn.GroupNorm, constants: Tensor, signals: int, power: float) -> None:
    """Undo the division by what the constants, and `signals` channels of mean square `power`, make of the spread."""
    norm.weight.fill_(math.sqrt((constants.square().sum().item() + signals * power) / len(constants)))
    norm.bias.zero_()
