"""A whole model of real size with random weights, made on the device: milliseconds a step and a picture.

`python bench/gpu.py --row klein-9b --precision bf16 --side 1024 --references 0 1 4 --peers`. Every picture has a new
prompt and new references, so that nothing comes from the cache; of "known" pictures every part does. The share of
the floor compares with the operations of the picture at the speed of the device's own product in that precision. With
`--device cpu --row demo` it runs anywhere. The last line is JSON.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from alpenglow.catalogue import Row, find
from alpenglow.engine.cost import flops_of
from alpenglow.engine.device import describe, device_named, wait_for
from alpenglow.engine.linears import FP8_MAX
from alpenglow.engine.optimize import choose, optimize
from alpenglow.engine.pipeline import Pipeline
from alpenglow.engine.survey import speed
from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.models.stored_fp8 import StoredFp8Linear
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.tokens import image_ids, reference_ids, text_ids
from alpenglow.models.transformer import Flux2Transformer
from alpenglow.request import GenerationRequest
from alpenglow.weights import hub
from alpenglow.weights.layouts import LAYOUTS
from alpenglow.weights.networks import Networks
from alpenglow.weights.pipeline_folder import describe as describe_network
from alpenglow.weights.tokenizer import Tokenizer
from contest import geometry, random_module
from reporting import finish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", default="klein-4b")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--stored-fp8", action="store_true", help="blocks as an fp8 checkpoint has them: static scales")
    parser.add_argument("--offload", default="none", choices=["none", "text_encoder", "blocks"])
    parser.add_argument("--side", type=int, nargs="+", default=[1024, 512])
    parser.add_argument("--references", type=int, nargs="+", default=[0])
    parser.add_argument("--reference-side", type=int, default=512, help="pixels")
    parser.add_argument("--runs", type=int, default=10, help="0 compiles and records, and times nothing")
    parser.add_argument("--blocks", type=int, help="that many of each kind instead of all: enough to compile them")
    parser.add_argument("--peers", action="store_true", help="diffusers' transformer too, eager and compiled")
    args = parser.parse_args()
    device = device_named(args.device)
    row, plan = shortened(find(args.row), args.blocks), choose(args.precision, device)
    networks = random_networks(row, plan.read_as or torch.bfloat16, device)
    networks.autoencoder.to(plan.autoencoder_dtype)
    if args.stored_fp8:
        store_in_fp8(networks.transformer.double_blocks)
        store_in_fp8(networks.transformer.single_blocks)
    facts: dict[str, object] = {"device": describe(device), "torch": torch.__version__, "row": row.name}
    rival = rivals(networks.transformer, plan.dtype, device) if args.peers else {}
    pipeline = Pipeline(row, optimize(networks, plan, device, args.offload), plan=plan, tiled=args.offload != "none")
    peak = speed(plan, device)
    facts |= {"plan": str(plan), "offload": args.offload, "product TFLOP/s": peak / 1e12}
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)  # of the pictures, not of making the networks
    print(f"{facts['device']}, {plan}, product {peak / 1e12:.0f} TFLOP/s\nmeasuring", flush=True)
    print("| size | references | prepare | step | decode | picture | known | TFLOP/s | of the floor | rivals, step |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for side in args.side:
        for number in args.references:
            facts[f"{side} / {number}"] = case(pipeline, side, number, args, peak, rival)
    if device.type == "cuda":
        facts["peak GB"] = torch.cuda.max_memory_allocated(device) / 1e9
    finish("gpu", facts)


def case(
    pipeline: Pipeline, side: int, number: int, args: argparse.Namespace, peak: float, rivals: dict[str, Callable]
) -> dict[str, float]:
    """One size and number of references; the first pictures, which compile and record, do not count."""
    for seed in range(3):
        pipeline.draw(request(seed, side, number, args.reference_side))
    if not args.runs:
        return {}
    asked = [request(seed + 10, side, number, args.reference_side) for seed in range(2 * args.runs)]
    fresh = [seconds(lambda one=one: pipeline.draw(one)) for one in asked[: args.runs]]
    known = [seconds(lambda: pipeline.draw(asked[0])) for _ in range(args.runs)]
    parts = [in_parts(pipeline, one) for one in asked[args.runs :]]
    flops = flops_of(pipeline.row, (side, side), [(args.reference_side, args.reference_side)] * number)
    prompt, step, decoding = (statistics.median(part) for part in zip(*parts, strict=True))
    whole, again = statistics.median(fresh), statistics.median(known)
    result = {"prepare": prompt, "step": step, "decode": decoding, "picture": whole, "picture, all known": again}
    result |= {
        "flops": flops.total,
        "TFLOP/s": flops.step / step / 1e12,
        "share of the floor": flops.total / peak / whole,
    }
    for name, make in rivals.items():
        result[name] = rival_step(make(side, number, args.reference_side), pipeline.device, args.runs)
    told = ", ".join(f"{name} {result[name] * 1e3:.1f} ms" for name in rivals)
    times = " | ".join(f"{part * 1e3:.1f} ms" for part in (prompt, step, decoding, whole, again))
    print(
        f"| {side} | {number} | {times} | {result['TFLOP/s']:.1f} | {result['share of the floor']:.2f} | {told} |",
        flush=True,
    )
    return result


def request(seed: int, side: int, number: int, reference_side: int) -> GenerationRequest:
    """Prompt and references are the seed's own."""
    pixels = np.random.default_rng(seed)
    images = tuple(pixels.integers(0, 256, (reference_side, reference_side, 3), np.uint8) for _ in range(number))
    return GenerationRequest("", f"picture number {seed} of a sunset at the alps", side, side, seed, None, images)


