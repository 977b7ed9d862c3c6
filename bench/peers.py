"""Our plans beside diffusers and stable-diffusion.cpp: one denoising step, the same random weights, the same run.

klein-4b's geometry at 256x256 (256 image and 512 text tokens), two blocks of each kind at full width unless --blocks 0
asks for all. Everybody takes turns; medians count. `python bench/peers.py --runs 5`. stable-diffusion.cpp is measured
if its Python is named: `--sdcpp venv/bin/python`, where `CMAKE_ARGS=-DGGML_LLAMAFILE=ON pip install
stable-diffusion-cpp-python` was run. The last line is JSON.
"""

import argparse
import copy
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import Flux2Transformer2DModel
from safetensors.torch import save_file

from alpenglow.engine.device import features
from alpenglow.engine.linears import Int8Linear, OneDNNLinear
from alpenglow.engine.optimize import replace_linears
from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig
from alpenglow.models.text_encoder import TextEncoder, TextEncoderConfig
from alpenglow.models.tokens import image_ids, text_ids
from alpenglow.models.transformer import Flux2Transformer
from alpenglow.weights.layouts import LAYOUTS
from alpenglow.weights.pipeline_folder import describe
from contest import flops, gemm_peaks, geometry, inputs, interleave, machine, medians, random_transformer
from reporting import finish

NARROW_TEXT = TextEncoderConfig(
    vocab_size=151936, hidden_size=32, intermediate_size=64, num_heads=32, num_kv_heads=8, taps=(9, 18, 27)
)
"""A language model as thin as can be: stable-diffusion.cpp wants a whole model, we want its denoising steps."""

SDCPP_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", default="klein-4b")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=2, help="of each kind; 0 means all")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--compiled", action="store_true", help="diffusers by torch.compile too; takes minutes")
    parser.add_argument("--fp16", action="store_true", help="diffusers in fp16 too; on some processors very slow")
    parser.add_argument("--sdcpp", type=Path, help="Python that has stable_diffusion_cpp")
    parser.add_argument("--sdcpp-types", nargs="+", default=list(SDCPP_TYPES))
    args = parser.parse_args()
    on = machine(args.threads)
    config = geometry(args.row, args.blocks or None, NARROW_TEXT.context_dim)
    work = flops(config, args.side)
    torch.set_grad_enabled(False)

    with tempfile.TemporaryDirectory() as folder:
        ours = random_transformer(config, torch.float32)
        if args.sdcpp:
            write_files(ours, Path(folder))
        contestants = field(ours, args)
        print("prepared; measuring", flush=True)
        peaks = gemm_peaks()
        seconds = medians(interleave(contestants, args.runs))
        print(seconds, peaks, flush=True)
        del contestants, ours
        for kind in args.sdcpp_types if args.sdcpp else ():
            seconds[f"stable-diffusion.cpp {kind}"] = sdcpp(args, Path(folder), kind)
            print(kind, seconds[f"stable-diffusion.cpp {kind}"], flush=True)
    peaks_after = gemm_peaks()
    peaks = {name: max(peak, peaks_after[name]) for name, peak in peaks.items()}
    report(on, args, work, seconds, peaks)


