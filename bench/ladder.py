"""One optimisation at a time, each beside the one before: a denoising step of klein-4b's geometry on a CPU.

Two blocks of each kind at full width unless --blocks 0 asks for all. The rungs take turns in one run; medians count.
The last line is JSON.
"""

import argparse
import copy
from collections.abc import Callable

import torch
from torch.nn import functional as F

from alpenglow.engine.device import features
from alpenglow.engine.linears import Int8Linear, OneDNNLinear
from alpenglow.engine.optimize import FastLinear, cast_rest, replace_linears
from alpenglow.models.attention import attention
from alpenglow.models.transformer import Flux2Transformer
from contest import flops, geometry, inputs, interleave, machine, medians, random_transformer
from reporting import finish

CPU = torch.device("cpu")
Call = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", default="klein-4b")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=2, help="of each kind; 0 means all")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    on = machine(args.threads)
    torch.set_grad_enabled(False)
    config = geometry(args.row, args.blocks or None)
    rungs = ladder(random_transformer(config, torch.float32), args.side)
    print("measuring", flush=True)
    seconds = medians(interleave(rungs, args.runs))
    work = flops(config, args.side)
    print("| rung | seconds | against the one before | GFLOP/s |\n|---|---|---|---|")
    before = None
    for name, taken in seconds.items():
        gain = "" if before is None else f"{before / taken:.2f}x"
        print(f"| {name} | {taken:.3f} | {gain} | {work / taken / 1e9:.0f} |")
        before = taken
    finish("ladder", {"machine": on, "flops": work, "blocks": args.blocks, "seconds": seconds})


def ladder(plain: Flux2Transformer, side: int) -> dict[str, Call]:
    """From plain fp32 upwards; tensors are shared wherever a rung does not change them."""
    narrow = copy.deepcopy(plain).bfloat16()
    narrow.time_in.float()
    rungs = {"fp32, plain": step(plain, side, torch.float32, kept=False)}
    rungs["+ modulations kept"] = step(plain, side, torch.float32)
    rungs["+ oneDNN instead of MKL"] = step(replaced(plain, OneDNNLinear, torch.float32), side, torch.float32)
    rungs["+ large weights in bf16"] = step(replaced(narrow, OneDNNLinear, torch.float32), side, torch.float32)
    if "bf16" in features(CPU):
        rungs["bf16, torch's attention"] = step(narrow, side, torch.bfloat16, attend=torch_attention)
        rungs["+ attention by heads"] = step(narrow, side, torch.bfloat16)
    if "vnni" in features(CPU):
        rungs["+ int8 weights and activations"] = step(
            replaced(narrow, Int8Linear, torch.bfloat16), side, torch.bfloat16
        )
    return rungs


def torch_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v)


def replaced(network: Flux2Transformer, kind: type[FastLinear], dtype: torch.dtype) -> Flux2Transformer:
    """Another network of the same tensors with other Linears in its blocks, which computes in `dtype`."""
    with torch.device("meta"):
        made = Flux2Transformer(network.config)
    made.load_state_dict(network.state_dict(), assign=True)
    for blocks in (made.double_blocks, made.single_blocks):
        replace_linears(blocks, kind, CPU, dtype)
    cast_rest(made, kind, dtype)
    return made.eval().requires_grad_(requires_grad=False)


def step(
    network: Flux2Transformer, side: int, dtype: torch.dtype, *, kept: bool = True, attend: Callable = attention
) -> Call:
    img, txt, t, rotary = inputs(network.config, side, dtype)
    modulations = network.modulations(t) if kept else None
    return torch.inference_mode()(lambda: network(img, txt, t, rotary, modulations=modulations, attend=attend))


if __name__ == "__main__":
    main()
