"""Predictions against what is really there: bytes of loaded networks, operations by the formula."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from alpenglow.catalogue import find
from alpenglow.engine.cost import flops_of, footprint
from alpenglow.engine.linears import Fp8Linear, Int8Linear, WidenedLinear
from alpenglow.engine.optimize import OptimizationPlan, optimize
from alpenglow.engine.survey import predict, survey
from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.weights import hub
from alpenglow.weights.networks import load_networks

CPU = torch.device("cpu")
PLANS = {
    "fp32": OptimizationPlan("exact", torch.float32, torch.float32, WidenedLinear),
    "bf16": OptimizationPlan("bf16", torch.bfloat16, torch.float32),
    "fp8": OptimizationPlan("fp8", torch.bfloat16, torch.bfloat16, Fp8Linear),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_bytes_are_those_of_loaded_networks(plan) -> None:
    row = find("demo")
    files = hub.find("demo", None, Path("none"), None)
    assert files is not None
    made = load_networks(row.architecture, files, plan.read_as, autoencoder_dtype=plan.autoencoder_dtype)
    made = optimize(made, plan, CPU)
    predicted = footprint(row, plan, (512, 512))
    for name in ("transformer", "text_encoder", "autoencoder"):
        assert getattr(predicted, name) == pytest.approx(held(getattr(made, name)), rel=0.06), name


def held(network: nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in (*network.parameters(), *network.buffers()))


def test_operations_of_a_step_by_the_formula() -> None:
    """klein-4b at 1024x1024: 2 x tokens x parameters of the blocks, and attention over all pairs."""
    row = find("klein-4b")
    c, tokens = row.architecture.transformer, 512 + 64 * 64
    h, depth = c.hidden_size, c.num_double_blocks + c.num_single_blocks
    blocks = 2 * tokens * 13 * h * h * depth
    attention = 4 * tokens * tokens * h * depth
    around = 2 * h * (2 * 64 * 64 * 128 + 512 * c.context_dim)
    assert flops_of(row, (1024, 1024)).step == pytest.approx(blocks + attention + around, rel=0.001)


def test_references_and_depth_are_counted() -> None:
    row = find("demo")
    plain, edit = flops_of(row, (512, 512)), flops_of(row, (512, 512), [(256, 256)] * 2)
    assert plain.references == 0 < edit.references
    assert edit.step > plain.step
    assert flops_of(replace(row, steps=8), (512, 512)).total > plain.total
    assert plain.total == plain.text_encoder + 4 * plain.step + plain.decode


class Alive(TorchDispatchMode):
    """Counts the bytes of all tensors that were made under it and are not yet forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            storage = tensor.untyped_storage()
            if storage._cdata not in self._known:
                self._known.add(storage._cdata)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())
        self.most = max(self.most, self.now)
        return out

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def test_what_is_offloaded_takes_less() -> None:
    bf16 = OptimizationPlan("bf16", torch.bfloat16, torch.bfloat16)
    nine, four = (footprint(find(name), bf16, (1024, 1024)) for name in ("klein-9b", "klein-4b"))
    assert nine.on_device("none") > 30e9
    assert nine.on_device("text_encoder") < 22e9
    assert four.on_device("blocks") < 8e9
    int8 = OptimizationPlan("int8", torch.bfloat16, torch.bfloat16, Int8Linear)
    assert footprint(find("klein-9b"), int8, (1024, 1024)).on_device("none") < 20e9


def test_on_a_cpu_what_is_large_stays_as_the_checkpoint_has_it() -> None:
    plain = OptimizationPlan("exact", torch.float32, torch.float32)
    wide = OptimizationPlan("exact", torch.float32, torch.float32, WidenedLinear)
    whole, half = (footprint(find("klein-4b"), plan, (1024, 1024)).on_device("none") for plan in (plain, wide))
    assert whole > 29e9
    assert half < 19.5e9


def test_decoding_is_counted_at_its_widest() -> None:
    """Of bytes that are alive at once, counted as they are taken and given back, where nothing is computed."""
    row, bf16 = find("klein-4b"), OptimizationPlan("bf16", torch.bfloat16, torch.bfloat16)
    with torch.device("meta"):
        autoencoder = AutoEncoder(row.architecture.autoencoder).to(torch.bfloat16)
        latents = torch.empty(1, row.architecture.transformer.in_channels, 32, 32, dtype=torch.bfloat16)
    with torch.inference_mode(), Alive() as alive:
        autoencoder.decode(latents)
    assert footprint(row, bf16, (512, 512)).activations == pytest.approx(alive.most, rel=0.1)


def test_a_survey_of_this_machine() -> None:
    found = survey("cpu", (256, 256), ["demo", "klein-9b"])
    assert 0 < found.free <= found.total
    assert {one.model for one in found.predictions} == {"demo", "klein-9b"}
    demo, nine = (next(one for one in found.predictions if one.model == name) for name in ("demo", "klein-9b"))
    assert demo.fits
    assert nine.seconds > 100 * demo.seconds
    assert not any(one.fits for one in predict([find("klein-9b")], CPU, (256, 256), free=10**9))
