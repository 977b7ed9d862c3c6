"""The FLUX.2 transformer: double-stream blocks, then single-stream blocks, over text, image and reference tokens.

Parameter names are those of BFL's single files. Equations: `NOTES.md` and the FLUX.2 reference code (Apache-2.0).
Knows nothing of schedules, of latents' layout, of prompts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpenglow.models.attention import Attend, apply_rope, attention

NORM_EPS = 1e-6


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of one transformer. The head dimension is `hidden_size / num_heads` and equals the sum of `axes_dim`."""

    hidden_size: int
    num_heads: int
    num_double_blocks: int
    num_single_blocks: int
    context_dim: int
    in_channels: int = 128
    mlp_ratio: float = 3.0
    axes_dim: tuple[int, ...] = (32, 32, 32, 32)
    theta: int = 2000
    guidance_embed: bool = False

    def __post_init__(self) -> None:
        if sum(self.axes_dim) * self.num_heads != self.hidden_size:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not num_heads {self.num_heads} x sum of axes_dim {self.axes_dim}"
            )


class Flux2Transformer(nn.Module):
    """Predicts the velocity, noise - data, of image tokens."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        h = config.hidden_size
        self.img_in = nn.Linear(config.in_channels, h, bias=False)
        self.txt_in = nn.Linear(config.context_dim, h, bias=False)
        self.time_in = SinusoidEmbedder(h)
        if config.guidance_embed:
            self.guidance_in = SinusoidEmbedder(h)
        self.double_stream_modulation_img = Modulation(h, 2)
        self.double_stream_modulation_txt = Modulation(h, 2)
        self.single_stream_modulation = Modulation(h, 1)
        self.double_blocks = nn.ModuleList([DoubleStreamBlock(config) for _ in range(config.num_double_blocks)])
        self.single_blocks = nn.ModuleList([SingleStreamBlock(config) for _ in range(config.num_single_blocks)])
        self.final_layer = LastLayer(h, config.in_channels)

    @property
    def blocks(self) -> list[nn.Module]:
        """All of both kinds, in the order in which a forward takes them."""
        return [*self.double_blocks, *self.single_blocks]

    def forward(
        self,
        img: Tensor,
        txt: Tensor,
        timestep: Tensor,
        rotary: Tensor,
        *,
        references: Tensor | None = None,
        guidance: Tensor | None = None,
        attend: Attend = attention,
        modulations: Modulations | None = None,
    ) -> Tensor:
        """Velocity of `img`, (B, N, C).

        img (B, N, C) noisy latents; txt (B, L, context_dim); timestep (B,) in [0, 1], one a row; references (B, R, C)
        clean latents that follow the image tokens; rotary (2, L + N + R, D/2) for text, image, references in this
        order; guidance (B,) only where the row embeds it. `modulations` are those of timestep and guidance, where the
        caller has kept them.
        """
        by = self.modulations(timestep, guidance) if modulations is None else modulations
        num_img, num_txt = img.shape[1], txt.shape[1]
        img = self.img_in(img if references is None else torch.cat([img, references], dim=1))  # (B, N + R, h)
        txt = self.txt_in(txt)  # (B, L, h)
        for block in self.double_blocks:
            img, txt = block(img, txt, by.img, by.txt, rotary, attend)
        x = torch.cat([txt, img], dim=1)  # (B, L + N + R, h)
        for block in self.single_blocks:
            x = block(x, by.single, rotary, attend)
        return self.final_layer(x[:, num_txt : num_txt + num_img], *by.last)

    def modulations(self, timestep: Tensor, guidance: Tensor | None = None) -> Modulations:
        """All that a forward takes from timestep (B,) and guidance (B,): nothing of the picture, so it can be kept."""
        dtype = self.img_in.weight.dtype
        vec = self.time_in(timestep).to(dtype)  # (B, h)
        if guidance is not None:
            vec = vec + self.guidance_in(guidance).to(dtype)
        (single,) = self.single_stream_modulation(vec)
        img, txt = self.double_stream_modulation_img(vec), self.double_stream_modulation_txt(vec)
        return Modulations(img, txt, single, self.final_layer.modulation(vec))


class Modulations(NamedTuple):
    """Shifts, scales and gates of every block for one batch of timesteps; `last` has no gate."""

    img: tuple[ModulationOut, ModulationOut]
    txt: tuple[ModulationOut, ModulationOut]
    single: ModulationOut
    last: tuple[Tensor, Tensor]

    def tensors(self) -> list[Tensor]:
        """All of them, in the order that `of` takes."""
        return [*self.img[0], *self.img[1], *self.txt[0], *self.txt[1], *self.single, *self.last]

    @classmethod
    def of(cls, tensors: Iterable[Tensor]) -> Self:
        """The inverse of `tensors`."""
        *blocks, shift, scale = tensors
        img1, img2, txt1, txt2, single = (ModulationOut(*blocks[i : i + 3]) for i in range(0, 15, 3))
        return cls((img1, img2), (txt1, txt2), single, (shift, scale))

    @classmethod
    def joined(cls, rows: Sequence[Self]) -> Self:
        """Those of several batches as one."""
        if len(rows) == 1:
            return rows[0]
        return cls.of(torch.cat(same) for same in zip(*(row.tensors() for row in rows), strict=True))

    @property
    def bytes(self) -> int:
        """What all of them take."""
        return sum(tensor.nbytes for tensor in self.tensors())


class ModulationOut(NamedTuple):
    """One modulation: three (B, 1, h) tensors, in the order in which the checkpoint stores them."""

    shift: Tensor
    scale: Tensor
    gate: Tensor


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """(1 + scale) LayerNorm(x) + shift; the norm has no parameters of its own."""
    return (1 + scale) * F.layer_norm(x, x.shape[-1:], eps=NORM_EPS) + shift


class DoubleStreamBlock(nn.Module):
    """Image and text keep their own weights and meet in one joint attention, text first."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.img_attn = SelfAttention(config)
        self.img_mlp = GatedMLP(config)
        self.txt_attn = SelfAttention(config)
        self.txt_mlp = GatedMLP(config)

    def forward(
        self,
        img: Tensor,
        txt: Tensor,
        modulation_img: tuple[ModulationOut, ModulationOut],
        modulation_txt: tuple[ModulationOut, ModulationOut],
        rotary: Tensor,
        attend: Attend,
    ) -> tuple[Tensor, Tensor]:
        """img (B, N, h), txt (B, L, h) -> the same."""
        img_mod1, img_mod2 = modulation_img
        txt_mod1, txt_mod2 = modulation_txt

        # 3 x (B, heads, N, D) and 3 x (B, heads, L, D)
        img_q, img_k, img_v = self.img_attn.heads(modulate(img, img_mod1.shift, img_mod1.scale))
        txt_q, txt_k, txt_v = self.txt_attn.heads(modulate(txt, txt_mod1.shift, txt_mod1.scale))
        q = apply_rope(torch.cat([txt_q, img_q], dim=2), rotary)
        k = apply_rope(torch.cat([txt_k, img_k], dim=2), rotary)
        v = torch.cat([txt_v, img_v], dim=2)
        out = attend(q, k, v).transpose(1, 2).flatten(2)  # (B, L + N, h)
        txt_out, img_out = out[:, : txt.shape[1]], out[:, txt.shape[1] :]

        img = img + img_mod1.gate * self.img_attn.proj(img_out)
        img = img + img_mod2.gate * self.img_mlp(modulate(img, img_mod2.shift, img_mod2.scale))
        txt = txt + txt_mod1.gate * self.txt_attn.proj(txt_out)
        txt = txt + txt_mod2.gate * self.txt_mlp(modulate(txt, txt_mod2.shift, txt_mod2.scale))
        return img, txt


