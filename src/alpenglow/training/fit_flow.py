"""Fits transformer and text encoder together, along the very path that sampling takes.

Rectified flow is usually learned from true pictures with noise added. Four steps of a small network never meet those:
from the second step on they meet the blur that the step before drew. Trained on true pictures, the later steps learn to
copy what is there; trained on their own path they learn to mend it.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from alpenglow.engine.device import features
from alpenglow.models.attention import ANY_LENGTH, Attend, attention, attention_in_batches, rope
from alpenglow.models.schedule import timesteps
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.tokens import image_ids, reference_ids, text_ids, to_tokens
from alpenglow.models.transformer import Flux2Transformer
from alpenglow.training.batches import Batch
from alpenglow.training.compose import sent
from alpenglow.training.descent import Learner, Pace, descend
from alpenglow.training.ground import CELL, sample
from alpenglow.training.run import Run


@dataclass(frozen=True, kw_only=True)
class FlowPlan(Pace):
    """`batch` counts pictures of 256x256; see `batches.rows`. `prompt_dropout` is the share of sampling steps that see
    the empty prompt, for guidance.

    `first_alone` is the share of training steps that take sampling's first step only, with as many times the pictures
    as sampling has steps: what a prompt and its references mean is learned there, soonest. With `words` the text
    encoder learns too. With `sampled` a large frame's plain ground is shown in part: see `ground`.
    """

    learning_rate: float = 1.5e-3
    batch: int = 8
    sampling_steps: int = 4
    first_alone: float = 0.0
    prompt_dropout: float = 0.08
    words: bool = True
    sampled: bool = False


class Flow(nn.Module):
    """Both networks as one, so that one optimizer and one average serve them."""

    def __init__(self, transformer: Flux2Transformer, text_encoder: TextEncoder) -> None:
        super().__init__()
        self.transformer = transformer
        self.text_encoder = text_encoder


class Inputs(NamedTuple):
    """All that a training step computes with, on the device that trains; no number in it depends on the flow."""

    ids: Tensor  # (B + 1, L), the last row the empty prompt
    mask: Tensor  # (B + 1, L)
    data: Tensor  # (B, N, C)
    counts: Tensor  # (N,): how many tokens of the frame each stands for; (0,) where it is one
    references: Tensor  # (B, R, C), R = 0 where there are none
    rotary: Tensor  # (2, L + N + R, D/2)
    times: Tensor  # (steps + 1,)
    noise: Tensor  # (B, N, C)
    dropped: Tensor  # (steps, B, 1, 1) bool: where the empty prompt is seen


class FlowLearner(Learner):
    """Takes training steps. The parameters of `flow` stay in fp32, where small steps add up; forward and backward run
    on a copy of it, in bf16 where the device multiplies it: a CPU that does not is 80 times slower at it than in fp32.
    """

    def __init__(self, flow: Flow, weights: Tensor, peak: float, device: str) -> None:
        """Moves `flow` to the device. `weights` (C,) say what each latent channel counts, `peak` is the full rate."""
        dtype = torch.bfloat16 if "bf16" in features(torch.device(device)) else torch.float32
        self.computing = copy.deepcopy(flow).to(device, dtype)
        self.computing.transformer.time_in.float()  # bf16 would round the four timesteps to others than sampling visits
        self.weights = weights.to(device)
        # On a CPU the fused kernel's backward is slow for so few tokens.
        self.kernels = [SDPBackend.MATH] if device == "cpu" else ANY_LENGTH
        super().__init__(flow.to(device), [(flow.parameters(), peak)])

    def backward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Of `Inputs`."""
        copy_parameters(self.module, self.computing)
        with sdpa_kernel(self.kernels):
            loss = losses(self.computing, Inputs(*inputs), self.weights).mean()
            loss.backward()
        hand_over_gradients(self.computing, self.module)
        return loss


