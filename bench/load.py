"""Many clients at once, over HTTP: throughput and waiting times, and whether company changes anybody's picture.

First one client and then `--clients` in a closed loop (each asks again as soon as it is answered), then Poisson
arrivals at `--rate` of what the closed loop achieved. Every other request edits references of its own; every picture is
compared with the one that its request gets alone: in exact mode none may differ by more than 1/255. Options after `--`
go to `alpenglow serve`. The last line is JSON.
"""

import argparse
import asyncio
import io
import random
import statistics
import time
from collections.abc import Sequence

import httpx
import numpy as np
from PIL import Image

from alpenglow.cli.background import serving
from reporting import finish

ENDPOINT = "/client/v4/accounts/local/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
PROMPTS = ("a red apple", "a house", "a sunset at the alps", "a blue butterfly")
Answer = tuple[int, float, np.ndarray]
"""Number of the request, seconds, picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=40, help="of each run")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.7, help="of the closed loop's throughput")
    parser.add_argument("options", nargs="*", help="of alpenglow serve")
    args = parser.parse_args()
    with serving(["--log-level", "warning", *args.options]) as server:
        facts = asyncio.run(measure(server.url, args))
    finish("load", facts)


async def measure(url: str, args: argparse.Namespace) -> dict[str, object]:
    numbers = list(range(args.requests))
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:
        for number in numbers:  # everything is known and warm before anything is timed
            await ask(client, number, args.side)
        print("measuring", flush=True)
        alone, single = await closed(client, numbers, 1, args.side)
        together, crowd = await closed(client, numbers, args.clients, args.side)
        open_rate = args.rate * len(numbers) / crowd
        arrived, _ = await poisson(client, numbers, open_rate, args.side)
        server = (await client.get("/readyz")).json()["result"]
    solo = {number: image for number, _, image in alone}
    runs = {"one client": (alone, single), f"{args.clients} clients": (together, crowd)}
    print("| run | pictures a second | median | 95th percentile |\n|---|---|---|---|")
    facts: dict[str, object] = {"side": args.side, "server": server, "options": args.options}
    for name, (answers, seconds) in runs.items():
        facts[name] = tell(name, answers, len(answers) / seconds)
    facts["poisson"] = tell(f"Poisson, {open_rate:.1f} a second", arrived, open_rate)
    worst = max(int(np.abs(image.astype(int) - solo[n]).max()) for n, _, image in (*together, *arrived))
    print(f"throughput of {args.clients} clients against one: {single / crowd:.2f}")
    print(f"largest difference to solo: {worst}/255")
    return facts | {"throughput ratio": single / crowd, "largest difference": worst}


def tell(name: str, answers: Sequence[Answer], rate: float) -> dict[str, float]:
    seconds = sorted(taken for _, taken, _ in answers)
    median, late = statistics.median(seconds), seconds[int(0.95 * (len(seconds) - 1))]
    print(f"| {name} | {rate:.1f} | {median * 1e3:.0f} ms | {late * 1e3:.0f} ms |")
    return {"pictures a second": rate, "median": median, "p95": late}


async def closed(
    client: httpx.AsyncClient, numbers: Sequence[int], clients: int, side: int
) -> tuple[list[Answer], float]:
    """Answers and wall seconds: each client takes the next number as soon as it is free."""
    waiting, answers = iter(numbers), []

    async def work() -> None:
        answers.extend([await ask(client, number, side) for number in waiting])

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(clients)))
    return answers, time.perf_counter() - began


async def poisson(
    client: httpx.AsyncClient, numbers: Sequence[int], rate: float, side: int
) -> tuple[list[Answer], float]:
    """Answers and wall seconds: arrivals do not care who is still waiting."""
    chance, tasks, began = random.Random(1), [], time.perf_counter()
    for number in numbers:
        tasks.append(asyncio.create_task(ask(client, number, side)))
        await asyncio.sleep(chance.expovariate(rate))
    return list(await asyncio.gather(*tasks)), time.perf_counter() - began


async def ask(client: httpx.AsyncClient, number: int, side: int) -> Answer:
    """One picture as PNG; odd numbers edit a reference that no other number has."""
    fields = {"prompt": PROMPTS[number % len(PROMPTS)], "width": str(side), "height": str(side), "seed": str(number)}
    form: dict[str, tuple[str | None, str | bytes]] = {name: (None, value) for name, value in fields.items()}
    if number % 2:
        form["input_image_0"] = ("reference.png", reference(number))
    began = time.perf_counter()
    answer = await client.post(ENDPOINT, files=form, headers={"accept": "image/png"})
    seconds = time.perf_counter() - began
    answer.raise_for_status()
    return number, seconds, np.asarray(Image.open(io.BytesIO(answer.content)))


def reference(number: int) -> bytes:
    """A PNG of 256x256 in colours of its own."""
    colours = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.kron(colours, np.ones((64, 64, 1), np.uint8))).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