def seconds(call: Callable[[], object]) -> float:
    """Wall seconds of what ends with pixels in the host's memory."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def in_parts(pipeline: Pipeline, asked: GenerationRequest) -> tuple[float, float, float]:
    """Seconds to prepare, to take a step and to decode, each waited for: in all a little more than a picture takes."""
    began = time.perf_counter()
    sample = pipeline.prepare(asked)
    wait_for(pipeline.device)
    prepared = time.perf_counter()
    while not sample.done:
        pipeline.advance([sample])
    wait_for(pipeline.device)
    stepped = time.perf_counter()
    pipeline.decode(sample)
    return prepared - began, (stepped - prepared) / sample.steps, time.perf_counter() - stepped


def shortened(row: Row, blocks: int | None) -> Row:
    """A row of the same widths with `blocks` blocks of each kind and a language model of a few layers."""
    if blocks is None:
        return row
    a, taps = row.architecture, tuple(range(1, len(row.architecture.text_encoder.taps) + 1))
    transformer = geometry(row.name, blocks)
    text_encoder = replace(a.text_encoder, taps=taps)
    return replace(row, architecture=replace(a, transformer=transformer, text_encoder=text_encoder))


def random_networks(row: Row, dtype: torch.dtype, device: torch.device) -> Networks:
    """All three at full size; the tokenizer is the demo's, whose ids every vocabulary has."""
    a, demo = row.architecture, hub.find("demo", None, Path("none"), None)
    assert demo is not None
    return Networks(
        random_module(lambda: Flux2Transformer(a.transformer), dtype, device),
        random_module(lambda: AutoEncoder(a.autoencoder), dtype, device),
        random_module(lambda: TextEncoder(a.text_encoder), dtype, device),
        Tokenizer.from_folder(demo.tokenizer, a.max_text_tokens),
    )


def store_in_fp8(blocks: nn.Module) -> None:
    """Every Linear with one scale for its weight and one for its activations, which lie within 16 of zero."""
    for name, layer in list(blocks.named_modules()):
        if isinstance(layer, nn.Linear):
            most = layer.weight.new_full((), 16 / FP8_MAX, dtype=torch.float32)
            blocks.set_submodule(name, StoredFp8Linear.of(layer, most))


def rivals(transformer: Flux2Transformer, dtype: torch.dtype, device: torch.device) -> dict[str, Callable]:
    """diffusers' transformer of the same weights, eager and compiled; each makes a call for a size."""
    from diffusers import Flux2Transformer2DModel

    c = transformer.config
    state = LAYOUTS[Flux2Transformer][0].export(transformer.state_dict())
    with torch.device("meta"):
        model = Flux2Transformer2DModel.from_config(describe_network(transformer))
    model.load_state_dict({name: t.clone() for name, t in state.items()}, assign=True)
    model.pos_embed = type(model.pos_embed)(theta=c.theta, axes_dim=list(c.axes_dim))
    model.eval().requires_grad_(requires_grad=False)
    compiled = torch.compile(model)

    def make(network: Callable) -> Callable:
        def sized(side: int, number: int, reference_side: int) -> Callable[[], object]:
            grid, other = side // 16, reference_side // 16
            tokens = grid * grid + number * other * other
            img = torch.randn(1, tokens, c.in_channels, device=device, dtype=dtype)
            txt = torch.randn(1, 512, c.context_dim, device=device, dtype=dtype)
            ids = torch.cat([image_ids(grid, grid), reference_ids([(other, other)] * number)]).to(device)
            t = torch.full((1,), 0.7, device=device, dtype=dtype)
            return torch.inference_mode()(lambda: network(img, txt, t, ids, text_ids(512).to(device), None))

        return sized

    return {"diffusers": make(model), "diffusers compiled": make(compiled)}


def rival_step(call: Callable[[], object], device: torch.device, runs: int) -> float:
    taken = []
    for turn in range(runs + 3):
        began = time.perf_counter()
        call()
        wait_for(device)
        if turn >= 3:
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
