"""Seconds a picture over HTTP, time to ready and peak memory of a server that this program starts and stops.

Prints rows for BENCHMARKS.md, and JSON as the last line. Options after `--` go to `alpenglow serve`:
`python bench/latency.py -- --precision int8`.
"""

import argparse
import base64
import os
import platform
import statistics
import time
from pathlib import Path

import httpx

from alpenglow.cli.background import serving
from reporting import finish

ENDPOINT = "/client/v4/accounts/local/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
SIZES = ((256, 256), (512, 512), (1024, 768), (1024, 1024))
EXAMPLES = Path(__file__).parents[1] / "examples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="pictures of each size; the median counts")
    parser.add_argument("--references", type=int, default=0, help="reference images of every request, up to two")
    parser.add_argument("options", nargs="*", help="of alpenglow serve")
    args = parser.parse_args()
    on = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"{on}\n")
    facts: dict[str, object] = {"machine": on, "options": args.options, "references": args.references}
    with (
        serving(["--log-level", "warning", *args.options]) as server,
        httpx.Client(base_url=server.url, timeout=600) as client,
    ):
        print("measuring", flush=True)
        print("| what | median | slowest |\n|---|---|---|")
        print(f"| start to ready | {server.ready_seconds:.2f} s | |")
        for width, height in SIZES:
            seconds = [picture(client, width, height, seed, args.references) for seed in range(args.runs + 1)][1:]
            median = facts[f"{width}x{height}"] = statistics.median(seconds)
            print(f"| {width}x{height} | {median:.3f} s | {max(seconds):.3f} s |")
        facts |= {"ready": server.ready_seconds, "peak MB": peak_megabytes(server.pid)}
        facts["server"] = client.get("/readyz").json()["result"]
        print(f"| peak memory of the server | {facts['peak MB']:.0f} MB | |")
    finish("latency", facts)


def picture(client: httpx.Client, width: int, height: int, seed: int, references: int) -> float:
    """Wall seconds of one request, body read to the end. Another seed each time, the same prompt and references."""
    fields = {"prompt": "a sunset at the alps", "width": str(width), "height": str(height), "seed": str(seed)}
    form: dict[str, tuple[str | None, str | bytes]] = {name: (None, value) for name, value in fields.items()}
    for number, name in enumerate(("subject.png", "style.png")[:references]):
        form[f"input_image_{number}"] = (name, (EXAMPLES / name).read_bytes())
    began = time.perf_counter()
    answer = client.post(ENDPOINT, files=form)
    seconds = time.perf_counter() - began
    answer.raise_for_status()
    base64.b64decode(answer.json()["result"]["image"], validate=True)
    return seconds


def peak_megabytes(pid: int) -> float:
    """Highest resident memory so far, in 10^6 bytes; Linux says it in KiB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
