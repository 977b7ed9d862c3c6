"""Seconds a picture of two demo checkpoints in turns, in one process: whether another version is slower.

Beside the first version: `git archive 3f8db88 src/alpenglow/demo | tar x -C /tmp`, then
`python bench/turns.py /tmp/src/alpenglow/demo src/alpenglow/demo`.
The vocabularies may differ in size. Medians count; the last line is JSON.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

from alpenglow.catalogue import find
from alpenglow.engine.pipeline import Pipeline
from alpenglow.request import GenerationRequest
from alpenglow.weights.hub import Files
from reporting import finish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path, help="folders as diffusers lays them out")
    parser.add_argument("--side", type=int, default=1024, help="width and height in pixels")
    parser.add_argument("--runs", type=int, default=10, help="pictures of each, after one that is not counted")
    args = parser.parse_args()
    pipelines = {str(folder): load(folder) for folder in args.checkpoints}
    seconds: dict[str, list[float]] = {name: [] for name in pipelines}
    for seed in range(args.runs + 1):
        for name, pipeline in pipelines.items():
            request = GenerationRequest(pipeline.row.name, "a sunset at the alps", args.side, args.side, seed)
            began = time.perf_counter()
            pipeline.draw(request)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(counted) for name, (_, *counted) in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.3f} s")
    finish("turns", {"side": args.side, "runs": args.runs, "medians": medians})


def load(folder: Path) -> Pipeline:
    """The demo's networks with the vocabulary that this checkpoint has."""
    row = find("demo")
    words = json.loads((folder / "text_encoder" / "config.json").read_bytes())["vocab_size"]
    text_encoder = replace(row.architecture.text_encoder, vocab_size=words)
    row = replace(row, architecture=replace(row.architecture, text_encoder=text_encoder))
    return Pipeline.load(row, Files.in_folder(folder), device="cpu")


if __name__ == "__main__":
    main()
