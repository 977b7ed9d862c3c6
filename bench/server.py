"""Seconds a picture over HTTP, time to ready and peak memory of a server that this program starts and stops.

Prints rows for BENCHMARKS.md. Options after `--` go to `alpenglow serve`: `python bench/server.py -- --threads 2`.
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

import httpx

from alpenglow.cli.background import serving

ENDPOINT = "/client/v4/accounts/local/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
SIZES = ((256, 256), (512, 512), (1024, 768), (1024, 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="pictures of each size; the median counts")
    parser.add_argument("options", nargs="*", help="of alpenglow serve")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")
    with (
        serving(["--log-level", "warning", *args.options]) as server,
        httpx.Client(base_url=server.url, timeout=600) as client,
    ):
        print("| what | median | slowest |\n|---|---|---|")
        print(f"| start to ready | {server.ready_seconds:.2f} s | |")
        for width, height in SIZES:
            seconds = [picture(client, width, height, seed) for seed in range(args.runs + 1)][1:]  # the first warms
            print(f"| {width}x{height} | {statistics.median(seconds):.3f} s | {max(seconds):.3f} s |")
        print(f"| peak memory of the server | {peak_megabytes(server.pid):.0f} MB | |")


def picture(client: httpx.Client, width: int, height: int, seed: int) -> float:
    """Wall seconds of one request, body read to the end."""
    fields = {"prompt": "a sunset at the alps", "width": str(width), "height": str(height), "seed": str(seed)}
    began = time.perf_counter()
    answer = client.post(ENDPOINT, files={name: (None, value) for name, value in fields.items()})
    seconds = time.perf_counter() - began
    answer.raise_for_status()
    return seconds


def peak_megabytes(pid: int) -> float:
    """Highest resident memory so far, in 10^6 bytes; Linux says it in KiB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
