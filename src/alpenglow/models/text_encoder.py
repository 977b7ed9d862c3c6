"""The decoder-only trunk of a language model (Qwen3; Mistral by config), up to its last tapped layer.

What the transformer sees of a prompt is the hidden states after a few middle layers, side by side. Later layers, the
final norm and the output head are never built. Parameter names are Hugging Face's. Knows nothing of text or tokenizers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpenglow.models.attention import apply_rope_halves, attention, attention_over_prefix, rope


@dataclass(frozen=True)
class TextEncoderConfig:
    """`taps` are numbers of layers, counted from 1, after which the hidden state is taken."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int = 128
    taps: tuple[int, ...] = (9, 18, 27)
    rope_theta: float = 1e6
    rms_eps: float = 1e-6
    qk_norm: bool = True

    @property
    def context_dim(self) -> int:
        """Width of a prompt token as the transformer sees it."""
        return len(self.taps) * self.hidden_size


class Trunk(nn.Module):
    """What checkpoints name `model.`: embeddings and layers, without the head that makes words."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([DecoderLayer(config) for _ in range(max(config.taps))])


class TextEncoder(nn.Module):
    """Token ids to the stacked hidden states of the tapped layers."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids (B, L) int, mask (B, L) bool, True at real tokens -> (B, L, taps * hidden_size).

        Pads have states too, and the transformer sees them: a pad at position p looks at the real tokens before it,
        never at a pad, not even itself. Positions count from 0 over pads and all.
        """
        length = ids.shape[1]
        # A mask on the CPU spares a GPU from being waited for. There pairs with pads cost less than new shapes do, and
        # Metal's own causal mask lets queries in bf16 look ahead (pytorch/pytorch#195910).
        visible = visibility(mask) if ids.device.type == "cpu" else pairs(mask)
        if isinstance(visible, Tensor):
            visible = visible.to(ids.device)
        positions = torch.arange(length, device=ids.device)[:, None]
        rotary = rope(positions, (self.config.head_dim,), self.config.rope_theta, torch.float32)

        x = self.model.embed_tokens(ids)  # (B, L, h)
        states = []
        for number, layer in enumerate(self.model.layers, start=1):
            x = layer(x, rotary, visible)
            if number in self.config.taps:
                states.append(x)
        return torch.cat(states, dim=-1)


Visible = int | Tensor
"""Where queries may look: at the real tokens before them, said by their number or, row by row, by (B, 1, L, L)."""


def visibility(mask: Tensor) -> Visible:
    """What `mask` (B, L), True at real tokens, lets queries see.

    A number where real tokens come first and are equally many in each row, as with one prompt padded on the right:
    then no key of a pad is made and no pair with a pad is computed.
    """
    mask = mask.bool()
    lengths = mask.sum(dim=1)
    first = int(lengths[0])
    if bool((lengths == first).all()) and bool(mask[:, :first].all()) and first > 0:
        return first
    return pairs(mask)


def pairs(mask: Tensor) -> Tensor:
    """The same row by row, (B, 1, L, L): one shape for prompts of every length."""
    mask = mask.bool()
    length = mask.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
    return causal & mask[:, None, None, :]


class DecoderLayer(nn.Module):
    """Attention and gated MLP, each on a normed input and added to the stream."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_eps)
        self.self_attn = CausalAttention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_eps)
        self.mlp = GatedMLP(config)

    def forward(self, x: Tensor, rotary: Tensor, visible: Visible) -> Tensor:
        """(B, L, h) -> the same."""
        x = x + self.self_attn(self.input_layernorm(x), rotary, visible)
        return x + self.mlp(self.post_attention_layernorm(x))


class CausalAttention(nn.Module):
    """Grouped-query attention with rotary positions and, for Qwen3, normed queries and keys."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        h, d = config.hidden_size, config.head_dim
        self.head_dim = d
        self.q_proj = nn.Linear(h, config.num_heads * d, bias=False)
        self.k_proj = nn.Linear(h, config.num_kv_heads * d, bias=False)
        self.v_proj = nn.Linear(h, config.num_kv_heads * d, bias=False)
        self.o_proj = nn.Linear(config.num_heads * d, h, bias=False)
        self.q_norm = RMSNorm(d, config.rms_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(d, config.rms_eps) if config.qk_norm else nn.Identity()

    def forward(self, x: Tensor, rotary: Tensor, visible: Visible) -> Tensor:
        """(B, L, h) -> the same."""
        seen = x[:, :visible] if isinstance(visible, int) else x  # (B, P, h): nobody looks at a pad
        # (B, L or P, heads * d) -> (B, heads, L or P, d)
        q, k, v = (
            proj(y).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for proj, y in ((self.q_proj, x), (self.k_proj, seen), (self.v_proj, seen))
        )
        q = apply_rope_halves(self.q_norm(q), rotary)
        k = apply_rope_halves(self.k_norm(k), rotary[:, : k.shape[2]])
        out = attention_over_prefix(q, k, v) if isinstance(visible, int) else attention(q, k, v, visible)
        return self.o_proj(out.transpose(1, 2).flatten(2))


class GatedMLP(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, h) -> the same."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class RMSNorm(nn.Module):
    """x / rms(x) in fp32, rounded to x's dtype, then times the weight: the order of the language models' code."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Shape unchanged."""
        y = x.float()
        return self.weight * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x)
