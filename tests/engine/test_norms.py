"""The norm of compiled decoders is torch's, keeps the layout, and is compiled once for all sizes."""

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

from alpenglow.engine.norms import ChannelsLastGroupNorm


def norm() -> nn.GroupNorm:
    torch.manual_seed(0)
    made = nn.GroupNorm(4, 16, eps=1e-6).requires_grad_(requires_grad=False)
    nn.init.normal_(made.weight)
    nn.init.normal_(made.bias)
    return made


def pictures(*shape: int) -> torch.Tensor:
    """Far from zero, where a variance is easily lost: torch's own loses it on CPUs unless it counts in fp64."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 3 + 50
    return x.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(9, 7), (1, 1), (32, 32)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_group_norm(size, dtype) -> None:
    plain = norm()
    x = pictures(2, 16, *size).to(dtype)
    y = ChannelsLastGroupNorm.of(plain)(x)
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    bound = 1e-5 if dtype == torch.float32 else 0.02
    assert torch.allclose(y.double(), plain.double()(x.double()), atol=bound, rtol=bound)


def test_sizes_are_symbols() -> None:
    fast, counter = ChannelsLastGroupNorm.of(norm()), CompileCounter()
    torch.compiler.reset()
    fast.compile(dynamic=True, backend=counter)
    for height, width in ((9, 7), (8, 8), (30, 5)):
        fast(pictures(1, 16, height, width))
    assert counter.frame_count == 1
