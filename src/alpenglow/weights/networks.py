"""An architecture, and the networks that a checkpoint of it makes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig
from alpenglow.models.text_encoder import TextEncoder, TextEncoderConfig
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.weights.checkpoint import load
from alpenglow.weights.hub import Files
from alpenglow.weights.pipeline_folder import check_config
from alpenglow.weights.tokenizer import PaddingSide, Tokenizer

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Architecture:
    """All that the shape of a checkpoint and the form of its prompts depend on; the rows of one size share theirs.

    `system` is said before every prompt and `removed` is cut out of prompts: see `Tokenizer`.
    """

    transformer: TransformerConfig
    autoencoder: AutoEncoderConfig
    text_encoder: TextEncoderConfig
    max_text_tokens: int = 512
    padding_side: PaddingSide = "right"
    system: str | None = None
    removed: str = ""


@dataclass(frozen=True, eq=False)
class Networks:
    """What a pipeline computes with: three networks in eval mode without gradients, and the tokenizer."""

    transformer: Flux2Transformer
    autoencoder: AutoEncoder
    text_encoder: TextEncoder
    tokenizer: Tokenizer


def load_networks(
    architecture: Architecture,
    files: Files,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    *,
    autoencoder_dtype: torch.dtype | None = None,
) -> Networks:
    """Read a whole checkpoint. Without a `dtype` tensors stay as stored; the autoencoder's is `dtype` unless given.

    Raises WeightsError if a file is missing, damaged or of another architecture.
    """
    a = architecture
    return Networks(
        _network(lambda: Flux2Transformer(a.transformer), files.transformer, dtype, device),
        _network(lambda: AutoEncoder(a.autoencoder), files.autoencoder, autoencoder_dtype or dtype, device),
        _network(lambda: TextEncoder(a.text_encoder), files.text_encoder, dtype, device),
        Tokenizer.from_folder(
            files.tokenizer, a.max_text_tokens, padding_side=a.padding_side, system=a.system, removed=a.removed
        ),
    )


def _network(build: Callable[[], M], path: Path, dtype: torch.dtype | None, device: torch.device | str) -> M:
    with torch.device("meta"):
        module = build()
    check_config(path, module)
    return load(module, path, dtype=dtype, device=device).eval().requires_grad_(requires_grad=False)