class SingleStreamBlock(nn.Module):
    """Attention and MLP side by side over the joined sequence: one Linear in, one Linear out."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        h = config.hidden_size
        self.num_heads = config.num_heads
        self.mlp_size = int(h * config.mlp_ratio)
        self.linear1 = nn.Linear(h, 3 * h + 2 * self.mlp_size, bias=False)  # rows: q, k, v, gate, up
        self.linear2 = nn.Linear(h + self.mlp_size, h, bias=False)  # columns: attention, MLP
        self.norm = QKNorm(h // config.num_heads)

    def forward(self, x: Tensor, modulation: ModulationOut, rotary: Tensor, attend: Attend) -> Tensor:
        """x (B, L + N, h) -> the same."""
        h = x.shape[-1]
        x_mod = modulate(x, modulation.shift, modulation.scale)
        qkv, mlp = self.linear1(x_mod).split([3 * h, 2 * self.mlp_size], dim=-1)
        q, k, v = qkv.unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)  # 3 x (B, heads, L + N, D)
        q, k = self.norm(q, k)
        out = attend(apply_rope(q, rotary), apply_rope(k, rotary), v).transpose(1, 2).flatten(2)
        return x + modulation.gate * self.linear2(torch.cat([out, silu_gate(mlp)], dim=-1))


class SelfAttention(nn.Module):
    """The projections of one stream of a double block; the attention itself is the block's, over both streams."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        h = config.hidden_size
        self.num_heads = config.num_heads
        self.qkv = nn.Linear(h, 3 * h, bias=False)  # rows: q, k, v
        self.norm = QKNorm(h // config.num_heads)
        self.proj = nn.Linear(h, h, bias=False)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, N, h) -> normed q, normed k, v, each (B, heads, N, D)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return (*self.norm(q, k), v)