def fit_flow(
    flow: Flow,
    draw: Callable[[np.random.Generator, int], Batch],
    weights: Tensor,
    run: Run,
    plan: FlowPlan,
    device: str,
) -> None:
    """Train `flow` in place, resuming from `run`; ends with its averaged weights.

    `draw` makes a batch that costs as much as so many pictures of 256x256. `weights` (C,) say how much each latent
    channel counts.
    """
    flow.text_encoder.requires_grad_(plan.words)
    flow.zero_grad()  # of the stage before: it would still be followed where nothing is learned now

    def inputs(rng: np.random.Generator) -> Inputs:
        steps = 1 if rng.random() < plan.first_alone else plan.sampling_steps
        batch = draw(rng, plan.batch * plan.sampling_steps // steps)
        return inputs_of(flow, batch, rng, steps, plan.prompt_dropout, sampled=plan.sampled)

    descend(FlowLearner(flow, weights, plan.learning_rate, device), inputs, run, plan, "flow")
    flow.requires_grad_()


def inputs_of(
    flow: Flow, batch: Batch, rng: np.random.Generator, steps: int, prompt_dropout: float, *, sampled: bool = False
) -> Inputs:
    """A batch on the flow's device, with noise to sample it from in `steps`; `sampled` as in `FlowPlan`."""
    weight = flow.transformer.img_in.weight
    device = weight.device
    data, rotary = to_tokens(batch.latents).to(device), sent(rotary_of(flow, batch), device)
    times, counts = sent(timesteps(data.shape[1], steps), device), torch.empty(0, device=device)
    if sampled and (shown := sample(batch.latents, rng.random())) is not None:
        rotary = keep_tokens(rotary, batch.ids.shape[1], data.shape[1], shown.tokens.to(device))
        data, counts = data[:, shown.tokens], shown.counts.to(device)
    references = [data[:, :0], *(to_tokens(r).to(device) for r in batch.references)]
    chance = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    return Inputs(
        sent(batch.ids, device),
        sent(batch.mask, device),
        data,
        counts,
        torch.cat(references, dim=1),
        rotary,
        times,
        torch.randn(data.shape, generator=chance, device=device),
        torch.rand((steps, len(data), 1, 1), generator=chance, device=device) < prompt_dropout,
    )


def keep_tokens(rotary: Tensor, num_txt: int, num_img: int, kept: Tensor) -> Tensor:
    """A rotary table (2, L + N + R, D/2) of some of its N image tokens, those numbered by `kept`."""
    text, image, references = rotary.split([num_txt, num_img, rotary.shape[1] - num_txt - num_img], dim=1)
    return torch.cat([text, image[:, kept], references], dim=1)


def losses(flow: Flow, given: Inputs, weights: Tensor) -> Tensor:
    """Sample the pictures from noise; compare each one's velocity with that which leads straight to the data.

    That is (x - data) / t at the x that the steps before have come to, which counts as given. At t = 1 x is noise, and
    the target rectified flow's own, noise - data. Returns each picture's mean squared error over the steps, weighted by
    channel: (B,). In frames larger than a drawing's largest cell it is the error over that cell, were all of it there:
    by the mean over 1920x1920, a thing would count a fourteenth of what it does at 512x512.
    """
    weight = flow.transformer.img_in.weight
    prompts = flow.text_encoder(given.ids, given.mask)
    told, untold = prompts[:-1], prompts[-1:]  # (B, L, D), (1, L, D)
    references, x = given.references.to(weight), given.noise
    options = {"references": references, "attend": counted_attention(given, weight)}
    counts = given.counts if len(given.counts) else torch.ones_like(x[0, :, 0])
    found = []
    for (t, after), dropped in zip(pairwise(given.times), given.dropped, strict=True):
        txt = torch.where(dropped, untold, told)
        v = flow.transformer(x.to(weight), txt, t[None], given.rotary, **options).float()
        errors = ((v - (x - given.data) / t).square() * weights).mean(2)  # (B, N)
        found.append(errors @ counts / min(CELL, x.shape[1]))
        x = x + (after - t) * v.detach()
    return torch.stack(found).mean(0)


def counted_attention(given: Inputs, weight: Tensor) -> Attend:
    """Attention in which an image token counts for as many as it stands for; device and dtype are those of `weight`.

    So many equal keys add up to one of them whose scores are higher by their number's logarithm.
    """
    attend = attention_in_batches if weight.device.type == "cpu" else attention
    if not len(given.counts):
        return attend
    text, references = given.ids.new_zeros(given.ids.shape[1]), given.ids.new_zeros(given.references.shape[1])
    scores = torch.cat([text, given.counts.log(), references]).to(weight)[None, None, None]
    return lambda q, k, v: attend(q, k, v, scores)


@torch.no_grad()
def blend(flow: nn.Module, before: nn.Module, keep: float) -> None:
    """Move `flow` in place to `keep` of `before` and the rest of itself.

    Between a flow and what a further round made of it lie flows that know what both know, and are better than either
    (Wortsman et al., Robust fine-tuning of zero-shot models, arXiv:2109.01903).
    """
    torch._foreach_lerp_(list(flow.parameters()), list(before.parameters()), keep)


@torch.no_grad()
def copy_parameters(source: nn.Module, target: nn.Module) -> None:
    """Overwrite target's parameters by source's, whatever their dtypes."""
    torch._foreach_copy_(list(target.parameters()), list(source.parameters()))


@torch.no_grad()
def hand_over_gradients(source: nn.Module, target: nn.Module) -> None:
    """Give target the gradients of source, in target's dtype, and clear them there."""
    given, taken = [], []
    for p, q in zip(source.parameters(), target.parameters(), strict=True):
        if p.grad is not None:
            q.grad = torch.empty_like(q) if q.grad is None else q.grad
            given.append(p.grad)
            taken.append(q.grad)
            p.grad = None
    torch._foreach_copy_(taken, given)


def rotary_of(flow: Flow, batch: Batch) -> Tensor:
    """Rotary table of text, image and references of a batch."""
    config = flow.transformer.config
    grids: Iterable[tuple[int, int]] = ((r.shape[2], r.shape[3]) for r in batch.references)
    ids = (text_ids(batch.ids.shape[1]), image_ids(*batch.latents.shape[2:]), reference_ids(grids))
    return rope(torch.cat(ids), config.axes_dim, config.theta)


@torch.no_grad()
def initialise_flow(flow: Flow) -> None:
    """Fan-in scaled weights; blocks and output start silent, since every gate and the last projection start at zero."""
    for module in flow.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5)
    for name, weight in flow.text_encoder.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.mul_(0.5)
    for name, weight in flow.transformer.named_parameters():
        if "modulation" in name.lower() or name == "final_layer.linear.weight":
            nn.init.zeros_(weight)
