"""Speed applied from outside: the only file that rewrites, quantises or compiles modules for it, by a plan.

Flags of the processor decide on the plan, never a stopwatch: a restart must not change pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from alpenglow.allocator import give_back_large_tensors
from alpenglow.engine.device import features
from alpenglow.engine.linears import Fp8Linear, Int8Linear, OneDNNLinear, WidenedLinear
from alpenglow.engine.norms import ChannelsLastGroupNorm
from alpenglow.engine.offload import Offload, apply_offload
from alpenglow.errors import SettingsError
from alpenglow.models.autoencoder import ResnetBlock, Upsample
from alpenglow.models.stored_fp8 import StoredFp8Linear
from alpenglow.weights.networks import Networks

FastLinear = WidenedLinear | Int8Linear | Fp8Linear
Precision = Literal["auto", "exact", "bf16", "int8", "fp8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)


@dataclass(frozen=True)
class OptimizationPlan:
    """How the networks of one engine compute.

    `dtype` is that of the stream between layers, `autoencoder_dtype` that of the autoencoder. `linear` is what becomes
    of the Linears in blocks and language layers. Embedders, modulation and last layer stay plain, as in the
    checkpoints that the model's makers quantised.
    """

    precision: str
    dtype: torch.dtype
    autoencoder_dtype: torch.dtype
    linear: type[FastLinear] | None = None
    compile: bool = False

    @property
    def read_as(self) -> torch.dtype | None:
        """The dtype that weights are cast to as they are read; None where `linear` takes them as stored. Casting first
        would hold all of them in fp32 at once.
        """
        return self.dtype if self.linear in {None, Fp8Linear} else None

    def staging(self, device: torch.device, offload: Offload = "none") -> torch.device:
        """The device that weights are read to: the CPU where layers move on one by one (fp8), where offloaded weights
        never all fit, and for Metal, which has no fp8.
        """
        first = self.linear is Fp8Linear or offload != "none" or device.type == "mps"
        return torch.device("cpu") if first else device

    def __str__(self) -> str:
        """Such as `int8: Int8Linear in bf16`."""
        parts = [f"{self.linear.__name__ if self.linear else 'Linear'} in {short(self.dtype)}"]
        parts += [f"autoencoder in {short(self.autoencoder_dtype)}"] if self.autoencoder_dtype != self.dtype else []
        parts += ["compiled"] if self.compile else []
        return f"{self.precision}: {', '.join(parts)}"


def choose(precision: str, device: torch.device) -> OptimizationPlan:
    """The plan of a precision on a device. `exact` is what parity is measured in, `auto` the fastest that is sound.

    Raises SettingsError with what the device lacks.
    """
    kind, has = device.type, features(device)
    if precision == "auto":
        precision = next((name for name, feature in FASTEST_FIRST if feature in has), "exact")
    dtype = torch.bfloat16 if kind != "cpu" or "bf16" in has else torch.float32
    match precision, kind:
        case "exact", "cpu":
            linear = OneDNNLinear if "mkl is slow" in has else WidenedLinear
            return OptimizationPlan("exact", torch.float32, torch.float32, linear)
        case "exact", _:
            return OptimizationPlan("exact", torch.bfloat16, torch.bfloat16)
        case "bf16", _ if "bf16 is slow" not in has:
            return OptimizationPlan("bf16", torch.bfloat16, torch.bfloat16, compile="compiler" in has)
        case "int8", "cpu" if "vnni" in has:
            return OptimizationPlan("int8", dtype, dtype, Int8Linear)
        case "fp8", "cuda" if "fp8" in has:
            return OptimizationPlan("fp8", torch.bfloat16, torch.bfloat16, Fp8Linear, compile="compiler" in has)
    if precision not in PRECISIONS:
        raise SettingsError(f"There is no precision {precision}: choose one of {', '.join(PRECISIONS)}.")
    raise SettingsError(f"{precision} {LACKING[precision]}, not on this {kind} device.")


LACKING = {
    "bf16": "runs on processors with AVX512-BF16 or AMX (exact is far faster here, in as much memory)",
    "int8": "runs on processors with VNNI",
    "fp8": "runs on NVIDIA GPUs of compute capability 8.9 or newer",
}

FASTEST_FIRST = (("int8", "vnni"), ("bf16", "bf16"))
"""What `auto` takes: the first whose feature the device has, else `exact`. fp8 it leaves to whoever asks for it."""


def optimize(networks: Networks, plan: OptimizationPlan, device: torch.device, offload: Offload = "none") -> Networks:
    """Rewrite networks in place by a plan and leave them on the device.

    The autoencoder's convolutions run in channels-last memory: 1.0 s instead of 1.7 s for a decode of the demo at
    1024x1024 on two cores (BENCHMARKS.md). On CUDA only what is compiled does: torch's own group norm copies such
    pictures to channels-first and back, which took 110 of the 145 ms of a decode on an H100.
    """
    if device.type == "cpu":
        give_back_large_tensors()
    replace_stored(networks.transformer, plan)
    if plan.linear is not None:
        for block in blocks_of(networks):
            replace_linears(block, plan.linear, device if offload == "none" else torch.device("cpu"), plan.dtype)
        if plan.read_as is None:
            cast_rest(networks.transformer, plan.linear, plan.dtype)
            cast_rest(networks.text_encoder, plan.linear, plan.dtype)
    apply_offload(networks, offload, device)
    if plan.dtype != torch.float32:
        networks.transformer.time_in.float()  # bf16 would move the timesteps; its output is kept, so it costs nothing
    if device.type != "cuda":
        networks.autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if plan.compile and offload == "none":  # what comes and goes has hooks, which do not compile
        compile_networks(networks)
    return networks


VERSIONS = 64
"""How often a function may be compiled: the demo's decoder alone has eleven widths of resnets."""


