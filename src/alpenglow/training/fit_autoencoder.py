"""Fits the autoencoder on crops of rendered pictures.

Latents carry noise while training, in proportion to their own spread, so that the decoder forgives the transformer's
errors, and are pulled toward zero, so that they stay small.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from alpenglow.models.autoencoder import AutoEncoder, patchify
from alpenglow.training.run import Average, Run

Crops = Callable[[Generator, int, int], NDArray[np.uint8]]
"""(rng, number, side) -> uint8 (number, side, side, 3)."""


@dataclass(frozen=True)
class AutoencoderPlan:
    """How long and how fast. `decoder_only` keeps the latents as they are while the decoder goes on learning."""

    steps: int
    batch: int = 8
    crop: int = 128
    learning_rate: float = 1.5e-3
    latent_noise: float = 0.1
    latent_pull: float = 1e-4
    decoder_only: bool = False
    seed: int = 0


def fit_autoencoder(model: AutoEncoder, crops: Crops, run: Run, plan: AutoencoderPlan) -> None:
    """Train `model` in place, resuming from `run`; ends with its averaged weights."""
    model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    for module in model.modules():
        if isinstance(module, nn.GroupNorm):
            module.__class__ = ChannelSumGroupNorm
    if plan.decoder_only:
        model.encoder.requires_grad_(requires_grad=False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=plan.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    average, first = Average(model, 0.999), 0
    if (state := run.load()) is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow, first = state["average"], state["step"]

    def reconstruct(image: Tensor) -> tuple[Tensor, Tensor]:
        z, _ = model.encoder(image).chunk(2, dim=1)
        return model.decoder(z + plan.latent_noise * z.detach().std() * torch.randn_like(z)), z

    started, mean_loss = time.monotonic(), 0.0
    for step, save in run.steps(first, plan.steps, "autoencoder"):
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * learning_rate_shape(step, plan.steps)
        rng = np.random.default_rng([plan.seed, step])
        image = to_signed(crops(rng, plan.batch, plan.crop)).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            rebuilt, z = reconstruct(image)
        loss = picture_distance(rebuilt.float(), image) + plan.latent_pull * z.float().pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        average.update(model, step)
        mean_loss += (loss.item() - mean_loss) / min(step - first + 1, 200)
        if step % 100 == 0:
            run.log({"step": step, "loss": mean_loss, "std": z.std().item(), "seconds": time.monotonic() - started})
        if save:
            run.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "average": average.shadow,
                    "step": step + 1,
                }
            )
    average.copy_to(model)


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


def learning_rate_shape(step: int, steps: int, warm_up: int = 200) -> float:
    """Share of the peak: a linear rise, then a cosine to a hundredth."""
    return min(1.0, (step + 1) / warm_up) * (0.505 + 0.495 * math.cos(math.pi * step / steps))


def picture_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of the pixels and of their steps to the right and downward, which are what edges are."""
    across = (a.diff(dim=3) - b.diff(dim=3)).abs().mean()
    down = (a.diff(dim=2) - b.diff(dim=2)).abs().mean()
    return F.l1_loss(a, b) + F.mse_loss(a, b) + across + down


def to_signed(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, H, W, 3) -> fp32 (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def measure_latents(model: AutoEncoder, images: list[NDArray[np.uint8]]) -> None:
    """Set the batch-norm statistics from pictures, (H, W, 3) each, so that latents have zero mean and unit variance."""
    tokens = []
    for image in images:
        mean, _ = model.encoder(to_signed(image[None])).chunk(2, dim=1)
        tokens.append(patchify(mean).permute(0, 2, 3, 1).flatten(0, 2))
    z = torch.cat(tokens)
    assert model.bn.running_mean is not None
    assert model.bn.running_var is not None
    model.bn.running_mean.copy_(z.mean(0))
    model.bn.running_var.copy_(z.var(0))
