"""Linear layers that compute as the device does it fastest. Which layer becomes which is `optimize.py`'s business.

Each takes over the weight of a plain Linear without a bias, as all of FLUX.2's are, and has a slow twin in the tests:
the same arithmetic, spelled out.
"""

import threading

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpenglow.models.stored_fp8 import StoredFp8Linear

INT8_MAX, FP8_MAX = 127.0, 448.0
ZERO = 128
"""oneDNN multiplies unsigned by signed bytes: activations are shifted by this much, and the shift is taken back."""

ROWS = 128
"""Rows that are quantised at a time, so that what lies between two passes stays in the cache."""

WIDE, PART = 8192, 1024
"""Inputs above which the maximum of a row is found in parts of so many."""

LARGE = 2**22
"""Weights of at least so many elements stay in the checkpoint's dtype. Some hundred tokens are multiplied by each, of
which widening it takes a few percent. The demo's weights are smaller, and so are its pictures."""


class WidenedLinear(nn.Linear):
    """Products in fp32 of a weight that, where it is LARGE, stays as the checkpoint holds it, mapped from its file.

    It is widened for each product, which rounds nothing: half or a quarter of the memory for the same bits, and pages
    that the system may take back. `scale` is what the numbers of an fp8 weight are to be multiplied by.
    """

    scale: Tensor | None = None

    @classmethod
    def of(cls, linear: nn.Linear, dtype: torch.dtype = torch.float32) -> "WidenedLinear":
        """`linear` with another forward, for inputs of `dtype`."""
        with torch.device("meta"):
            made = cls(linear.in_features, linear.out_features, bias=False)
        weight = linear.weight if linear.weight.numel() >= LARGE else linear.weight.to(dtype)
        made.weight = nn.Parameter(weight, requires_grad=False)
        return made

    @classmethod
    def stored(cls, linear: StoredFp8Linear, dtype: torch.dtype = torch.float32) -> "WidenedLinear":
        """The same of a checkpoint's fp8 layer."""
        if linear.weight.numel() < LARGE:
            return cls.of(linear.plain(dtype), dtype)
        with torch.device("meta"):
            made = cls(linear.in_features, linear.out_features, bias=False)
        made.weight = nn.Parameter(linear.weight, requires_grad=False)
        made.scale = linear.weight_scale
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        return F.linear(x, self.widened(x.dtype))

    def widened(self, dtype: torch.dtype) -> Tensor:
        """The weight (N, K) in `dtype`, until the next one is widened in this thread."""
        if self.weight.dtype == dtype:
            return self.weight
        wide = ROOM.take(self.weight, dtype)
        return wide if self.scale is None else wide.mul_(self.scale)


