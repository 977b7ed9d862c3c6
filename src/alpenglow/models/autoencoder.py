"""The FLUX.2 autoencoder: pictures to normalised latents and back.

A latent token covers `2^levels` pixels a side: 16 for FLUX.2, whose four levels shrink by 8 and whose 2x2 patches
double that. Latents are normalised by stored batch-norm statistics; there is no scaling factor. Parameter names are
BFL's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpenglow.models.attention import attention

NORM_EPS = 1e-6
PATCH = 2


@dataclass(frozen=True)
class AutoEncoderConfig:
    """`channels` from the finest level to the coarsest; `decoder_channels` where the decoder's differ."""

    channels: tuple[int, ...] = (128, 256, 512, 512)
    decoder_channels: tuple[int, ...] | None = None
    layers_per_block: int = 2
    latent_channels: int = 32
    norm_groups: int = 32
    bn_eps: float = 1e-4

    @property
    def pixels_per_token(self) -> int:
        """Pixels a side that one latent token covers."""
        return PATCH << (len(self.channels) - 1)

    @property
    def token_channels(self) -> int:
        """Channels of a patchified latent, what the transformer calls in_channels."""
        return self.latent_channels * PATCH * PATCH


class AutoEncoder(nn.Module):
    """encode and decode."""

    def __init__(self, config: AutoEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.bn = nn.BatchNorm2d(config.token_channels, eps=config.bn_eps, affine=False)

    def encode(self, image: Tensor) -> Tensor:
        """Image (B, 3, H, W) in [-1, 1], sides multiples of the grid -> normalised latents (B, C, H/grid, W/grid).

        The posterior's mean, not a sample of it.
        """
        mean, _ = self.encoder(image).chunk(2, dim=1)
        return self.normalise(patchify(mean))

    def decode(self, latents: Tensor) -> Tensor:
        """Normalised latents (B, C, h, w) -> image (B, 3, h * pixels_per_token, ...), about [-1, 1], not clamped."""
        return self.decoder(unpatchify(self.denormalise(latents)))

    def normalise(self, z: Tensor) -> Tensor:
        """Patchified latents to zero mean and unit variance by the stored statistics."""
        mean, std = self._statistics(z)
        return (z - mean) / std

    def denormalise(self, z: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        mean, std = self._statistics(z)
        return z * std + mean

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, var = self.bn.running_mean, self.bn.running_var
        assert mean is not None
        assert var is not None
        return mean.view(1, -1, 1, 1).to(like), torch.sqrt(var.view(1, -1, 1, 1) + self.config.bn_eps).to(like)


def patchify(z: Tensor) -> Tensor:
    """2x2 patches to channels, ordered channel, row, column: (B, c, 2h, 2w) -> (B, 4c, h, w)."""
    return F.pixel_unshuffle(z, PATCH)


def unpatchify(z: Tensor) -> Tensor:
    """The inverse of `patchify`: (B, 4c, h, w) -> (B, c, 2h, 2w)."""
    return F.pixel_shuffle(z, PATCH)


class Encoder(nn.Module):
    """Picture to mean and log-variance of the posterior."""

    def __init__(self, config: AutoEncoderConfig) -> None:
        super().__init__()
        channels, groups = config.channels, config.norm_groups
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        inputs = (channels[0], *channels[:-1])
        self.down = nn.ModuleList(
            DownLevel(inputs[i], out, config, is_last=i == len(channels) - 1) for i, out in enumerate(channels)
        )
        width = channels[-1]
        self.mid = MidBlock(width, groups)
        self.norm_out = nn.GroupNorm(groups, width, eps=NORM_EPS)
        self.conv_out = nn.Conv2d(width, 2 * config.latent_channels, 3, padding=1)
        self.quant_conv = nn.Conv2d(2 * config.latent_channels, 2 * config.latent_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 2 latent_channels, 2 H/grid, 2 W/grid)."""
        x = self.conv_in(image)
        for level in self.down:
            x = level(x)
        x = self.mid(x)
        return self.quant_conv(self.conv_out(F.silu(self.norm_out(x))))


class Decoder(nn.Module):
    """Latents to picture. `up[i]` works at the resolution of level i, so the list is walked from its end."""

    def __init__(self, config: AutoEncoderConfig) -> None:
        super().__init__()
        channels, groups = config.decoder_channels or config.channels, config.norm_groups
        width = channels[-1]
        self.post_quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.conv_in = nn.Conv2d(config.latent_channels, width, 3, padding=1)
        self.mid = MidBlock(width, groups)
        inputs = (*channels[1:], width)
        self.up = nn.ModuleList(UpLevel(inputs[i], out, config, is_last=i == 0) for i, out in enumerate(channels))
        self.norm_out = nn.GroupNorm(groups, channels[0], eps=NORM_EPS)
        self.conv_out = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent_channels, 2h, 2w) -> (B, 3, h * pixels_per_token, w * pixels_per_token)."""
        return self.fine(self.coarse(z))

    def coarse(self, z: Tensor) -> Tensor:
        """What looks at the whole picture, at the latents' size: (B, latent_channels, H, W) -> (B, width, H, W)."""
        return self.mid(self.conv_in(self.post_quant_conv(z)))

    def fine(self, x: Tensor) -> Tensor:
        """Convolutions up to full size; only their norms look further than a few pixels."""
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class DownLevel(nn.Module):
    """Resnets at one resolution, then half of it, unless it is the last."""

    def __init__(self, in_channels: int, channels: int, config: AutoEncoderConfig, *, is_last: bool) -> None:
        super().__init__()
        self.block = resnet_blocks(in_channels, channels, config.layers_per_block, config.norm_groups)
        self.downsample = nn.Identity() if is_last else Downsample(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, C, H/2, W/2)."""
        return self.downsample(self.block(x))


class UpLevel(nn.Module):
    """Resnets at one resolution, one more than on the way down, then twice of it, unless it is the last."""

    def __init__(self, in_channels: int, channels: int, config: AutoEncoderConfig, *, is_last: bool) -> None:
        super().__init__()
        self.block = resnet_blocks(in_channels, channels, config.layers_per_block + 1, config.norm_groups)
        self.upsample = nn.Identity() if is_last else Upsample(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, C, 2H, 2W)."""
        return self.upsample(self.block(x))


def resnet_blocks(in_channels: int, channels: int, number: int, groups: int) -> nn.Sequential:
    """`number` blocks, the first of which changes the width."""
    return nn.Sequential(*(ResnetBlock(channels if j else in_channels, channels, groups) for j in range(number)))


class MidBlock(nn.Module):
    """Resnet, attention, resnet at the coarsest level."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, groups)
        self.attn_1 = AttnBlock(channels, groups)
        self.block_2 = ResnetBlock(channels, channels, groups)

    def forward(self, x: Tensor) -> Tensor:
        """Shape unchanged."""
        return self.block_2(self.attn_1(self.block_1(x)))


class ResnetBlock(nn.Module):
    """norm, silu, conv, twice, plus a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, eps=NORM_EPS)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps=NORM_EPS)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.nin_shortcut = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return self.nin_shortcut(x) + y


class AttnBlock(nn.Module):
    """Single-head attention over all positions; the projections are 1x1 convolutions."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=NORM_EPS)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape unchanged."""
        y = self.norm(x)
        # (B, C, H, W) -> (B, 1 head, H W, C). Kernels that hold no scores want the channels of a position side by side.
        q, k, v = (proj(y).flatten(2).transpose(1, 2).contiguous()[:, None] for proj in (self.q, self.k, self.v))
        out = attention(q, k, v)[:, 0].transpose(1, 2).reshape(x.shape)
        return x + self.proj_out(out)


class Downsample(nn.Module):
    """Halve; padded at the right and the bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double by nearest neighbour, then smooth by a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
