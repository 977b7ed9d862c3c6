"""Writes tests/data/keys: the tensors of the published checkpoints as diffusers and transformers build them.

    python tests/data/record_keys.py

One tensor a line, in the order in which they were sharded: name, sizes. `8 x transformer_blocks.` starts the indented
tensors of a block that comes eight times in a row; a prefix that comes again counts on.
"""

import re
from pathlib import Path

import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from torch import nn
from transformers import Mistral3Config, Mistral3ForConditionalGeneration, Qwen3Config, Qwen3ForCausalLM

QWEN3 = {
    "vocab_size": 151936,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
MISTRAL = {
    "model_type": "mistral",
    "vocab_size": 131072,
    "hidden_size": 5120,
    "intermediate_size": 32768,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
}


def transformer(heads: int, layers: int, single_layers: int, context: int, *, guidance: bool = False) -> nn.Module:
    return Flux2Transformer2DModel(
        num_attention_heads=heads,
        num_layers=layers,
        num_single_layers=single_layers,
        joint_attention_dim=context,
        guidance_embeds=guidance,
    )


CHECKPOINTS = {
    "transformer.klein-4b": lambda: transformer(24, 5, 20, 7680),
    "transformer.klein-9b": lambda: transformer(32, 8, 24, 12288),
    "transformer.dev": lambda: transformer(48, 8, 48, 15360, guidance=True),
    "autoencoder.flux2": AutoencoderKLFlux2,
    "autoencoder.small-decoder": lambda: AutoencoderKLFlux2(decoder_block_out_channels=(96, 192, 384, 384)),
    "text_encoder.klein-4b": lambda: Qwen3ForCausalLM(
        Qwen3Config(hidden_size=2560, intermediate_size=9728, tie_word_embeddings=True, **QWEN3)
    ),
    "text_encoder.klein-9b": lambda: Qwen3ForCausalLM(
        Qwen3Config(hidden_size=4096, intermediate_size=12288, tie_word_embeddings=False, **QWEN3)
    ),
    "text_encoder.dev": lambda: Mistral3ForConditionalGeneration(Mistral3Config(text_config=MISTRAL)),
}


def name_on_disk(key: str, model: nn.Module) -> str | None:
    """What save_pretrained calls a tensor; None if it leaves it out."""
    if isinstance(model, Mistral3ForConditionalGeneration):
        # The names of transformers 4, which later versions still write.
        key = re.sub(r"^lm_head", "language_model.lm_head", key)
        key = re.sub(r"^model\.(language_model\.)?", lambda found: "language_model.model." if found[1] else "", key)
    if isinstance(model, Qwen3ForCausalLM) and model.config.tie_word_embeddings and key == "lm_head.weight":
        return None
    return key


def lines(tensors: dict[str, tuple[int, ...]]) -> list[str]:
    """One line a tensor, equal neighbouring blocks folded into one."""
    blocks: list[tuple[str, list[str]]] = []  # prefix up to the block's number, the lines below it
    previous = None
    for name, shape in tensors.items():
        prefix, number, rest = re.fullmatch(r"(?:(.*?\.)(\d+)\.)?(.*)", name).groups()
        if (prefix, number) != previous or number is None:
            blocks.append((prefix or "", []))
            previous = (prefix, number)
        blocks[-1][1].append(" ".join([rest, *map(str, shape)]))
    return fold(blocks)


def fold(blocks: list[tuple[str, list[str]]]) -> list[str]:
    text: list[str] = []
    while blocks:
        prefix, content = blocks[0]
        times = next((n for n, block in enumerate(blocks) if block != blocks[0]), len(blocks)) if prefix else 1
        text += [f"{times} x {prefix}", *(f"  {line}" for line in content)] if prefix else content
        blocks = blocks[times:]
    return text


if __name__ == "__main__":
    for name, build in CHECKPOINTS.items():
        with torch.device("meta"):
            model = build()
        tensors = {name_on_disk(key, model): tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        tensors.pop(None, None)
        Path(__file__).parent.joinpath("keys", f"{name}.txt").write_text("\n".join(lines(tensors)) + "\n")
        print(name, len(tensors))