def compile_networks(networks: Networks) -> None:
    """Transformer, text encoder and decoder; the encoder's references are small and come from the cache if they can."""
    from torch._dynamo import config

    # torch counts compiled versions by function and process. The resnets of all decoders share one function, with a
    # version for each width; past the limit they would run uncompiled for good.
    config.recompile_limit = max(VERSIONS, config.recompile_limit)
    for block in networks.transformer.blocks:
        # Blocks of a kind share their code and sizes are symbols: two compilations, whatever depth and sizes.
        block.compile(dynamic=True)
    for layer in networks.text_encoder.model.layers:
        layer.compile(dynamic=False)  # prompts are padded to one length: one compilation
    decoder = networks.autoencoder.decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    replace_norms(decoder)
    compile_parts(decoder)


def compile_parts(module: nn.Module) -> None:
    """Compile resnets, upsamplings and the norms outside of them, each for any size.

    Few of their widths differ, so that this takes a fraction of what the decoder as one graph does.
    """
    for child in module.children():
        if isinstance(child, ResnetBlock | Upsample | ChannelsLastGroupNorm):
            child.compile(dynamic=True)
        else:
            compile_parts(child)


def replace_norms(module: nn.Module) -> None:
    """Have every GroupNorm below `module` work in channels-last memory."""
    for name, child in list(module.named_modules()):
        if type(child) is nn.GroupNorm:
            module.set_submodule(name, ChannelsLastGroupNorm.of(child))


def blocks_of(networks: Networks) -> list[nn.Module]:
    """Where nine tenths of all weights are."""
    return [*networks.transformer.blocks, *networks.text_encoder.model.layers]


def replace_stored(module: nn.Module, plan: OptimizationPlan) -> None:
    """Give layers that the checkpoint holds in fp8 the form that the plan computes in, one at a time."""
    for name, child in list(module.named_modules()):
        if isinstance(child, StoredFp8Linear):
            made = plan.linear.stored(child, plan.dtype) if plan.linear else child.plain(plan.dtype)
            module.set_submodule(name, made)


def replace_linears(module: nn.Module, kind: type[FastLinear], device: torch.device, dtype: torch.dtype) -> None:
    """Put a layer of `kind` in the place of every Linear below `module`, one at a time to hold but one copy. `dtype` is
    that of what goes in and comes out.
    """
    for name, child in list(module.named_children()):
        if type(child) is nn.Linear:
            assert len(list(child.parameters())) == 1, f"{name} has a bias, for which no layer of {kind} has room"
            setattr(module, name, kind.of(child.to(device), dtype).requires_grad_(requires_grad=False))
        else:
            replace_linears(child, kind, device, dtype)


def cast_rest(network: nn.Module, kind: type[FastLinear], dtype: torch.dtype) -> None:
    """Bring what no layer of `kind` holds to `dtype`, where all was read as the checkpoint has it."""
    for module in network.modules():
        if not isinstance(module, kind):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)


def short(dtype: torch.dtype) -> str:
    """fp32, bf16, fp16."""
    return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
