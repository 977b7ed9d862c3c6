"""Teaches the text encoder other words by itself: what the transformer makes of a caption said otherwise comes to be
what it makes of the plain one.

The transformer, which has learned to read plain captions, stays as it is. It is asked for the velocities of a few image
tokens only, anywhere in frames of several sizes: what a caption comes to shows in any of them, at a tenth of the cost
of a picture. They are not those of a whole picture, but the same is asked of both captions.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from alpenglow.models.attention import ANY_LENGTH, rope
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.tokens import image_ids, text_ids
from alpenglow.models.transformer import Flux2Transformer
from alpenglow.training.fit_decoder import learning_rate_shape
from alpenglow.training.fit_flow import Flow
from alpenglow.training.run import Average, Run
from alpenglow.weights.tokenizer import Tokenizer

Saying = tuple[str, str]
"""A caption as it is said, and the plain one that it comes to."""
Tokens = tuple[Tensor, Tensor]
"""Ids and mask, (B, L) each."""

PROBES = 16
"""How many image tokens are looked at."""
FRAMES = (16, 16, 32, 64)
"""Sides of the frames that they are in, in tokens, each as likely: of 256, 512 and 1024 pixels."""


@dataclass(frozen=True)
class WordsPlan:
    """How long and how fast; `batch` counts captions, of kinds of example by their weights."""

    steps: int
    kinds: Mapping[str, float]
    batch: int = 64
    learning_rate: float = 1e-3
    embedding_rate: float = 3e-3  # a piece of a rare word is seen a few times in all
    hold: float = 0.3
    averaging: float = 0.98
    seed: int = 0


class Probes(NamedTuple):
    """Image tokens of pure noise, and where they and the text are."""

    noise: Tensor  # (B, PROBES, C)
    rotary: Tensor  # (2, L + PROBES, D/2)


def fit_words(
    flow: Flow,
    draw: Callable[[np.random.Generator], Saying],
    tokenizer: Tokenizer,
    weights: Tensor,
    run: Run,
    plan: WordsPlan,
) -> None:
    """Train the text encoder of `flow` in place, where it is, resuming from `run`; ends with its averaged weights.
    `weights` (C,) say how much each latent channel counts.

    What comes of plain captions before is what is to come of others: `flow` must be the one that `run` began with.
    """
    student, teacher = flow.text_encoder, copy.deepcopy(flow.text_encoder).requires_grad_(requires_grad=False)
    reader = copy.deepcopy(flow.transformer).requires_grad_(requires_grad=False)
    device = reader.img_in.weight.device
    weights = weights.to(device)
    rates = {"model.embed_tokens": plan.embedding_rate, "model.layers": plan.learning_rate}
    optimizer = torch.optim.AdamW(
        [{"params": student.get_submodule(part).parameters(), "peak": rate} for part, rate in rates.items()],
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    average = Average(student, plan.averaging)

    first, (total, counted) = run.resume(student, optimizer, average), (0.0, 0)
    for step, over, save in run.steps(first, plan.steps, "words"):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_shape(step, over, plan.hold)
        rng = np.random.default_rng([plan.seed, step])
        said, meant = read([draw(rng) for _ in range(plan.batch)], tokenizer, device)
        probes = probes_of(reader, rng, *said[0].shape)
        with sdpa_kernel(ANY_LENGTH if device.type == "cuda" else [SDPBackend.MATH]):
            with torch.no_grad():
                wanted = velocities(reader, teacher(*meant), probes)
            loss = difference(velocities(reader, student(*said), probes), wanted, weights)
            optimizer.zero_grad()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        total, counted = total + loss.item(), counted + 1
        if step % 4 == 0:
            average.update(student, step)
        if step % 100 == 0:
            run.log({"step": step, "loss": total / counted})
            total, counted = 0.0, 0
        if save:
            run.save(student, optimizer, average, step + 1)
    average.copy_to(student)


@torch.no_grad()
def begin_words(
    encoder: TextEncoder, tokenizer: Tokenizer, entries: Mapping[str, int], words: Mapping[str, str]
) -> None:
    """Start the embedding of each word that has an entry of its own as that of the last token of what it means by
    `words`, or as that of padding, which says nothing.
    """
    embeddings = encoder.get_parameter("model.embed_tokens.weight")
    for word, entry in entries.items():
        ids, mask = tokenizer.encode([f"a {words.get(word, '')}"])
        end = int(mask.sum()) - 2  # the template ends with one token
        embeddings[entry] = embeddings[ids[0, end if word in words else -1]]


def read(sayings: list[Saying], tokenizer: Tokenizer, device: torch.device) -> tuple[Tokens, Tokens]:
    """What is said and what it comes to; what is said in more words than are read is said plainly."""
    (ids, mask), (plain, plain_mask) = (tokenizer.encode(list(texts)) for texts in zip(*sayings, strict=True))
    full = mask.all(1)
    ids[full], mask[full] = plain[full], plain_mask[full]
    return (ids.to(device), mask), (plain.to(device), plain_mask)


def probes_of(transformer: Flux2Transformer, rng: np.random.Generator, batch: int, length: int) -> Probes:
    """At the same places for all captions of `length` tokens."""
    config, device = transformer.config, transformer.img_in.weight.device
    side = FRAMES[rng.integers(len(FRAMES))]
    shown = torch.from_numpy(rng.permutation(side * side)[:PROBES])
    chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noise = torch.randn((batch, PROBES, config.in_channels), generator=chance)
    ids = torch.cat((text_ids(length), image_ids(side, side)[shown]))
    return Probes(noise.to(device), rope(ids, config.axes_dim, config.theta).to(device))


def velocities(transformer: Flux2Transformer, states: Tensor, probes: Probes) -> Tensor:
    """What the first step of sampling does to the probes, (B, PROBES, C)."""
    start = torch.ones(1, device=states.device)
    return transformer(probes.noise, states, start, probes.rotary, references=probes.noise[:, :0])


def difference(found: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Mean squared difference, weighted by channel, in parts of that between the captions of the batch."""
    between = ((wanted - wanted.mean(0)).square() * weights).mean()
    return ((found - wanted).square() * weights).mean() / between
