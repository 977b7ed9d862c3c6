"""What a repeated prompt and repeated references cost: nothing but steps and decoding.

On the demo checkpoint, also run as a row that keeps references' keys and values (for speed alone: its weights were not
trained for that). Each request is made fresh, then again with another seed. The last line is JSON.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from alpenglow.catalogue import find
from alpenglow.engine.optimize import choose, optimize
from alpenglow.engine.pipeline import Pipeline
from alpenglow.request import GenerationRequest
from alpenglow.weights import hub
from alpenglow.weights.networks import load_networks
from reporting import finish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--references", type=int, nargs="+", default=[0, 1, 4])
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    demo, device = find("demo"), torch.device("cpu")
    files = hub.find("demo", None, Path("none"), None)
    assert files is not None
    plan = choose("exact", device)
    networks = optimize(load_networks(demo.architecture, files, plan.dtype), plan, device)
    facts: dict[str, object] = {"side": args.side}
    print("measuring\n| row | references | what | text encoder | references | prepare | whole picture |")
    print("|---|---|---|---|---|---|---|")
    for name, row in (("plain", demo), ("kv", replace(demo, kv=True))):
        pipeline = Pipeline(row, networks, plan=plan)
        for number in args.references:
            runs = [measure(pipeline, turn, number, args.side) for turn in range(args.runs + 1)][1:]
            for what in ("fresh", "known"):
                median = {key: statistics.median(run[what][key] for run in runs) for key in runs[0][what]}
                facts[f"{name}, {number} references, {what}"] = median
                told = " | ".join(f"{seconds * 1e3:.1f} ms" for seconds in median.values())
                print(f"| {name} | {number} | {what} | {told} |", flush=True)
    finish("known", facts)


def measure(pipeline: Pipeline, turn: int, number: int, side: int) -> dict[str, dict[str, float]]:
    """One request with a prompt and references of its own, and another with the same ones."""
    pixels = np.random.default_rng(turn)
    images = tuple(pixels.integers(0, 256, (512, 512, 3), np.uint8) for _ in range(number))
    result = {}
    for seed, what in enumerate(("fresh", "known")):
        request = GenerationRequest("demo", f"house number {turn}", side, side, seed, None, images)
        began = time.perf_counter()
        sample = pipeline.prepare(request)
        prepared = time.perf_counter() - began
        while not sample.done:
            pipeline.advance([sample])
        pipeline.decode(sample)
        parts = {part: sample.seconds.get(part, 0.0) for part in ("text_encoder", "references")}
        result[what] = parts | {"prepare": prepared, "whole": time.perf_counter() - began}
    return result


if __name__ == "__main__":
    main()