def field(ours: Flux2Transformer, args: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Everybody who runs in this process. Plain layers share their weights with diffusers' model of the same type."""
    made: dict[str, Callable[[], object]] = {}
    narrow = copy.deepcopy(ours).bfloat16()
    narrow.time_in.float()
    made["diffusers fp32"] = theirs(ours, args.side, torch.float32)
    made["diffusers bf16"] = theirs(narrow, args.side, torch.bfloat16)
    if args.fp16:
        made["diffusers fp16"] = theirs(copy.deepcopy(ours).half(), args.side, torch.float16)
    if args.compiled:
        made["diffusers bf16 compiled"] = theirs(narrow, args.side, torch.bfloat16, compiled=True)
        made["diffusers fp32 compiled"] = theirs(ours, args.side, torch.float32, compiled=True)
    made["alpenglow bf16"] = mine(narrow, args.side, torch.bfloat16)
    exact, cpu = shared(ours), torch.device("cpu")
    if "mkl is slow" in features(cpu):
        replace_linears(exact.double_blocks, OneDNNLinear, cpu, torch.float32)
        replace_linears(exact.single_blocks, OneDNNLinear, cpu, torch.float32)
    made["alpenglow exact"] = mine(exact, args.side, torch.float32)
    if "vnni" in features(cpu):
        packed = shared(narrow)
        replace_linears(packed.double_blocks, Int8Linear, cpu, torch.bfloat16)
        replace_linears(packed.single_blocks, Int8Linear, cpu, torch.bfloat16)
        made["alpenglow int8"] = mine(packed, args.side, torch.bfloat16)
    return made


def shared(network: Flux2Transformer) -> Flux2Transformer:
    """Another network of the same tensors."""
    with torch.device("meta"):
        made = Flux2Transformer(network.config)
    made.load_state_dict(network.state_dict(), assign=True)
    return made.eval().requires_grad_(requires_grad=False)


def mine(network: Flux2Transformer, side: int, dtype: torch.dtype) -> Callable[[], object]:
    img, txt, t, rotary = inputs(network.config, side, dtype)
    modulations = network.modulations(t)  # the engine keeps them
    return torch.inference_mode()(lambda: network(img, txt, t, rotary, modulations=modulations))


def theirs(network: Flux2Transformer, side: int, dtype: torch.dtype, *, compiled: bool = False) -> Callable[[], object]:
    """diffusers' transformer of the same weights, called as its pipeline does."""
    state = LAYOUTS[Flux2Transformer][0].export(network.state_dict())
    with torch.device("meta"):
        model = Flux2Transformer2DModel.from_config(describe(network))
    model.load_state_dict({name: t.to(dtype) for name, t in state.items()}, assign=True)
    model.pos_embed = type(model.pos_embed)(theta=network.config.theta, axes_dim=list(network.config.axes_dim))
    model = model.eval().requires_grad_(requires_grad=False)
    if compiled:
        model.compile()
    img, txt, t, _ = inputs(network.config, side, dtype)
    ids = image_ids(side // 16, side // 16), text_ids(txt.shape[1])
    call = torch.inference_mode()(lambda: model(img, txt, t.to(dtype), *ids, None))
    if compiled:
        call()  # takes minutes, before anything is measured
    return call


def write_files(transformer: Flux2Transformer, folder: Path) -> None:
    """The three files of a model as stable-diffusion.cpp reads them, in names of BFL and Hugging Face."""
    save_file({k: v.contiguous() for k, v in transformer.state_dict().items()}, folder / "transformer.safetensors")
    autoencoder, text_encoder = AutoEncoder(AutoEncoderConfig()), TextEncoder(NARROW_TEXT)
    bfl = next(layout for layout in LAYOUTS[AutoEncoder] if "BFL" in layout.name.upper())
    save_file({k: v.contiguous() for k, v in bfl.export(autoencoder.state_dict()).items()}, folder / "ae.safetensors")
    last = {"model.norm.weight": torch.ones(NARROW_TEXT.hidden_size)}
    save_file({**text_encoder.state_dict(), **last}, folder / "llm.safetensors")


def sdcpp(args: argparse.Namespace, folder: Path, kind: str) -> float:
    """Its seconds a step: the median time between its progress reports."""
    child = [str(args.sdcpp), str(Path(__file__).with_name("sdcpp_child.py")), str(folder), kind, str(args.side)]
    done = subprocess.run(
        [*child, str(args.threads or torch.get_num_threads())], capture_output=True, text=True, check=False
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        print(done.stderr[-2000:], file=sys.stderr)
        return float("nan")
    return float(json.loads(lines[-1])["seconds"])


def report(on: dict, args: argparse.Namespace, work: int, seconds: dict[str, float], peaks: dict[str, float]) -> None:
    print(f"| one step, {args.side}x{args.side}, {args.blocks or 'all'} blocks of each kind | seconds | GFLOP/s |")
    print("|---|---|---|")
    for name, taken in sorted(seconds.items(), key=lambda item: item[1]):
        print(f"| {name} | {taken:.3f} | {work / taken / 1e9:.0f} |")
    best = {
        peer: min((s for name, s in seconds.items() if name.startswith(peer) and not math.isnan(s)), default=None)
        for peer in ("diffusers", "stable-diffusion.cpp")
    }
    ratios: dict[str, float | None] = {
        "exact / diffusers fp32": seconds["diffusers fp32"] / seconds["alpenglow exact"],
        "bf16 / diffusers bf16": seconds["diffusers bf16"] / seconds["alpenglow bf16"],
    }
    if "alpenglow int8" in seconds:
        int8 = seconds["alpenglow int8"]
        ratios["int8 / diffusers' best"] = best["diffusers"] / int8
        ratios["int8 / diffusers fp32"] = seconds["diffusers fp32"] / int8
        if best["stable-diffusion.cpp"]:
            ratios["int8 / stable-diffusion.cpp's best"] = best["stable-diffusion.cpp"] / int8
    kinds = {"alpenglow exact": "fp32 oneDNN", "alpenglow bf16": "bf16", "alpenglow int8": "int8"}
    shares = {name: work / seconds[name] / peaks[kind] for name, kind in kinds.items() if name in seconds}
    facts = {"machine": on, "flops": work, "seconds": seconds, "times as fast": ratios, "gemm peaks": peaks}
    missing = None if args.sdcpp else "stable-diffusion.cpp was not measured: name its Python by --sdcpp"
    finish("peers", {**facts, "share of the GEMM peak": shares, "blocks": args.blocks, "note": missing})


if __name__ == "__main__":
    main()