class QKNorm(nn.Module):
    """RMSNorm of queries and keys over the head dimension; one weight vector each, shared by the heads."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.query_norm = RMSNorm(head_dim)
        self.key_norm = RMSNorm(head_dim)

    def forward(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes unchanged."""
        return self.query_norm(q), self.key_norm(k)


class RMSNorm(nn.Module):
    """x / rms(x) * scale over the last dimension."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Shape unchanged."""
        return F.rms_norm(x, self.scale.shape, self.scale, NORM_EPS)


class GatedMLP(nn.Sequential):
    """down(silu(a) * b), [a | b] = up(x). A Sequential, as the checkpoint names its parts `0` and `2`."""

    def __init__(self, config: TransformerConfig) -> None:
        h, m = config.hidden_size, int(config.hidden_size * config.mlp_ratio)
        super().__init__(nn.Linear(h, 2 * m, bias=False), SiLUGate(), nn.Linear(m, h, bias=False))


class SiLUGate(nn.Module):
    """`silu_gate` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., 2m) -> (..., m)."""
        return silu_gate(x)


def silu_gate(x: Tensor) -> Tensor:
    """silu(a) * b of x = [a | b]: the first half is the gated one. (..., 2m) -> (..., m)."""
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


class Modulation(nn.Module):
    """`sets` x (shift, scale, gate) from the timestep's vector; made once a step for all blocks of a kind."""

    def __init__(self, h: int, sets: int) -> None:
        super().__init__()
        self.sets = sets
        self.lin = nn.Linear(h, 3 * sets * h, bias=False)

    def forward(self, vec: Tensor) -> tuple[ModulationOut, ...]:
        """vec (B, h) -> `sets` `ModulationOut`s of (B, 1, h) tensors."""
        parts = self.lin(F.silu(vec))[:, None].chunk(3 * self.sets, dim=-1)
        return tuple(ModulationOut(*parts[3 * i : 3 * i + 3]) for i in range(self.sets))


class SinusoidEmbedder(nn.Module):
    """W2 silu(W1 s(1000 u)), s the sinusoid of 256 values, of a timestep or a guidance scale u."""

    def __init__(self, h: int) -> None:
        super().__init__()
        self.in_layer = nn.Linear(SINUSOID_DIM, h, bias=False)
        self.out_layer = nn.Linear(h, h, bias=False)

    def forward(self, u: Tensor) -> Tensor:
        """u (B,) -> (B, h). u is rounded to the weights' dtype first, as in both reference implementations."""
        dtype = self.in_layer.weight.dtype
        s = sinusoid(u.to(dtype) * 1000).to(dtype)
        return self.out_layer(F.silu(self.in_layer(s)))


SINUSOID_DIM = 256


def sinusoid(u: Tensor) -> Tensor:
    """Cosines, then sines, of u f_j, f_j = 10000^(-j/128), j = 0..127. (B,) -> (B, 256), fp32."""
    half = SINUSOID_DIM // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=u.device) / half)
    angles = u[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class LastLayer(nn.Module):
    """Modulated norm and projection to the velocity."""

    def __init__(self, h: int, out_channels: int) -> None:
        super().__init__()
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(h, 2 * h, bias=False))  # rows: shift, scale
        self.linear = nn.Linear(h, out_channels, bias=False)

    def modulation(self, vec: Tensor) -> tuple[Tensor, Tensor]:
        """vec (B, h) -> shift and scale, (B, 1, h) each."""
        shift, scale = self.adaLN_modulation(vec)[:, None].chunk(2, dim=-1)
        return shift, scale

    def forward(self, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """x (B, N, h) -> (B, N, out_channels)."""
        return self.linear(modulate(x, shift, scale))
