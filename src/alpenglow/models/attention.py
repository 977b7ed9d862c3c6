"""Attention and rotary embedding: the only file that names an attention kernel."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(q, k, v), each (B, heads, N, head_dim), to (B, heads, N, head_dim)."""


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(d)) v. Shapes (B, heads, N, d); `k` and `v` may be longer, or have fewer heads.

    `mask` is boolean, True where a query may look, or what is added to the scores. A query that may look nowhere gets
    zeros.
    """
    if mask is None and q.dtype == torch.bfloat16 and q.device.type == "cpu" and q.shape[2] >= MANY:
        return attention_by_heads(q, k, v)
    if mask is None and q.device.type == "mps" and q.shape[:3].numel() * k.shape[2] > METAL_SCORES:
        return attention_in_parts(q, k, v, METAL_SCORES)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=k.shape[1] != q.shape[1])


MANY = 64
"""Queries from which two products a head pay for their overhead."""

QUERIES = 1024
"""Queries of a head whose scores are held at a time, to stay in a core's cache."""


def attention_by_heads(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same sum, a head at a time, as two plain products: on CPUs three times as fast in bf16 as torch's kernel."""
    group = q.shape[1] // k.shape[1]
    out = torch.empty_like(q)
    scaled = q * q.shape[-1] ** -0.5
    for row in range(q.shape[0]):
        for head in range(q.shape[1]):
            keys, values = k[row, head // group].t(), v[row, head // group]
            for start in range(0, q.shape[2], QUERIES):
                part = slice(start, start + QUERIES)
                out[row, head, part] = (scaled[row, head, part] @ keys).softmax(-1) @ values
    return out


METAL_SCORES = 2**30
"""Scores that are asked of Metal at a time. It holds them all, and beyond 2**32 its sums are wrong or it aborts
(pytorch/pytorch#179352, #149325).
"""


def attention_in_parts(q: Tensor, k: Tensor, v: Tensor, scores: int) -> Tensor:
    """The same sum for so many queries at a time that no more than `scores` pairs are held at once."""
    queries = max(1, scores // (q.shape[0] * q.shape[1] * k.shape[2]))
    gqa = k.shape[1] != q.shape[1]
    return torch.cat([F.scaled_dot_product_attention(part, k, v, enable_gqa=gqa) for part in q.split(queries, 2)], 2)


def attention_in_batches(q: Tensor, k: Tensor, v: Tensor, added: Tensor | None = None) -> Tensor:
    """The same sum for all heads at once, which holds their scores: the fastest on CPUs where gradients are wanted.

    `added` is added to the scores.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return (scores if added is None else scores + added).softmax(-1) @ v


ANY_LENGTH = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Kernels that take new lengths as they come. cuDNN's, the first choice on an H100, builds a plan for each of them,
which takes tenths of a second: worth it for the few sizes of pictures, not for all that training meets."""


def attention_over_prefix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention within the first P positions, all later queries over those P and nothing else.

    q (B, heads, L, d); k, v (B, kv_heads, P, d), P <= L. What a mask of (L, L) would say, without its wasted pairs.
    """
    prefix, gqa = k.shape[2], k.shape[1] != q.shape[1]
    within = F.scaled_dot_product_attention(q[:, :, :prefix], k, v, is_causal=True, enable_gqa=gqa)
    if prefix == q.shape[2]:
        return within
    return torch.cat([within, attention(q[:, :, prefix:], k, v)], dim=2)


def rope(ids: Tensor, axes_dim: Sequence[int], theta: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """Rotary table of `ids` (N, axes): cosines and sines, (2, N, sum(axes_dim) / 2), fp32.

    Axis a turns its frequency k, k = 0 .. axes_dim[a]/2 - 1, by ids[:, a] * theta^(-2k / axes_dim[a]). Angles are in
    `dtype`: fp64 for the transformer, fp32 for the language models. At position 500 the two differ by some 1e-5, which
    27 layers raise to 1e-4, so each keeps to what its reference implementation does.
    """
    angles = [
        ids[:, axis, None].to(dtype) * (1.0 / theta ** (torch.arange(0, dim, 2, dtype=dtype, device=ids.device) / dim))
        for axis, dim in enumerate(axes_dim)
    ]
    angle = torch.cat(angles, dim=-1)  # (N, D/2)
    return torch.stack([angle.cos(), angle.sin()]).float()


def apply_rope(x: Tensor, table: Tensor) -> Tensor:
    """Turn the interleaved pairs (2j, 2j+1) of `x` (B, heads, N, D) by `table` (2, N, D/2), in fp32."""
    cos, sin = table
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)  # 2 x (B, heads, N, D/2)
    turned = torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1)
    return turned.flatten(-2).type_as(x)


def apply_rope_halves(x: Tensor, table: Tensor) -> Tensor:
    """Turn the pairs (j, j + D/2) of `x` (B, heads, N, D): the layout of the language models."""
    cos, sin = table.type_as(x)
    low, high = x.chunk(2, dim=-1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)


class ReferenceMemory:
    """Keys and values of the reference tokens in every block, for the row whose references look only at themselves.

    Record them in one pass over the references alone (an empty text, timestep 0), then let every step read them: they
    depend on nothing but the reference set, so they hold across steps, prompts, seeds and sizes.
    """

    def __init__(self) -> None:
        self.layers: list[tuple[Tensor, Tensor]] = []

    def record(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend as usual and keep this block's keys (after norm and rotation) and values."""
        self.layers.append((k, v.contiguous()))  # a view would keep all of the layer's output that it is cut from
        return attention(q, k, v)

    def recorder(self) -> Attend:
        """`record` as an `Attend` for one forward."""
        return uncompiled(self.record)

    def reader(self, num_text: int) -> Attend:
        """An `Attend` for one forward that puts the kept keys and values between those of text and image."""
        layers: Iterator[tuple[Tensor, Tensor]] = iter(self.layers)

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            kept_k, kept_v = next(layers)
            return attention(q, insert(k, kept_k), insert(v, kept_v))

        def insert(x: Tensor, kept: Tensor) -> Tensor:
            rows = kept.expand(x.shape[0], -1, -1, -1)  # one reference set, whatever rides along
            return torch.cat([x[:, :, :num_text], rows, x[:, :, num_text:]], dim=2)

        return uncompiled(attend)

    @property
    def bytes(self) -> int:
        """What the keys and values take."""
        return sum(t.numel() * t.element_size() for layer in self.layers for t in layer)


def uncompiled(attend: Attend) -> Attend:
    """`attend`, left out of blocks that are compiled: what counts blocks would be compiled anew for each of them."""
    return torch.compiler.disable(attend)
