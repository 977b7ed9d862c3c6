"""What each plan costs in quality, on the demo checkpoint: velocity error at every step, PSNR of the pictures.

Every plan starts each step from the exact plan's latents, so that errors do not add up in the first figure; in the
second they do, through all steps and the decoder. fp8 is emulated where there is no such GPU. The last line is JSON.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch

from alpenglow.catalogue import find
from alpenglow.engine.device import features
from alpenglow.engine.linears import Fp8Linear
from alpenglow.engine.optimize import OptimizationPlan, choose, optimize
from alpenglow.engine.pipeline import Pipeline
from alpenglow.request import RGB, GenerationRequest
from alpenglow.weights import hub
from alpenglow.weights.networks import load_networks
from reporting import finish

PROMPTS = ("a red apple", "a sunset at the alps", "a blue house beside a tree", "two butterflies")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--seeds", type=int, default=4)
    args = parser.parse_args()
    device = torch.device("cpu")
    plans = {name: choose(name, device) for name in ("exact", "bf16")}
    if "vnni" in features(device):
        plans["int8"] = choose("int8", device)
    plans["fp8 (emulated)"] = OptimizationPlan("fp8", torch.bfloat16, torch.bfloat16, Fp8Linear)
    plain = demo(OptimizationPlan("plain", torch.float32, torch.float32))
    requests = [
        GenerationRequest("demo", prompt, args.side, args.side, seed)
        for prompt in PROMPTS
        for seed in range(args.seeds)
    ]
    print("| plan | velocity error, step 1 | 2 | 3 | 4 | PSNR, worst | median |\n|---|---|---|---|---|---|---|")
    facts: dict[str, object] = {"side": args.side, "pictures": len(requests)}
    for name, plan in plans.items():
        fast = demo(plan)
        errors = np.array([velocity_errors(fast, plain, request) for request in requests]).mean(axis=0)
        decibels = [psnr(fast.draw(request), plain.draw(request)) for request in requests]
        worst, median = min(decibels), statistics.median(decibels)
        print(f"| {name} | {' | '.join(f'{error:.2e}' for error in errors)} | {worst:.1f} dB | {median:.1f} dB |")
        facts[name] = {"velocity error": errors.tolist(), "psnr worst": worst, "psnr median": median}
    finish("quality", facts)


def demo(plan: OptimizationPlan) -> Pipeline:
    row = find("demo")
    files = hub.find(row.name, None, Path("none"), None)
    assert files is not None
    made = load_networks(row.architecture, files, plan.dtype, autoencoder_dtype=plan.autoencoder_dtype)
    return Pipeline(row, optimize(made, plan, torch.device("cpu")), plan=plan)


def velocity_errors(fast: Pipeline, plain: Pipeline, request: GenerationRequest) -> list[float]:
    """|v - v_exact| / |v_exact| of each step, both from the exact latents."""
    ours, theirs = fast.prepare(request), plain.prepare(request)
    errors = []
    while not theirs.done:
        before = theirs.x
        ours.x = before
        fast.advance([ours])
        plain.advance([theirs])
        errors.append(((ours.x - theirs.x).norm() / (theirs.x - before).norm()).item())
    return errors


def psnr(one: RGB, other: RGB) -> float:
    error = np.square(one.astype(float) - other.astype(float)).mean()
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


if __name__ == "__main__":
    main()
