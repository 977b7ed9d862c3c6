"""Which plan a device gets, and that the demo's pictures survive every plan."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from alpenglow.catalogue import find
from alpenglow.engine import linears
from alpenglow.engine.device import features
from alpenglow.engine.linears import FP8_MAX, Fp8Linear, Int8Linear, OneDNNLinear, WidenedLinear
from alpenglow.engine.optimize import PRECISIONS, OptimizationPlan, blocks_of, choose, optimize
from alpenglow.engine.pipeline import Pipeline
from alpenglow.errors import SettingsError
from alpenglow.models.stored_fp8 import StoredFp8Linear
from alpenglow.request import RGB, GenerationRequest
from alpenglow.weights import hub
from alpenglow.weights.networks import load_networks

CPU = torch.device("cpu")
DECIBELS = {"exact": 60, "bf16": 30, "int8": 30, "fp8": 20}
"""At least, against plain fp32."""

STREAM = torch.float32 if "bf16 is slow" in features(CPU) else torch.bfloat16
EMULATED = OptimizationPlan("fp8", STREAM, torch.float32, Fp8Linear)
"""fp8 without its tensor cores."""


@pytest.fixture
def processor(monkeypatch):
    def has(**flags: object) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)

    return has


def test_auto_takes_the_fastest_that_the_processor_has(processor) -> None:
    intel, amd = {"cpu_name": "Intel Xeon"}, {"cpu_name": "AMD EPYC"}
    for flags, precision, dtype, linear in (
        ({"avx512_vnni": True, "avx512_bf16": True}, "int8", torch.bfloat16, Int8Linear),
        ({"avx512_vnni": True}, "int8", torch.float32, Int8Linear),
        ({"avx512_bf16": True}, "bf16", torch.bfloat16, None),
        ({}, "exact", torch.float32, WidenedLinear),
    ):
        processor(**flags, **intel)
        plan = choose("auto", CPU)
        assert (plan.precision, plan.dtype, plan.linear) == (precision, dtype, linear)
    processor(avx512_f=True, **amd)
    assert choose("exact", CPU).linear is OneDNNLinear
    processor(avx512_f=True, **intel)
    assert choose("exact", CPU).linear is WidenedLinear


def test_what_a_device_lacks_is_said(processor) -> None:
    processor(architecture="x86_64")
    with pytest.raises(SettingsError, match="int8 runs on processors with VNNI"):
        choose("int8", CPU)
    with pytest.raises(SettingsError, match=r"bf16 runs on processors with AVX512-BF16.*not on this cpu device"):
        choose("bf16", CPU)
    processor()
    assert choose("bf16", CPU).dtype == torch.bfloat16
    with pytest.raises(SettingsError, match=r"fp8 runs on NVIDIA GPUs.*not on this cpu device"):
        choose("fp8", CPU)
    with pytest.raises(SettingsError, match="fp4: choose one of auto, exact, bf16, int8, fp8"):
        choose("fp4", CPU)
    for precision in ("auto", "exact", "bf16"):
        assert choose(precision, torch.device("mps")).dtype == torch.bfloat16


def test_plans_say_what_they_do() -> None:
    plan = OptimizationPlan("int8", torch.bfloat16, torch.float32, Int8Linear, compile=True)
    assert str(plan) == "int8: Int8Linear in bf16, autoencoder in fp32, compiled"


@pytest.fixture(scope="module")
def plain() -> Pipeline:
    return demo(OptimizationPlan("exact", torch.float32, torch.float32))


@pytest.mark.parametrize("precision", [name for name in PRECISIONS if name != "auto"])
def test_pictures_of_a_plan(plain, precision) -> None:
    fast = demo(plan_of(precision))
    for size, prompt in ((256, "a red apple"), (512, "a sunset at the alps")):
        request = GenerationRequest("demo", prompt, size, size, seed=3)
        decibels = psnr(fast.draw(request), plain.draw(request))
        print(f"{precision} {size}: {decibels:.1f} dB")
        assert decibels >= DECIBELS[precision]


@pytest.mark.parametrize("precision", ["exact", "int8"])
def test_everything_but_what_a_layer_keeps_computes_in_the_plans_type(precision) -> None:
    plan = plan_of(precision)
    made = networks(demo(plan))
    assert plan.read_as is None
    for network in made:
        kept = {id(p) for m in network.modules() if isinstance(m, plan.linear) for p in m.parameters()}
        rest = [p for p in network.parameters() if id(p) not in kept]
        expected = {plan.autoencoder_dtype} if network is made[-1] else {plan.dtype, torch.float32}
        assert rest
        assert {p.dtype for p in rest} <= expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_pictures_are_the_same_bits_where_large_weights_stay_as_stored(dtype, tmp_path, monkeypatch) -> None:
    files = write_fp8(tmp_path) if dtype == torch.float8_e4m3fn else None
    plain = demo(OptimizationPlan("exact", torch.float32, torch.float32), files)
    monkeypatch.setattr(linears, "LARGE", 2**10)
    stored = demo(OptimizationPlan("exact", torch.float32, torch.float32, WidenedLinear), files)
    assert stored.networks.transformer.single_blocks[0].linear1.weight.dtype == dtype
    for size in (256, 512):
        request = GenerationRequest("demo", "a red apple", size, size, seed=3)
        assert np.array_equal(stored.draw(request), plain.draw(request))


def test_only_blocks_and_language_layers_are_replaced() -> None:
    pipeline = demo(EMULATED)
    inside = {module for block in blocks_of(pipeline.networks) for module in block.modules()}
    replaced = [m for n in networks(pipeline) for m in n.modules() if isinstance(m, Fp8Linear)]
    assert len(replaced) == 2 * 8 + 4 * 2 + 3 * 7
    assert inside >= set(replaced)
    assert not any(isinstance(module, torch.nn.Linear) for module in inside)


@pytest.mark.parametrize("precision", ["exact", "bf16", "int8", "fp8"])
def test_a_checkpoint_in_fp8_makes_its_pictures_by_every_plan(precision, tmp_path) -> None:
    """The demo's transformer as its makers would publish it in fp8; against the same numbers in fp32."""
    plan, files = plan_of(precision), write_fp8(tmp_path)
    picture, plain = (
        demo(one, files).draw(GenerationRequest("demo", "a red apple", 256, 256, seed=3))
        for one in (plan, OptimizationPlan("exact", torch.float32, torch.float32))
    )
    assert psnr(picture, plain) >= DECIBELS[precision]


