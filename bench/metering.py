"""What metering costs a request: finding its token, reserving, settling. Percentiles over many, one after the other.

    python bench/metering.py [URL of an empty ledger]

Without a URL a SQLite file in a temporary folder is used. No engine and no HTTP: these are the calls that a request
adds, as it makes them, from an event loop by way of a thread.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from alpenglow.ledger.books import Order
from alpenglow.ledger.ledger import Ledger

REQUESTS = 1000


async def measure(ledger: Ledger) -> dict[str, list[float]]:
    account = ledger.access.create_account("bench", daily_allocation=10**15, requests_per_minute=10**6)
    token, secret = ledger.access.create_token("bench", [account.id])
    order = Order(account.id, token.id, "bench", 1_363_636_364, 1, 1024 * 1024, 0)
    seconds: dict[str, list[float]] = {"find the token": [], "reserve": [], "settle": [], "together": []}
    for _ in range(REQUESTS):
        began = time.perf_counter()
        await asyncio.to_thread(ledger.access.active_token, secret)
        found = time.perf_counter()
        reservation = await asyncio.to_thread(ledger.books.reserve, order, "bench", 60)
        reserved = time.perf_counter()
        await asyncio.to_thread(ledger.books.settle, reservation)
        settled = time.perf_counter()
        marks = (began, found, reserved, settled)
        for name, start, end in zip(seconds, (*marks[:3], began), (*marks[1:], settled), strict=True):
            seconds[name].append(end - start)
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'ledger.db'}"
        with Ledger.open(url) as ledger:
            seconds = asyncio.run(measure(ledger))
            assert ledger.books.audit() == ()
    for name, sample in seconds.items():
        sample.sort()
        p50, p99 = (sample[int(REQUESTS * share)] * 1000 for share in (0.5, 0.99))
        print(f"{name:16} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")


if __name__ == "__main__":
    main()
