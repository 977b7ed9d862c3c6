"""The names that each network's tensors bear on disk, as tables.

Inside, parameters have BFL's names (the text encoder's: Hugging Face's). A `Layout` says what a file calls them and,
for the few that lie on disk in other pieces, how to join them. Knows names and shapes; opens no file.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import Flux2Transformer


class Form(NamedTuple):
    """How one of our tensors lies on disk: `split` takes it apart, `join` is its exact inverse."""

    join: Callable[[list[Tensor]], Tensor]
    split: Callable[[Tensor], Sequence[Tensor]]


class Stored(NamedTuple):
    """Where one of our tensors is on disk: its keys, in order, and their form."""

    keys: tuple[str, ...]
    form: Form


AS_IS = Form(lambda pieces: pieces[0], lambda ours: (ours,))
THREE_ROWS = Form(torch.cat, lambda ours: ours.chunk(3))
SWAPPED_HALVES = Form(
    lambda pieces: torch.cat(pieces[0].chunk(2)[::-1]), lambda ours: (torch.cat(ours.chunk(2)[::-1]),)
)
LINEAR = Form(lambda pieces: pieces[0][:, :, None, None], lambda ours: (ours[:, :, 0, 0],))
"""A 1x1 convolution of ours that is a Linear there."""


class Rule(NamedTuple):
    """Our pattern, theirs (several where one of our tensors is stored in pieces), and the form.

    Fields: {i} and {j} are block numbers, {r} is {i} counted from the last block, {side} is encoder or decoder, {leaf}
    the rest of a name.
    """

    ours: str
    theirs: tuple[str, ...]
    form: Form


@dataclass(frozen=True)
class Layout:
    """The names of one kind of file. `ignored` are regular expressions for parts of a network that we never build."""

    name: str
    rules: tuple[Rule, ...]
    ignored: tuple[str, ...] = ()

    def locate(self, names: Iterable[str]) -> dict[str, Stored]:
        """Our names -> where each is stored. A name that no rule covers is a KeyError: the table has a hole."""
        names = list(names)
        return {name: self._locate(name, names) for name in names}

    def export(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors by our names -> the same numbers as this layout stores them."""
        return {
            key: piece
            for name, stored in self.locate(tensors).items()
            for key, piece in zip(stored.keys, stored.form.split(tensors[name]), strict=True)
        }

    def covers(self, name: str) -> bool:
        """Whether there is a place in this layout for what we call `name`."""
        return any(_pattern(rule.ours).fullmatch(name) for rule in self.rules)

    def ignores(self, key: str, read: Iterable[str]) -> bool:
        """True for a key of a part that we never build: one from which none of the keys that we read comes."""
        parts = [found[0] for pattern in self.ignored if (found := re.match(pattern, key))]
        return bool(parts) and not any(wanted.startswith(tuple(parts)) for wanted in read)

    def _locate(self, name: str, names: Sequence[str]) -> Stored:
        for rule in self.rules:
            if found := _pattern(rule.ours).fullmatch(name):
                fields = found.groupdict()
                if "{r}" in rule.theirs[0]:
                    blocks = rule.ours.partition("{i}")[0]
                    last = max(int(n[len(blocks) :].split(".")[0]) for n in names if n.startswith(blocks))
                    fields["r"] = str(last - int(fields["i"]))
                return Stored(tuple(theirs.format(**fields) for theirs in rule.theirs), rule.form)
        raise KeyError(f"no rule of the {self.name} layout covers {name}")


def _pattern(ours: str) -> re.Pattern[str]:
    """A rule's pattern as a regular expression whose groups are its fields."""
    kinds = {"i": r"\d+", "j": r"\d+", "side": "encoder|decoder", "leaf": ".+"}
    return re.compile(re.sub(r"\\{(\w+)\\}", lambda field: f"(?P<{field[1]}>{kinds[field[1]]})", re.escape(ours)))


