"""Rotary tables and rotations are those of diffusers (interleaved pairs) and transformers (halves), bit by bit."""

from functools import partial

import pytest
import torch
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux2 import Flux2PosEmbed
from transformers import Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding, apply_rotary_pos_emb

from alpenglow.models.attention import (
    Attend,
    apply_rope,
    apply_rope_halves,
    attention,
    attention_by_heads,
    attention_in_batches,
    attention_in_parts,
    rope,
)
from alpenglow.models.tokens import image_ids, reference_ids, text_ids
from oracles import normal


@pytest.mark.parametrize(("axes", "theta"), [((32, 32, 32, 32), 2000), ((2, 12, 14, 4), 10000)])
def test_rotary_positions_of_the_transformer(axes: tuple[int, ...], theta: int) -> None:
    ids = torch.cat([text_ids(512), image_ids(3, 300), reference_ids([(2, 300), (5, 1), (1, 1), (9, 2)])])
    cos, sin = theirs = Flux2PosEmbed(theta, axes)(ids)  # 2 x (N, D): each frequency twice
    table = rope(ids, axes, theta)
    assert torch.equal(table.repeat_interleave(2, dim=-1), torch.stack([cos, sin]))
    x = normal(2, 3, len(ids), sum(axes))
    assert torch.equal(
        apply_rope(x, table), apply_rotary_emb(x.transpose(1, 2), theirs, sequence_dim=1).transpose(1, 2)
    )


def test_rotary_positions_of_the_text_encoder() -> None:
    positions = torch.arange(512)
    config = Qwen3Config(head_dim=128, num_attention_heads=1, hidden_size=128, rope_theta=1e6)
    x = normal(2, 3, 512, 128)
    cos, sin = Qwen3RotaryEmbedding(config)(x, positions[None])
    table = rope(positions[:, None], (128,), 1e6, torch.float32)
    assert torch.equal(table.repeat(1, 1, 2), torch.cat([cos, sin]))
    assert torch.equal(apply_rope_halves(x, table), apply_rotary_pos_emb(x, x, cos, sin)[0])


def test_a_rotation_keeps_the_dtype_but_not_its_rounding() -> None:
    x, table = normal(1, 1, 9, 8), rope(text_ids(9), (2, 2, 2, 2), 2000)
    half = apply_rope(x.bfloat16(), table)
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, apply_rope(x.bfloat16().float(), table).bfloat16())


def test_fewer_keys_than_queries_are_shared_in_groups() -> None:
    q, k, v = normal(2, 6, 5, 8), normal(2, 2, 7, 8, seed=1), normal(2, 2, 7, 8, seed=2)
    repeated = (x.repeat_interleave(3, dim=1) for x in (k, v))
    # Two kernels, whose sums of eight numbers near 1 are in different orders.
    torch.testing.assert_close(attention(q, k, v), attention(q, *repeated), rtol=0, atol=1e-6)


def test_who_may_look_nowhere_gets_zeros() -> None:
    q, k, v = (normal(1, 2, 3, 8, seed=seed) for seed in range(3))
    mask = torch.tensor([[False, False, False], [True, False, False], [True, True, True]])
    out = attention(q, k, v, mask)
    assert (out[:, :, 0] == 0).all()
    torch.testing.assert_close(out[:, :, 1], v[:, :, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(out[:, :, 2], attention(q, k, v)[:, :, 2], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "attend", [attention_by_heads, attention_in_batches, partial(attention_in_parts, scores=2 * 3 * 70 * 16)]
)
def test_every_way_to_attend_gives_the_same(attend: Attend) -> None:
    q, k, v = (normal(2, 3, 70, 8, seed=seed) for seed in range(3))
    # Sums of seventy numbers near 1, in other orders.
    torch.testing.assert_close(attend(q, k, v), attention(q, k, v), rtol=0, atol=2e-6)
