"""A tiny model of klein's form, and a tokenizer of Qwen2's form, for every test that needs files."""

import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from torch import nn

from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig
from alpenglow.models.text_encoder import TextEncoder, TextEncoderConfig
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.weights.networks import Architecture
from oracles import randomise

TINY_TEXT = TextEncoderConfig(
    vocab_size=320, hidden_size=16, intermediate_size=24, num_heads=2, num_kv_heads=1, head_dim=8, taps=(1, 2, 3)
)
TINY = Architecture(
    TransformerConfig(
        hidden_size=32,
        num_heads=2,
        num_double_blocks=2,
        num_single_blocks=3,
        context_dim=TINY_TEXT.context_dim,
        in_channels=16,
        axes_dim=(4, 4, 4, 4),
    ),
    AutoEncoderConfig(
        channels=(8, 16, 24), decoder_channels=(8, 16, 32), layers_per_block=1, latent_channels=4, norm_groups=4
    ),
    TINY_TEXT,
    max_text_tokens=24,
)


@pytest.fixture
def architecture() -> Architecture:
    return TINY


@pytest.fixture
def transformer() -> nn.Module:
    return randomise(Flux2Transformer(TINY.transformer))


@pytest.fixture
def autoencoder() -> nn.Module:
    return randomise(AutoEncoder(TINY.autoencoder))


@pytest.fixture
def text_encoder() -> nn.Module:
    return randomise(TextEncoder(TINY.text_encoder))


CHAT_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""


QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""transformers 5 builds this in by the tokenizer's class, whatever tokenizer.json says."""


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Byte-level BPE of 320 entries in the folder layout of Qwen2's tokenizers."""
    folder = tmp_path_factory.mktemp("tokenizer")
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = tokenizers.Tokenizer(models.BPE())
    vocabulary.normalizer = normalizers.NFC()
    vocabulary.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    vocabulary.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    vocabulary.train_from_iterator(["the sun over the mountains", "a user and an assistant think"] * 9, trainer)
    vocabulary.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    vocabulary.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2TokenizerFast",
        "pad_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "model_max_length": 512,
    }
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(config))
    folder.joinpath("chat_template.jinja").write_text(CHAT_TEMPLATE)
    return folder