class OneDNNLinear(WidenedLinear):
    """By oneDNN instead of MKL, which takes AVX2 on processors that are not Intel's: 2.3x on a Zen 5."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.widened(x.dtype), None, "none", [], "")  # noqa: SLF001


class Room(threading.local):
    """One scratch buffer a thread for a widened weight: allocated afresh, its pages would cost more than widening."""

    def __init__(self) -> None:
        self._numbers = torch.empty(0)

    def take(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """A copy in `dtype`, over the one before."""
        if self._numbers.numel() < weight.numel() or self._numbers.dtype != dtype:
            with torch.inference_mode(mode=False):  # or it could be written to in that mode alone
                self._numbers = torch.empty(weight.numel(), dtype=dtype)
        return self._numbers[: weight.numel()].view(weight.shape).copy_(weight)


ROOM = Room()


class Int8Linear(nn.Module):
    """int8 weights, a scale for each output channel; int8 activations, a scale for each token, found on the way.

    y = s_x s_w (q_x q_w), q_x = round(x / s_x), s_x = max|x| / 127 of the row. By oneDNN on a CPU with VNNI; the
    weight is packed once, and rescaling by s_w happens in the kernel.
    """

    def __init__(self, quantised: Tensor, scale: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.out_features, self.in_features = quantised.shape
        self.dtype = dtype
        self.scale = scale
        self._zeros = torch.zeros(self.out_features, dtype=torch.int32)
        self._packed = torch.ops.onednn.qlinear_prepack(quantised, None)

    @classmethod
    def of(cls, linear: nn.Linear, dtype: torch.dtype | None = None) -> "Int8Linear":
        """Quantise and pack the weight of `linear`; outputs have `dtype`, or its own."""
        quantised, scale = quantise_int8(linear.weight)
        return cls(quantised, scale[:, 0], dtype or linear.weight.dtype)

    @classmethod
    def stored(cls, linear: StoredFp8Linear, dtype: torch.dtype) -> "Int8Linear":
        """The numbers of a checkpoint's fp8 layer, quantised anew; outputs have `dtype`."""
        return cls.of(linear.plain(torch.float32), dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        rows = x.reshape(-1, self.in_features)
        bytes_ = torch.empty(rows.shape, dtype=torch.uint8)
        scales = torch.empty(len(rows), 1, dtype=torch.float32)
        for start in range(0, len(rows), ROWS):
            quantised, scale = quantise_int8(rows[start : start + ROWS], ZERO)
            bytes_[start : start + ROWS], scales[start : start + ROWS] = quantised, scale
        y = self.product(bytes_)
        return y.mul_(scales.to(y.dtype)).unflatten(0, x.shape[:-1])

    def product(self, bytes_: Tensor) -> Tensor:
        """(M, K) uint8 around `ZERO` -> (M, N), rescaled by s_w: all but quantising and s_x."""
        return torch.ops.onednn.qlinear_pointwise(
            bytes_, 1.0, ZERO, self._packed, self.scale, self._zeros, None, 1.0, 0, self.dtype, "none", [], ""
        )


def quantise_int8(x: Tensor, zero: int = 0) -> tuple[Tensor, Tensor]:
    """x (M, K) -> int8 (uint8 around `zero`, where one is given) and fp32 scales (M, 1)."""
    scale = x.abs().amax(dim=1, keepdim=True).float().clamp_(min=1e-12) / INT8_MAX
    rounded = (x.float() / scale).round_()
    return rounded.add_(zero).to(torch.uint8) if zero else rounded.to(torch.int8), scale


class Fp8Linear(nn.Module):
    """e4m3 weights and activations, by the tensor cores of an H100 or newer: y = s_x s_w^T (q_x q_w).

    Made from a plain Linear, scales are row-wise and those of activations found on the way: nothing is ever clipped.
    Made from a checkpoint's own fp8 layer, they are its two constants, which saves the search for maxima. Where there
    are no such cores the product is computed in fp32 from the same fp8 numbers.
    """

    weight: Tensor
    scale: Tensor
    input_scale: Tensor | None

    def __init__(self, quantised: Tensor, scale: Tensor, dtype: torch.dtype, input_scale: Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = quantised.shape
        self.dtype = dtype
        self.register_buffer("weight", quantised)
        self.register_buffer("scale", scale)
        self.register_buffer("input_scale", input_scale)

    @classmethod
    def of(cls, linear: nn.Linear, dtype: torch.dtype | None = None) -> "Fp8Linear":
        """Quantise the weight of `linear`, where it is; outputs have `dtype`, or its own."""
        quantised, scale = quantise_fp8(linear.weight)
        return cls(quantised, scale, dtype or linear.weight.dtype)

    @classmethod
    def stored(cls, linear: StoredFp8Linear, dtype: torch.dtype) -> "Fp8Linear":
        """The numbers of a checkpoint's fp8 layer as they are; outputs have `dtype`."""
        return cls(linear.weight, linear.weight_scale, dtype, linear.input_scale)

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        rows = x.reshape(-1, self.in_features)
        if self.input_scale is None:
            q, s = quantise_fp8(rows)
        else:
            q, s = to_fp8(rows.float() / self.input_scale), self.input_scale
        return self._product(q, s).unflatten(0, x.shape[:-1])

    def _product(self, q: Tensor, s: Tensor) -> Tensor:
        scale = self.scale.t() if self.scale.dim() else self.scale
        if q.device.type != "cuda":
            return (F.linear(q.float(), self.weight.float()) * s * scale).to(self.dtype)
        return torch._scaled_mm(  # noqa: SLF001 - torch has no public name for it
            q, self.weight.t(), scale_a=s, scale_b=scale, out_dtype=self.dtype, use_fast_accum=True
        )


def quantise_fp8(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (M, K) -> e4m3 (M, K) and fp32 scales (M, 1)."""
    x = x.float()
    # Not divided: CUDA multiplies by the reciprocal of a constant, and a scale that is off by its last bit moves every
    # x that is halfway between two numbers of e4m3, which in rows whose maximum is 7 times a power of two many are.
    scale = largest(x).clamp(min=1e-12) * (1 / FP8_MAX)
    return to_fp8(x / scale), scale


def largest(x: Tensor) -> Tensor:
    """max |x| of each row, (M, K) -> (M, 1). Wide rows in parts, or a compiled kernel would have too few blocks."""
    x = x.abs()
    if x.shape[1] > WIDE and x.shape[1] % PART == 0:
        x = x.unflatten(1, (-1, PART)).amax(dim=2)
    return x.amax(dim=1, keepdim=True)


def to_fp8(x: Tensor) -> Tensor:
    """e4m3, what is too large being clipped: the conversion itself makes NaN of it."""
    return x.clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn)