def _rules(table: str, form: Form = AS_IS) -> tuple[Rule, ...]:
    """One rule a line: our pattern, then theirs, separated by blanks."""
    return tuple(Rule(ours, tuple(theirs), form) for ours, *theirs in map(str.split, table.strip().splitlines()))


SAME_NAMES = _rules("{leaf} {leaf}")

DIFFUSERS_TRANSFORMER = (
    *_rules(
        """
        double_blocks.{i}.img_attn.qkv.weight  transformer_blocks.{i}.attn.to_q.weight        transformer_blocks.{i}.attn.to_k.weight        transformer_blocks.{i}.attn.to_v.weight
        double_blocks.{i}.txt_attn.qkv.weight  transformer_blocks.{i}.attn.add_q_proj.weight  transformer_blocks.{i}.attn.add_k_proj.weight  transformer_blocks.{i}.attn.add_v_proj.weight
        """,  # noqa: E501 - a table
        THREE_ROWS,
    ),
    *_rules("final_layer.adaLN_modulation.1.weight  norm_out.linear.weight", SWAPPED_HALVES),
    *_rules(
        """
        img_in.weight                                       x_embedder.weight
        txt_in.weight                                       context_embedder.weight
        time_in.in_layer.weight                             time_guidance_embed.timestep_embedder.linear_1.weight
        time_in.out_layer.weight                            time_guidance_embed.timestep_embedder.linear_2.weight
        guidance_in.in_layer.weight                         time_guidance_embed.guidance_embedder.linear_1.weight
        guidance_in.out_layer.weight                        time_guidance_embed.guidance_embedder.linear_2.weight
        double_stream_modulation_img.lin.weight             double_stream_modulation_img.linear.weight
        double_stream_modulation_txt.lin.weight             double_stream_modulation_txt.linear.weight
        single_stream_modulation.lin.weight                 single_stream_modulation.linear.weight
        double_blocks.{i}.img_attn.norm.query_norm.scale    transformer_blocks.{i}.attn.norm_q.weight
        double_blocks.{i}.img_attn.norm.key_norm.scale      transformer_blocks.{i}.attn.norm_k.weight
        double_blocks.{i}.img_attn.proj.weight              transformer_blocks.{i}.attn.to_out.0.weight
        double_blocks.{i}.img_mlp.0.weight                  transformer_blocks.{i}.ff.linear_in.weight
        double_blocks.{i}.img_mlp.2.weight                  transformer_blocks.{i}.ff.linear_out.weight
        double_blocks.{i}.txt_attn.norm.query_norm.scale    transformer_blocks.{i}.attn.norm_added_q.weight
        double_blocks.{i}.txt_attn.norm.key_norm.scale      transformer_blocks.{i}.attn.norm_added_k.weight
        double_blocks.{i}.txt_attn.proj.weight              transformer_blocks.{i}.attn.to_add_out.weight
        double_blocks.{i}.txt_mlp.0.weight                  transformer_blocks.{i}.ff_context.linear_in.weight
        double_blocks.{i}.txt_mlp.2.weight                  transformer_blocks.{i}.ff_context.linear_out.weight
        single_blocks.{i}.linear1.weight                    single_transformer_blocks.{i}.attn.to_qkv_mlp_proj.weight
        single_blocks.{i}.linear2.weight                    single_transformer_blocks.{i}.attn.to_out.weight
        single_blocks.{i}.norm.query_norm.scale             single_transformer_blocks.{i}.attn.norm_q.weight
        single_blocks.{i}.norm.key_norm.scale               single_transformer_blocks.{i}.attn.norm_k.weight
        final_layer.linear.weight                           proj_out.weight
        """
    ),
)

