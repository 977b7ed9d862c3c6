"""A Linear as the published fp8 checkpoints hold it: e4m3 numbers, one scale for the weight, one for activations.

w = weight * weight_scale. `input_scale` was measured by the checkpoint's makers: activations divided by it fit e4m3.
Right on every device and fast on none; the engine puts a faster layer in its place.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StoredFp8Linear(nn.Module):
    """Without bias, as all Linears of FLUX.2's blocks."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", torch.empty(out_features, in_features, dtype=torch.float8_e4m3fn))
        self.register_buffer("weight_scale", torch.empty((), dtype=torch.float32))
        self.register_buffer("input_scale", torch.empty((), dtype=torch.float32))

    weight: Tensor
    weight_scale: Tensor
    input_scale: Tensor

    @classmethod
    def of(cls, linear: nn.Linear, input_scale: Tensor) -> "StoredFp8Linear":
        """As a checkpoint's maker would store `linear`: one scale, by which its largest weight just fits."""
        made = cls(linear.in_features, linear.out_features)
        made.weight_scale = linear.weight.detach().abs().amax().float() / torch.finfo(made.weight.dtype).max
        made.weight = (linear.weight.detach() / made.weight_scale).to(made.weight.dtype)
        made.input_scale = input_scale
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N), by the weight in x's dtype."""
        return F.linear(x, self.dequantised(x.dtype))

    def dequantised(self, dtype: torch.dtype) -> Tensor:
        """The weight (N, K), rounded to `dtype` once."""
        return (self.weight.float() * self.weight_scale).to(dtype)

    def plain(self, dtype: torch.dtype) -> nn.Linear:
        """A Linear of the same numbers."""
        with torch.device("meta"):
            made = nn.Linear(self.in_features, self.out_features, bias=False)
        made.weight = nn.Parameter(self.dequantised(dtype), requires_grad=False)
        return made
