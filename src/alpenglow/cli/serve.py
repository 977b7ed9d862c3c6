"""`alpenglow serve`: the engine and the API in one process."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from alpenglow.cli.live import Board, in_foreground
from alpenglow.cli.options import Config, Device, Precision, Solo, Strict, Threads, leave, ledger_at, open_engine
from alpenglow.errors import SettingsError
from alpenglow.request import ModelCard
from alpenglow.settings import Settings

GRACE_SECONDS = 10
"""How long requests under way may take to end once we are told to stop."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8770")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Checkpoint to load; may be repeated.", show_default="demo"),
    ] = None,
    device: Device = None,
    precision: Precision = None,
    solo: Solo = None,
    threads: Threads = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            help="Ledger of accounts and tokens: local, sqlite:///file, postgresql://...", show_default="none"
        ),
    ] = None,
    strict: Strict = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.", show_default="info")] = None,
    config: Config = None,
) -> None:
    r"""Answer Cloudflare Workers AI's requests on this machine.

    Ask as documented, with this host in place of Cloudflare's:

    MODEL=@cf/black-forest-labs/flux-2-klein-9b
    curl --request POST \
      --url "http://127.0.0.1:8770/client/v4/accounts/local/ai/run/$MODEL" \
      --header "Authorization: Bearer $ALPENGLOW_TOKEN" \
      --header 'Content-Type: multipart/form-data' \
      --form 'prompt=a sunset at the alps' \
      --form width=1024 \
      --form height=1024

    Without a token of its own the server accepts any, from this machine only.
    To require one, put it into the environment, where neither the list of
    processes nor the history of the shell shows it:

    read -rs ALPENGLOW_TOKEN && export ALPENGLOW_TOKEN
    alpenglow serve --host 0.0.0.0

    For several callers, each with tokens, limits and usage of its own:

    alpenglow accounts create team --daily-neurons 10000
    alpenglow tokens create team
    alpenglow serve --ledger local
    """
    given: dict[str, object] = {"host": host, "port": port, "models": model, "ledger_url": ledger, "strict": strict}
    given |= {"device": device, "precision": precision, "solo": solo, "threads": threads}
    settings = Settings.load(given | {"log_level": log_level, "config_file": config})
    settings.check_listening()
    check_free(settings.host, settings.port)
    _listen(settings)


def announce(models: Sequence[ModelCard], settings: Settings) -> None:
    """Say which weights answer which names, and who may ask."""
    console = Console(stderr=True, highlight=False)
    table = Table("model", "answered by", box=None, pad_edge=False, header_style="bold")
    for card in models:
        stands_in = card.answered_by != card.row
        table.add_row(card.api_name, f"{card.answered_by} checkpoint, standing in" if stands_in else card.answered_by)
    console.print(table)
    if any(card.answered_by != card.row for card in models):
        console.print(
            "Own weights are loaded by name: alpenglow serve --model klein-9b (see alpenglow models).", soft_wrap=True
        )
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - any address of ours
    host = f"[{shown}]" if ":" in shown else shown
    if settings.port:  # else any that is free, which the line about listening names
        console.print(f"Playground: http://{host}:{settings.port}/", soft_wrap=True)
    if settings.ledger_url is not None:
        console.print("Tokens of the ledger are required: alpenglow tokens create ACCOUNT makes one.")
    elif settings.token is None:
        console.print("Any token is accepted. Set ALPENGLOW_TOKEN to require one.")


def check_free(host: str, port: int) -> None:
    """Raises SettingsError where another server listens already: before anything is loaded beside it, and before the
    ledger takes that server, which has our name, for dead.
    """
    if os.name == "nt":  # there a port that is taken can be bound again
        return
    try:
        places = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise SettingsError(f"There is no host {host} here: {error.strerror}") from None
    for family, kind, _, _, address in places:
        try:
            with socket.socket(family, kind) as probe:  # set up as asyncio does it
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
        except OSError as error:  # others are the server's to tell
            if error.errno == errno.EADDRINUSE:
                raise SettingsError(f"Something listens on {host}:{port} already: choose another --port.") from None


def _listen(settings: Settings) -> None:
    """Serve until told to stop. The engine loads meanwhile, in its own thread."""
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    from alpenglow.api.app import create_app
    from alpenglow.api.metering import holder

    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s:     %(message)s")
    ledger = ledger_at(settings.ledger_url) if settings.ledger_url else None
    engine, loader = open_engine(settings)
    announce(engine.models(), settings)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        if ledger is not None:
            await asyncio.to_thread(ledger.books.recover, holder(settings))
        engine.start(loader)
        yield
        await asyncio.to_thread(engine.close)
        if ledger is not None:
            ledger.close()

    console = Console(stderr=True, highlight=False)
    board = Board(engine)
    shown = console.is_terminal and in_foreground()
    with board.shown(console) if shown else nullcontext():
        uvicorn.run(
            create_app(board, settings, ledger, lifespan),
            host=settings.host,
            port=settings.port,
            # On a terminal its log goes where ours does, above the table.
            log_config=None if shown else LOGGING_CONFIG,
            log_level=settings.log_level,
            timeout_graceful_shutdown=GRACE_SECONDS,
            workers=1,  # whatever WEB_CONCURRENCY says: there is one engine
            server_header=False,
        )
    leave(engine, 0)