DIFFUSERS_AUTOENCODER = (
    *_rules(
        """
        {side}.mid.attn_1.q.weight         {side}.mid_block.attentions.0.to_q.weight
        {side}.mid.attn_1.k.weight         {side}.mid_block.attentions.0.to_k.weight
        {side}.mid.attn_1.v.weight         {side}.mid_block.attentions.0.to_v.weight
        {side}.mid.attn_1.proj_out.weight  {side}.mid_block.attentions.0.to_out.0.weight
        """,
        LINEAR,
    ),
    *_rules(
        """
        {side}.mid.attn_1.q.bias                       {side}.mid_block.attentions.0.to_q.bias
        {side}.mid.attn_1.k.bias                       {side}.mid_block.attentions.0.to_k.bias
        {side}.mid.attn_1.v.bias                       {side}.mid_block.attentions.0.to_v.bias
        {side}.mid.attn_1.proj_out.bias                {side}.mid_block.attentions.0.to_out.0.bias
        {side}.mid.attn_1.norm.{leaf}                  {side}.mid_block.attentions.0.group_norm.{leaf}
        {side}.mid.block_1.{leaf}                      {side}.mid_block.resnets.0.{leaf}
        {side}.mid.block_2.{leaf}                      {side}.mid_block.resnets.1.{leaf}
        {side}.norm_out.{leaf}                         {side}.conv_norm_out.{leaf}
        {side}.conv_in.{leaf}                          {side}.conv_in.{leaf}
        {side}.conv_out.{leaf}                         {side}.conv_out.{leaf}
        encoder.quant_conv.{leaf}                      quant_conv.{leaf}
        encoder.down.{i}.downsample.conv.{leaf}        encoder.down_blocks.{i}.downsamplers.0.conv.{leaf}
        encoder.down.{i}.block.{j}.nin_shortcut.{leaf} encoder.down_blocks.{i}.resnets.{j}.conv_shortcut.{leaf}
        encoder.down.{i}.block.{j}.{leaf}              encoder.down_blocks.{i}.resnets.{j}.{leaf}
        decoder.post_quant_conv.{leaf}                 post_quant_conv.{leaf}
        decoder.up.{i}.upsample.conv.{leaf}            decoder.up_blocks.{r}.upsamplers.0.conv.{leaf}
        decoder.up.{i}.block.{j}.nin_shortcut.{leaf}   decoder.up_blocks.{r}.resnets.{j}.conv_shortcut.{leaf}
        decoder.up.{i}.block.{j}.{leaf}                decoder.up_blocks.{r}.resnets.{j}.{leaf}
        bn.{leaf}                                      bn.{leaf}
        """
    ),
)

UNTAPPED = (r"lm_head\.", r"model\.(norm|layers\.\d+)\.")
"""What a language model has beyond its last tapped layer."""
MISTRAL_3 = (
    *(rf"language_model\.{pattern}" for pattern in UNTAPPED),
    r"(vision_tower|multi_modal_projector)\.",
)
"""The same of one that has eyes."""


LAYOUTS: Mapping[type[nn.Module], tuple[Layout, ...]] = {
    Flux2Transformer: (
        Layout("diffusers", DIFFUSERS_TRANSFORMER),
        Layout("BFL", SAME_NAMES),
        Layout("repackaged BFL", _rules("{leaf} model.diffusion_model.{leaf}")),
    ),
    AutoEncoder: (
        Layout("diffusers", DIFFUSERS_AUTOENCODER),
        Layout("BFL", SAME_NAMES),
    ),
    TextEncoder: (
        Layout("diffusers", SAME_NAMES, UNTAPPED),
        Layout("Mistral 3", _rules("{leaf} language_model.{leaf}"), MISTRAL_3),
    ),
}
"""Layouts of each network's files; the first is the one that we write."""

VARIANTS: Mapping[type[nn.Module], tuple[str, Mapping[int, str]]] = {
    Flux2Transformer: ("img_in.weight", {3072: "klein 4B", 4096: "klein 9B", 6144: "dev"}),
    AutoEncoder: ("decoder.up.0.block.0.conv1.bias", {128: "FLUX.2's own decoder", 96: "the small decoder"}),
    TextEncoder: (
        "model.layers.0.input_layernorm.weight",
        {2560: "Qwen3-4B", 4096: "Qwen3-8B", 5120: "Mistral Small 3"},
    ),
}
"""A tensor of each network whose first dimension tells the published variants apart."""
