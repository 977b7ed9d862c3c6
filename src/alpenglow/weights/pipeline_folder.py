"""A model as diffusers lays it out on disk: a folder for each component with its config.json, and model_index.json.

Written so that `diffusers.Flux2KleinPipeline.from_pretrained` loads it; read to be compared with what a row expects.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alpenglow.errors import WeightsError
from alpenglow.models.autoencoder import PATCH, AutoEncoder
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import SINUSOID_DIM, Flux2Transformer
from alpenglow.weights.checkpoint import SHARD_BYTES, save

Config = dict[str, Any]


def save_pipeline(
    folder: Path,
    transformer: Flux2Transformer,
    autoencoder: AutoEncoder,
    text_encoder: TextEncoder,
    *,
    dtype: torch.dtype,
    distilled: bool = True,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write a klein-like model, floating-point tensors in `dtype`: everything but its `tokenizer` folder.

    A network of more than `shard_bytes` is cut into shards.
    """
    for name, module in (("transformer", transformer), ("vae", autoencoder)):
        save(folder / name, module, stem="diffusion_pytorch_model", dtype=dtype, shard_bytes=shard_bytes)
        _write(folder / name / "config.json", describe(module))
    extra = _untapped(text_encoder)
    save(folder / "text_encoder", text_encoder, stem="model", extra=extra, dtype=dtype, shard_bytes=shard_bytes)
    _write(folder / "text_encoder" / "config.json", _qwen3(text_encoder, dtype))
    _write(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    _write(folder / "model_index.json", MODEL_INDEX | {"is_distilled": distilled})


def check_config(path: Path, module: nn.Module) -> None:
    """Compare the config.json in a component folder, if there is one, with a network.

    Raises WeightsError with both values of each difference.
    """
    file = path / "config.json"
    if not file.exists():
        return
    try:
        there = json.loads(file.read_bytes())
    except ValueError as error:
        raise WeightsError(f"{file} is not JSON: {error}") from error
    there = there.get("text_config", there)  # Mistral 3 keeps its language model beside its eyes
    there = there.get("rope_parameters", {}) | there  # transformers 5 moved rope_theta in there
    differing = [
        f"{key} is {there[key]}, expected {value}"
        for key, value in describe(module).items()
        if key in there and there[key] != value
    ]
    if differing:
        raise WeightsError(f"{file} is of another model: {'; '.join(differing)}")


def describe(module: nn.Module) -> Config:
    """What config.json of diffusers and transformers says about the shape of a network."""
    match module:
        case Flux2Transformer(config=c):
            return {
                "_class_name": "Flux2Transformer2DModel",
                "attention_head_dim": c.hidden_size // c.num_heads,
                "axes_dims_rope": list(c.axes_dim),
                "guidance_embeds": c.guidance_embed,
                "in_channels": c.in_channels,
                "joint_attention_dim": c.context_dim,
                "mlp_ratio": c.mlp_ratio,
                "num_attention_heads": c.num_heads,
                "num_layers": c.num_double_blocks,
                "num_single_layers": c.num_single_blocks,
                "patch_size": 1,
                "rope_theta": c.theta,
                "timestep_guidance_channels": SINUSOID_DIM,
            }
        case AutoEncoder(config=c):
            return {
                "_class_name": "AutoencoderKLFlux2",
                "batch_norm_eps": c.bn_eps,
                "block_out_channels": list(c.channels),
                "decoder_block_out_channels": None if c.decoder_channels is None else list(c.decoder_channels),
                "down_block_types": ["DownEncoderBlock2D"] * len(c.channels),
                "latent_channels": c.latent_channels,
                "layers_per_block": c.layers_per_block,
                "norm_num_groups": c.norm_groups,
                "patch_size": [PATCH, PATCH],
                "up_block_types": ["UpDecoderBlock2D"] * len(c.channels),
            }
        case TextEncoder(config=c):
            return {
                "head_dim": c.head_dim,
                "hidden_size": c.hidden_size,
                "intermediate_size": c.intermediate_size,
                "num_attention_heads": c.num_heads,
                "num_key_value_heads": c.num_kv_heads,
                "rms_norm_eps": c.rms_eps,
                "rope_theta": c.rope_theta,
                "vocab_size": c.vocab_size,
            }
    raise TypeError(f"{type(module).__name__} has no config.json")


def _qwen3(text_encoder: TextEncoder, dtype: torch.dtype) -> Config:
    """config.json of the language model that transformers builds around our layers."""
    assert text_encoder.config.qk_norm, "without normed queries and keys it is not a Qwen3"
    return describe(text_encoder) | {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "hidden_act": "silu",
        "model_type": "qwen3",
        "num_hidden_layers": max(text_encoder.config.taps) + 1,
        "tie_word_embeddings": True,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def _untapped(text_encoder: TextEncoder) -> dict[str, Tensor]:
    """One layer more than we build, and the final norm, by their names on disk.

    transformers norms the last hidden state, so that a raw one can only be had of a layer that is not the last. This
    one adds nothing to the stream: its matrices are zero.
    """
    last = max(text_encoder.config.taps)
    prefix = f"model.layers.{last - 1}."
    tensors = {
        key.replace(prefix, f"model.layers.{last}."): torch.ones_like(t) if t.ndim == 1 else torch.zeros_like(t)
        for key, t in text_encoder.state_dict().items()
        if key.startswith(prefix)
    }
    return tensors | {"model.norm.weight": torch.ones(text_encoder.config.hidden_size)}


def _write(file: Path, content: Config) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


SCHEDULER: Config = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "base_image_seq_len": 256,
    "base_shift": 0.5,
    "max_image_seq_len": 4096,
    "max_shift": 1.15,
    "num_train_timesteps": 1000,
    "shift": 3.0,
    "time_shift_type": "exponential",
    "use_dynamic_shifting": True,
}
MODEL_INDEX: Config = {
    "_class_name": "Flux2KleinPipeline",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "Qwen3ForCausalLM"],
    "tokenizer": ["transformers", "Qwen2TokenizerFast"],
    "transformer": ["diffusers", "Flux2Transformer2DModel"],
    "vae": ["diffusers", "AutoencoderKLFlux2"],
}
