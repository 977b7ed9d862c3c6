"""Group norm for pictures in channels-last memory, which torch's own copies to channels-first and back on CUDA.

Has a slow twin in the tests, `nn.GroupNorm`. Meant to be compiled: then what follows is part of the same pass.
"""

import torch
from torch import Tensor, nn


class ChannelsLastGroupNorm(nn.GroupNorm):
    """The same numbers by way of each row's and channel's own mean and variance, read in the order they lie in."""

    @classmethod
    def of(cls, norm: nn.GroupNorm) -> "ChannelsLastGroupNorm":
        """A view of `norm` with another forward."""
        with torch.device("meta"):
            made = cls(norm.num_groups, norm.num_channels, norm.eps)
        made.weight, made.bias = norm.weight, norm.bias
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        y = x.permute(0, 2, 3, 1).float()  # (B, H, W, C), as it lies in memory
        # Over W alone: rows times channels keep a GPU busy, 32 groups would not.
        var, mean = torch.var_mean(y, dim=2, correction=0)  # 2 x (B, H, C)
        var, mean = (t.unflatten(2, (self.num_groups, -1)) for t in (var, mean))  # 2 x (B, H, groups, C / groups)
        spread, centre = torch.var_mean(mean, dim=(1, 3), correction=0, keepdim=True)  # 2 x (B, 1, groups, 1)
        scale = torch.rsqrt(var.mean(dim=(1, 3), keepdim=True) + spread + self.eps)
        scale, centre = (t.expand(-1, -1, -1, x.shape[1] // self.num_groups).flatten(2) for t in (scale, centre))
        y = (y - centre[:, None]) * (scale[:, None] * self.weight.float()) + self.bias.float()
        return y.to(x.dtype).permute(0, 3, 1, 2)
