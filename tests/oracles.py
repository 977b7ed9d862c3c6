"""The reference implementations, diffusers and transformers, at small sizes and with the same weights as ours.

Weights are drawn on their side, written by their `save_pretrained` and read by our `weights.checkpoint.load`: whatever
is compared has also gone through the names and forms of the files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from torch import Tensor, nn
from transformers import MistralConfig, MistralForCausalLM, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig
from alpenglow.models.text_encoder import TextEncoder, TextEncoderConfig
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.weights.checkpoint import load
from alpenglow.weights.pipeline_folder import describe

M = TypeVar("M", bound=nn.Module)


class Meets(Protocol):
    """The fixture `meets`."""

    def __call__(self, ours: Tensor, theirs: Tensor, within: float | None = None) -> None: ...


def transformer_pair(config: TransformerConfig, folder: Path) -> tuple[Flux2Transformer, Flux2Transformer2DModel]:
    """Ours and diffusers'."""
    ours = on_meta(lambda: Flux2Transformer(config))
    theirs = randomise(Flux2Transformer2DModel.from_config(describe(ours)))
    return through_files(ours, theirs, folder)


def autoencoder_pair(config: AutoEncoderConfig, folder: Path) -> tuple[AutoEncoder, AutoencoderKLFlux2]:
    """Ours and diffusers', with latents' statistics far from the identity."""
    ours = on_meta(lambda: AutoEncoder(config))
    theirs = randomise(AutoencoderKLFlux2.from_config(describe(ours)))
    return through_files(ours, theirs, folder)


def text_encoder_pair(config: TextEncoderConfig, folder: Path) -> tuple[TextEncoder, PreTrainedModel]:
    """Ours and transformers': Qwen3, or Mistral where queries and keys have no norm. Theirs has a layer more.

    Its last hidden state is normed, a tapped one must not be.
    """
    ours = on_meta(lambda: TextEncoder(config))
    kind, kind_config = (Qwen3ForCausalLM, Qwen3Config) if config.qk_norm else (MistralForCausalLM, MistralConfig)
    layers = max(config.taps) + 1
    theirs = kind(kind_config(**describe(ours), num_hidden_layers=layers, sliding_window=None))
    return through_files(ours, randomise(theirs), folder)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers, the same in every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def randomise(module: M, seed: int = 0) -> M:
    """Draw weights that keep activations near unit scale: no number trivial, norms and statistics included."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(0.1 + noise.square())  # small enough for the eps under the root to count
        elif tensor.ndim > 1:
            tensor.copy_(noise * tensor[0].numel() ** -0.5)
        else:  # scales of norms, then biases and means
            tensor.copy_(0.2 * noise + name.endswith(("weight", "scale")))
    return module


def on_meta(build: Callable[[], M]) -> M:
    """A network without memory for its weights."""
    with torch.device("meta"):
        return build()


def through_files(ours: M, theirs: nn.Module, folder: Path) -> tuple[M, nn.Module]:
    """Give ours their weights by way of a folder."""
    theirs.save_pretrained(folder)
    return load(ours, folder).eval(), theirs.eval()
