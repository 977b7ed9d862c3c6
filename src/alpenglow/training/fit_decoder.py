"""Fits the decoder to the encoder's latents, coarse levels first, then all of them.

The first three channels of every level are held to the picture at that level's size (`linear_start` sets them so),
which teaches the wide, cheap levels without paying for the fine ones. Latents carry noise, so that the decoder
forgives the transformer's errors.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpenglow.engine.device import features
from alpenglow.models.autoencoder import AutoEncoder, Decoder
from alpenglow.training.crops import CropPool
from alpenglow.training.descent import learning_rate_shape
from alpenglow.training.run import Average, Run


@dataclass(frozen=True)
class DecoderPlan:
    """How long and how fast. Levels finer than `finest` rest; crops have `side` pixels."""

    steps: int
    batch: int
    side: int
    finest: int = 0
    learning_rate: float = 2e-3
    latent_noise: float = 0.25
    seed: int = 0


def fit_decoder(model: AutoEncoder, pool: CropPool, run: Run, plan: DecoderPlan) -> None:
    """Train the decoder of `model` in place, resuming from `run`; ends with its averaged weights."""
    decoder = model.decoder.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    for module in decoder.modules():
        if isinstance(module, nn.GroupNorm):
            module.__class__ = ChannelSumGroupNorm
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=plan.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    average = Average(decoder, 0.998)
    first = run.resume(decoder, optimizer, average)

    started, mean_loss = time.monotonic(), 0.0
    for step, over, save in run.steps(first, plan.steps, f"decoder to level {plan.finest}"):
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * learning_rate_shape(step, over)
        rng = np.random.default_rng([plan.seed, step])
        z, picture = pool.draw(rng, plan.batch, plan.side)
        noise = torch.from_numpy(rng.standard_normal(z.shape, dtype=np.float32))
        strength = torch.from_numpy(rng.uniform(0, plan.latent_noise, (len(z), 1, 1, 1)).astype(np.float32))
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in features(torch.device("cpu"))):
            pictures = pyramid(decoder, z + strength * noise, plan.finest)
        loss = pyramid_distance(pictures, picture)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        average.update(decoder, step)
        mean_loss += (loss.item() - mean_loss) / min(step - first + 1, 200)
        if step % 50 == 0:
            run.log({"step": step, "loss": mean_loss, "seconds": time.monotonic() - started})
        if save:
            run.save(decoder, optimizer, average, step + 1)
    average.copy_to(decoder)


def pyramid(decoder: Decoder, z: Tensor, finest: int) -> list[Tensor]:
    """What the decoder has of the picture after each level, coarse to fine; level 0 is the picture itself."""
    x = decoder.coarse(z)
    pictures = []
    for i in reversed(range(max(finest, 1), len(decoder.up))):
        x = decoder.up[i](x)
        pictures.append(x[:, :3])
    if finest == 0:
        x = decoder.up[0](x)
        pictures.append(decoder.conv_out(F.silu(decoder.norm_out(x))))
    return pictures


def pyramid_distance(pictures: list[Tensor], target: Tensor) -> Tensor:
    """Distance of the finest picture, and a quarter of each coarser one's."""
    distances = [picture_distance(p.float(), F.avg_pool2d(target, target.shape[-1] // p.shape[-1])) for p in pictures]
    return distances[-1] + 0.25 * sum(distances[:-1], torch.zeros(()))


def picture_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of the pixels and of their steps to the right and downward, which are what edges are."""
    across = (a.diff(dim=3) - b.diff(dim=3)).abs().mean()
    down = (a.diff(dim=2) - b.diff(dim=2)).abs().mean()
    return F.l1_loss(a, b) + F.mse_loss(a, b) + across + down


class ChannelSumGroupNorm(nn.GroupNorm):
    """Group normalisation by sums over each channel: on a CPU torch's own backward takes half of a training step."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        y, per_group = x.float(), self.num_channels // self.num_groups
        sums = torch.stack([y.sum((2, 3)), (y * y).sum((2, 3))])  # (2, B, C)
        count = per_group * x.shape[2] * x.shape[3]
        mean, square = sums.unflatten(-1, (self.num_groups, -1)).sum(-1) / count  # 2 x (B, groups)
        inverse = torch.rsqrt(square - mean * mean + self.eps)
        scale = inverse.repeat_interleave(per_group, dim=1) * self.weight  # (B, C)
        shift = self.bias - mean.repeat_interleave(per_group, dim=1) * scale
        return (y * scale[:, :, None, None] + shift[:, :, None, None]).to(x.dtype)
