"""Every fast Linear computes what its slow twin, the same arithmetic spelled out, computes."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpenglow.engine.device import features
from alpenglow.engine.linears import (
    FP8_MAX,
    LARGE,
    PART,
    WIDE,
    Fp8Linear,
    Int8Linear,
    OneDNNLinear,
    WidenedLinear,
    largest,
    quantise_fp8,
    quantise_int8,
)
from alpenglow.models.stored_fp8 import StoredFp8Linear

CPU = features(torch.device("cpu"))
needs_vnni = pytest.mark.skipif("vnni" not in CPU, reason="int8 needs VNNI")
SHAPES = [(1, 64, 32), (7, 96, 160), (300, 320, 96)]
"""Rows, inputs, outputs; the last more rows than are quantised at a time."""


def layer(inputs: int, outputs: int, *, dtype: torch.dtype = torch.float32) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs, bias=False).to(dtype).requires_grad_(requires_grad=False)


def activations(rows: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Rows of very unequal size: one scale for all of them would lose the small ones."""
    x = torch.randn(1, rows, width, generator=torch.Generator().manual_seed(1))
    return (x * torch.logspace(-3, 2, rows)[:, None]).to(dtype)


def relative(y: Tensor, exact: Tensor) -> float:
    """The worst row."""
    return ((y.float() - exact).norm(dim=-1) / exact.norm(dim=-1)).max().item()


@pytest.mark.parametrize("shape", SHAPES)
def test_onednn_is_fp32(shape) -> None:
    rows, inputs, outputs = shape
    linear, x = layer(inputs, outputs), activations(rows, inputs)
    fast = OneDNNLinear.of(linear)
    assert fast.weight.data_ptr() == linear.weight.data_ptr()
    assert relative(fast(x), linear(x)) < 1e-6


@pytest.mark.parametrize("kind", [WidenedLinear, OneDNNLinear])
def test_a_large_weight_stays_in_bf16_and_the_products_are_those_of_fp32(kind) -> None:
    layers = [layer(64, outputs, dtype=torch.bfloat16) for outputs in (LARGE // 64, LARGE // 64 + 32, 96)]
    x = activations(7, 64)
    made = [kind.of(linear, torch.float32) for linear in layers]
    assert [one.weight.dtype for one in made] == [torch.bfloat16, torch.bfloat16, torch.float32]
    assert made[0].weight.data_ptr() == layers[0].weight.data_ptr()
    products = [one(x) for one in made]  # each widened over the one before
    for linear, product in zip(layers, products, strict=True):
        cast = kind.of(linear.float(), torch.float32)
        assert torch.equal(product, cast(x))


def test_threads_do_not_share_the_room_that_weights_are_widened_in() -> None:
    linear = layer(64, LARGE // 64, dtype=torch.bfloat16)
    mine = WidenedLinear.of(linear)
    widened = mine.widened(torch.float32)
    with ThreadPoolExecutor(1) as another:
        other = WidenedLinear.of(layer(128, LARGE // 64, dtype=torch.bfloat16))
        another.submit(other, activations(7, 128)).result()
    assert torch.equal(widened, linear.weight.float())


@needs_vnni
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_int8_is_the_product_of_what_was_rounded(shape, dtype) -> None:
    rows, inputs, outputs = shape
    linear, x = layer(inputs, outputs, dtype=dtype), activations(rows, inputs, dtype)
    y = Int8Linear.of(linear)(x)
    (q, s), (w, s_w) = quantise_int8(x[0]), quantise_int8(linear.weight)
    assert q.dtype == w.dtype == torch.int8
    twin = (q.double() @ w.double().t()) * s * s_w.t()
    assert y.dtype == dtype
    assert y.shape == (1, rows, outputs)
    assert relative(y[0], twin.float()) < (1e-6 if dtype == torch.float32 else 0.005)
    plain = F.linear(x.float(), linear.weight.float())
    assert relative(y, plain) < 0.03


@needs_vnni
def test_int8_takes_rows_of_nothing() -> None:
    assert Int8Linear.of(layer(64, 32))(torch.zeros(2, 3, 64)).abs().max() == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_fp8_is_the_product_of_what_was_rounded(shape) -> None:
    """On a CPU its product is emulated from the same fp8 numbers; a GPU's is compared with this in its own test."""
    rows, inputs, outputs = shape
    linear, x = layer(inputs, outputs, dtype=torch.bfloat16), activations(rows, inputs, torch.bfloat16)
    fast = Fp8Linear.of(linear)
    (q, s), (w, s_w) = quantise_fp8(x[0]), quantise_fp8(linear.weight)
    assert torch.equal(w.view(torch.uint8), fast.weight.view(torch.uint8))
    assert q.float().abs().amax(dim=1).min() == FP8_MAX
    twin = (q.double() * s) @ (w.double() * s_w).t()
    assert relative(fast(x)[0], twin.float()) < 0.005
    plain = F.linear(x.float(), linear.weight.float())
    assert relative(fast(x), plain) < 0.06


def test_the_largest_of_a_wide_row_is_found_in_parts() -> None:
    x = torch.randn(5, WIDE + PART)
    assert torch.equal(largest(x), x.abs().amax(dim=1, keepdim=True))
    assert torch.equal(largest(x[:, 1:]), x[:, 1:].abs().amax(dim=1, keepdim=True))


def test_fp8_of_a_checkpoint_is_the_product_by_its_own_scales() -> None:
    stored, x = stored_fp8(320, 96), even(64, 320)
    fast = Fp8Linear.stored(stored, torch.bfloat16)
    assert fast.weight.data_ptr() == stored.weight.data_ptr()
    q = (x.double() / 0.01).clamp(-FP8_MAX, FP8_MAX).float().to(torch.float8_e4m3fn)
    twin = (q.double() * 0.01) @ (stored.weight.double() * stored.weight_scale).t()
    assert fast(x).dtype == torch.bfloat16
    assert relative(fast(x), twin.float()) < 0.005
    assert relative(fast(x), stored(x).float()) < 0.06


def test_what_exceeds_a_checkpoints_scale_is_clipped_and_no_nan() -> None:
    fast = Fp8Linear.stored(stored_fp8(64, 32), torch.float32)
    assert torch.equal(fast(torch.full((1, 64), 1e6)), fast(torch.full((1, 64), FP8_MAX * 0.01)))


def even(rows: int, width: int) -> Tensor:
    """Activations that one scale suits."""
    return torch.randn(1, rows, width, generator=torch.Generator().manual_seed(1)).bfloat16()


def stored_fp8(inputs: int, outputs: int) -> StoredFp8Linear:
    return StoredFp8Linear.of(layer(inputs, outputs), torch.tensor(0.01))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_fp8_of_a_checkpoint_on_the_tensor_cores_is_its_emulation() -> None:
    stored, x = stored_fp8(320, 96), even(64, 320)
    emulated = Fp8Linear.stored(stored, torch.bfloat16)(x)
    real = Fp8Linear.stored(stored.cuda(), torch.bfloat16)(x.cuda()).cpu()
    assert relative(real, emulated.float()) < 0.01


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_fp8_on_the_tensor_cores_is_its_emulation() -> None:
    linear, x = layer(320, 96, dtype=torch.bfloat16), activations(64, 320, torch.bfloat16)
    emulated, real = Fp8Linear.of(linear)(x), Fp8Linear.of(linear.cuda())(x.cuda()).cpu()
    assert relative(real, emulated.float()) < 0.01