def test_layers_in_fp8_keep_the_checkpoints_numbers(tmp_path) -> None:
    files = write_fp8(tmp_path)
    fast = demo(EMULATED, files).networks.transformer
    stored = load_file(files.transformer)
    layer = fast.single_blocks[0].linear1
    assert isinstance(layer, Fp8Linear)
    assert torch.equal(layer.weight.view(torch.uint8), stored["single_blocks.0.linear1.weight"].view(torch.uint8))
    assert layer.input_scale == stored["single_blocks.0.linear1.input_scale"]


def write_fp8(folder: Path) -> hub.Files:
    """The bundled checkpoint with its transformer's blocks in fp8, scales measured on one picture."""
    pipeline = demo(OptimizationPlan("exact", torch.float32, torch.float32))
    transformer = pipeline.networks.transformer
    tensors, largest = dict(transformer.state_dict()), {}
    for name, layer in transformer.named_modules():
        if isinstance(layer, torch.nn.Linear) and "_blocks." in name:
            layer.register_forward_pre_hook(
                lambda _, args, name=name: largest.update({name: max(largest.get(name, 0), args[0].abs().max())})
            )
    pipeline.draw(GenerationRequest("demo", "a red apple", 256, 256, seed=3))
    for name, most in largest.items():
        stored = StoredFp8Linear.of(transformer.get_submodule(name), most / FP8_MAX).state_dict()
        tensors |= {f"{name}.{leaf}": tensor for leaf, tensor in stored.items()}
    save_file(tensors, folder / "flux-fp8.safetensors")
    return replace(hub.Files.in_folder(hub.BUNDLED / "demo"), transformer=folder / "flux-fp8.safetensors")


def plan_of(precision: str) -> OptimizationPlan:
    """As this processor gets it; skips what it lacks."""
    if precision == "fp8":
        return EMULATED
    if precision == "int8" and "vnni" not in features(CPU):
        pytest.skip("int8 needs VNNI")
    if precision == "bf16" and "bf16 is slow" in features(CPU):
        pytest.skip("bf16 needs a processor that multiplies it")
    return choose(precision, CPU)


def networks(pipeline: Pipeline) -> list[torch.nn.Module]:
    return [pipeline.networks.transformer, pipeline.networks.text_encoder, pipeline.networks.autoencoder]


def demo(plan: OptimizationPlan, files: hub.Files | None = None) -> Pipeline:
    row = find("demo")
    files = files or hub.Files.in_folder(hub.BUNDLED / "demo")
    made = load_networks(row.architecture, files, plan.read_as, autoencoder_dtype=plan.autoencoder_dtype)
    return Pipeline(row, optimize(made, plan, CPU), plan=plan)


def psnr(one: RGB, other: RGB) -> float:
    error = np.square(one.astype(float) - other.astype(float)).mean()
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)
