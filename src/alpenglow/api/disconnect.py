"""Work that ends when the caller leaves: the framework would let it run on, for a picture that nobody waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled, and waited for, once `receive` tells that the caller is gone.

    Call it after the whole body was read: any message but `http.disconnect` is thrown away. Raises ClientDisconnect.
    """
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(disconnected(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def disconnected(receive: Receive) -> None:
    """Returns once the caller is gone; any other message is thrown away."""
    while (await receive())["type"] != "http.disconnect":
        pass
