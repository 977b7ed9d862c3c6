"""Teaches the text encoder other words by distillation: for a caption said otherwise the frozen transformer is to
predict what it predicts for the plain one.

The transformer, which has learned to read plain captions, stays as it is. It is asked for the velocities of a few image
tokens only: all of a picture of 256x256, and anywhere in larger ones, whose velocities are then not those of a whole
picture; but the same is asked of both captions.
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
from alpenglow.training.batches import Sayings
from alpenglow.training.compose import sent
from alpenglow.training.descent import Learner, Pace, descend
from alpenglow.training.fit_flow import Flow
from alpenglow.training.run import Run
from alpenglow.weights.tokenizer import Tokenizer

PROBES = 16
"""How many image tokens are looked at."""
FRAMES = (4, 4, 8, 16)
"""Sides of the frames that they are in, in tokens, each as likely: of 256, 512 and 1024 pixels."""


@dataclass(frozen=True, kw_only=True)
class WordsPlan(Pace):
    """`batch` counts captions, of kinds of example by their weights."""

    kinds: Mapping[str, float]
    batch: int = 64
    learning_rate: float = 1e-3
    embedding_rate: float = 3e-3  # a piece of a rare word is seen a few times in all
    hold: float = 0.3
    averaging: float = 0.98


class Probes(NamedTuple):
    """Image tokens of pure noise, and where they and the text are."""

    noise: Tensor  # (B, PROBES, C)
    rotary: Tensor  # (2, L + PROBES, D/2)


class WordsLearner(Learner):
    """Takes training steps on sayings with probes: in full precision, for so few tokens cost little."""

    def __init__(self, flow: Flow, weights: Tensor, plan: WordsPlan) -> None:
        """`flow` is on the device that trains; its text encoder learns. `weights` (C,) say how much each latent channel
        counts.
        """
        encoder = flow.text_encoder
        self.teacher = copy.deepcopy(encoder).requires_grad_(requires_grad=False)
        self.transformer = copy.deepcopy(flow.transformer).requires_grad_(requires_grad=False)
        self.device = self.transformer.img_in.weight.device
        self.weights = weights.to(self.device)
        self.kernels = ANY_LENGTH if self.device.type == "cuda" else [SDPBackend.MATH]
        trunk = encoder.model
        embeddings, layers = trunk.embed_tokens.parameters(), trunk.layers.parameters()
        super().__init__(encoder, [(embeddings, plan.embedding_rate), (layers, plan.learning_rate)])

    def backward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Of `Sayings` and `Probes`, all on the device."""
        sayings, probes = Sayings(*inputs[:4]), Probes(*inputs[4:])
        with sdpa_kernel(self.kernels):
            with torch.no_grad():
                wanted = velocities(self.transformer, self.teacher(sayings.plain, sayings.plain_mask), probes)
            found = velocities(self.transformer, self.module(sayings.said, sayings.said_mask), probes)
            loss = difference(found, wanted, self.weights)
            self.optimizer.zero_grad()
            loss.backward()
        return loss


def fit_words(
    flow: Flow, draw: Callable[[np.random.Generator, int], Sayings], weights: Tensor, run: Run, plan: WordsPlan
) -> None:
    """Train the text encoder of `flow` in place, where it is, resuming from `run`; ends with its averaged weights.
    `draw` makes so many sayings. `weights` (C,) say how much each latent channel counts.

    What comes of plain captions before is what is to come of others: `flow` must be the one that `run` began with.
    """
    learner = WordsLearner(flow, weights, plan)

    def inputs(rng: np.random.Generator) -> tuple[Tensor, ...]:
        sayings = draw(rng, plan.batch)
        probes = probes_of(learner.transformer, rng, *sayings.said.shape)
        return tuple(sent(tensor, learner.device) for tensor in (*sayings, *probes))

    descend(learner, inputs, run, plan, "words")


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


def probes_of(transformer: Flux2Transformer, rng: np.random.Generator, batch: int, length: int) -> Probes:
    """The same for all captions of `length` tokens, so that nothing but these makes a difference, on the CPU."""
    config = transformer.config
    side = FRAMES[rng.integers(len(FRAMES))]
    shown = torch.from_numpy(rng.permutation(side * side)[:PROBES])
    chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noise = torch.randn((PROBES, config.in_channels), generator=chance).expand(batch, -1, -1)
    ids = torch.cat((text_ids(length), image_ids(side, side)[shown]))
    return Probes(noise, rope(ids, config.axes_dim, config.theta))


def velocities(transformer: Flux2Transformer, states: Tensor, probes: Probes) -> Tensor:
    """What the first step of sampling does to the probes, (B, PROBES, C)."""
    start = torch.ones(1, device=states.device)
    return transformer(probes.noise, states, start, probes.rotary, references=probes.noise[:, :0])


def difference(found: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Mean squared difference weighted by channel, over the variance of `wanted` in the batch, weighted likewise."""
    between = ((wanted - wanted.mean(0)).square() * weights).mean()
    return ((found - wanted).square() * weights).mean() / between
