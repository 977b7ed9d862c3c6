"""What the benches share: random networks at real width, interleaved clocks, GEMM peaks, a JSON line at the end.

Knows no HTTP. Weights are random: speed does not depend on them.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import torch
from torch import nn

from alpenglow.catalogue import find
from alpenglow.engine.cost import count_flops
from alpenglow.engine.device import features
from alpenglow.engine.linears import Int8Linear, OneDNNLinear
from alpenglow.models.attention import rope
from alpenglow.models.tokens import image_ids, text_ids
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.settings import set_up_torch

M = TypeVar("M", bound=nn.Module)

TEXT_TOKENS = 512


def geometry(row: str, blocks: int | None, context_dim: int | None = None) -> TransformerConfig:
    """A row's transformer; with `blocks`, that many of each kind at full width."""
    config = find(row).architecture.transformer
    if blocks is not None:
        config = replace(config, num_double_blocks=blocks, num_single_blocks=blocks)
    return config if context_dim is None else replace(config, context_dim=context_dim)


def random_transformer(config: TransformerConfig, dtype: torch.dtype) -> Flux2Transformer:
    """On the CPU."""
    return random_module(lambda: Flux2Transformer(config), dtype, torch.device("cpu"))


def random_module(build: Callable[[], M], dtype: torch.dtype, device: torch.device) -> M:
    """Weights that keep activations near unit scale, made on the device."""
    with torch.device("meta"):
        made = build()
    made = made.to(dtype).to_empty(device=device).eval().requires_grad_(requires_grad=False)
    for tensor in (*made.parameters(), *made.buffers()):
        if tensor.ndim > 1:
            tensor.uniform_(-1, 1).mul_((3 / tensor[0].numel()) ** 0.5)
        else:
            tensor.fill_(1)
    return made


def inputs(config: TransformerConfig, side: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """img, txt, timestep and rotary table of a picture of side x side pixels."""
    grid = side // 16
    generator = torch.Generator().manual_seed(0)
    img = torch.randn(1, grid * grid, config.in_channels, generator=generator).to(dtype)
    txt = torch.randn(1, TEXT_TOKENS, config.context_dim, generator=generator).to(dtype)
    ids = torch.cat([text_ids(TEXT_TOKENS), image_ids(grid, grid)])
    rotary = rope(ids, config.axes_dim, config.theta)
    return img, txt, torch.full((1,), 0.7), rotary


def flops(config: TransformerConfig, side: int) -> int:
    """Of one forward: every multiplication and addition of matrices, attention included."""
    with torch.device("meta"):
        transformer = Flux2Transformer(config)
    img, txt, t, rotary = (tensor.to("meta") for tensor in inputs(config, side, torch.float32))
    return count_flops(lambda: transformer(img, txt, t, rotary, modulations=transformer.modulations(t)))


def interleave(contestants: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Seconds of each, taken in turns, after one turn that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(runs + 1):
        for name, call in contestants.items():
            began = time.perf_counter()
            call()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def gemm_peaks(runs: int = 7, shape: tuple[int, int, int] = (768, 3072, 9216)) -> dict[str, float]:
    """Operations a second of one large product by type: the best kernel that this machine has, its best run."""
    m, k, n = shape
    x = torch.randn(m, k)
    plain = nn.Linear(k, n, bias=False).requires_grad_(requires_grad=False)
    onednn = OneDNNLinear.of(plain)
    contestants: dict[str, Callable[[], object]] = {
        "fp32 MKL": lambda: plain(x),
        "fp32 oneDNN": lambda: onednn(x),
    }
    narrow, x_narrow = nn.Linear(k, n, bias=False).requires_grad_(requires_grad=False).bfloat16(), x.bfloat16()
    contestants["bf16"] = lambda: narrow(x_narrow)
    if "vnni" in features(torch.device("cpu")):
        layer, q = Int8Linear.of(narrow), torch.randint(0, 255, (m, k), dtype=torch.uint8)
        contestants["int8"] = lambda: layer.product(q)
    return {name: 2 * m * k * n / min(taken) for name, taken in interleave(contestants, runs).items()}


def machine(threads: int | None) -> dict[str, object]:
    """Set torch up as the server does, and its threads, and say what this ran on."""
    if threads:
        torch.set_num_threads(threads)
    set_up_torch()
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": str(torch.cpu.get_capabilities().get("cpu_name", platform.processor())),
        "features": sorted(features(torch.device("cpu"))),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
