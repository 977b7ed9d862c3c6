"""What a running server shows on a terminal: a few lines that are kept up to date, with the log scrolling above them.

Knows the engine as every caller does: it stands before it, counts, and hands everything on.
"""

from __future__ import annotations

import logging
import os
import signal
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from alpenglow.request import (
        EngineClient,
        EngineStatus,
        GenerationRequest,
        GenerationResult,
        ModelCard,
        OnProgress,
    )

LATELY = 20
"""Pictures that the seconds are a median of."""


class Board:
    """An EngineClient in front of another one that knows what was asked, made and refused, and draws it."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._asked = self._made = self._failed = 0
        self._seconds: deque[float] = deque(maxlen=LATELY)

    def models(self) -> tuple[ModelCard, ...]:
        """Of the engine."""
        return self._client.models()

    def status(self) -> EngineStatus:
        """Of the engine."""
        return self._client.status()

    async def generate(self, request: GenerationRequest, on_progress: OnProgress | None = None) -> GenerationResult:
        """By the engine, counted."""
        self._asked += 1
        began = time.perf_counter()
        try:
            result = await self._client.generate(request, on_progress)
        except BaseException:  # a caller who leaves is a picture that was not made, too
            self._failed += 1
            raise
        self._made += 1
        self._seconds.append(time.perf_counter() - began)
        return result

    def table(self) -> Table:
        """The lines as they stand now."""
        status = self.status()
        state = "ready" if status.ready else status.failure or "loading"
        table = Table("state", "requests", "made", "not made", "running", "queued", "s/picture", "memory", box=None)
        table.add_row(
            state,
            *(str(number) for number in (self._asked, self._made, self._failed, status.running, status.queued)),
            f"{statistics.median(self._seconds):.2f}" if self._seconds else "",
            memory(),
        )
        return table

    @contextmanager
    def shown(self, console: Console) -> Iterator[None]:
        """Keep the lines at the foot of the terminal until the block ends; the log goes above them."""
        from rich.live import Live
        from rich.logging import RichHandler  # brings pygments along, which help can do without

        handler = RichHandler(console=console, show_path=False, show_time=False, markup=False)
        root = logging.getLogger()
        before, root.handlers = root.handlers, [handler]
        # uvicorn passes SIGTERM on once it has shut down: unwinding then shows the cursor again.
        ending = signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        try:
            with Live(get_renderable=self.table, console=console, refresh_per_second=2, transient=True):
                yield
        finally:
            root.handlers = before
            signal.signal(signal.SIGTERM, ending)


def memory() -> str:
    """The most that this process has held, or nothing where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB"


def in_foreground() -> bool:
    """Whether the terminal is ours: a server that was started by `serve &` must not draw over what is typed there."""
    try:
        return os.tcgetpgrp(2) == os.getpgrp()
    except (OSError, AttributeError):  # no terminal, or Windows, which has no such groups
        return True
