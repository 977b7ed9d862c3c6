"""What a request costs, and that it is paid exactly when it is delivered.

A face reserves once it knows what is asked for (`Meter.reserve`); all else happens where the answer leaves (`Metered`,
a middleware): whatever is not a picture delivered is void, be it an error, a cancel or a caller who left. The last
bytes of an answer are held back until it is settled in the ledger. So nobody gets a whole answer unbilled. Between
settling and writing those bytes only the ledger is awaited, so that only a process killed in that instant bills an
answer that it did not deliver.

Knows nothing of SQL. Without a ledger, prices are told and nothing is kept.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alpenglow.api.disconnect import disconnected
from alpenglow.api.tariff import neurons, price
from alpenglow.errors import LedgerError
from alpenglow.ledger.books import Order, Reservation
from alpenglow.ledger.ledger import Ledger
from alpenglow.request import EngineClient, GenerationRequest, find_card
from alpenglow.settings import Settings

logger = logging.getLogger(__name__)

NEURONS = "cf-ai-neurons"
"""Header of an answer with a picture: its price in neurons, two decimals."""

HELD_BACK = 16_384
"""Bytes at the end of an answer that leave only once it is settled: not more than a connection takes at once."""


@dataclass(slots=True)
class Charge:
    """One request's price, and what the ledger does about it; nothing where there is no ledger.

    A thread of the ledger cannot be cancelled with its request. Each runs as a task that `void` waits for, so that
    nothing can follow the void.
    """

    amount: int
    ledger: Ledger | None = None
    reserving: asyncio.Task[Reservation] | None = None
    settling: asyncio.Task[None] | None = None

    async def settle(self) -> None:
        """The account pays. Raises LedgerError."""
        if self.ledger and self.reserving:
            pay = asyncio.to_thread(self.ledger.books.settle, await self.reserving)
            self.settling = asyncio.create_task(pay)
            await asyncio.shield(self.settling)

    async def void(self) -> None:
        """The account does not pay. Never raises LedgerError: what stays reserved is voided at the next start."""
        if self.ledger is None or self.reserving is None:
            return
        await asyncio.gather(*filter(None, (self.reserving, self.settling)), return_exceptions=True)
        if self.reserving.cancelled() or self.reserving.exception():
            return
        try:
            await asyncio.to_thread(self.ledger.books.void, self.reserving.result())
        except LedgerError:
            logger.exception("a reservation stays until it expires or the server starts again")


class Meter:
    """Prices requests and reserves what they cost, in `ledger` if there is one."""

    def __init__(self, client: EngineClient, settings: Settings, ledger: Ledger | None) -> None:
        self._client = client
        self._ledger = ledger
        self._holder = holder(settings)
        self._lifetime = 2 * settings.request_timeout_seconds  # to make the picture, and to hand it over

    async def reserve(self, request: Request, *asked: GenerationRequest) -> None:
        """Set aside what these pictures, all answers to `request`, cost. Call it once a request, before the work.

        `Metered` settles or voids it. Raises UnknownModel, AllocationSpent, RateLimited.
        """
        cards = [find_card(self._client.models(), one.model) for one in asked]
        amount = sum(price(card.row, one) for card, one in zip(cards, asked, strict=True))
        request.state.charge = charge = Charge(amount, self._ledger)
        if self._ledger is None:
            return
        order = Order(
            account=request.state.caller.account,
            token=request.state.caller.token.id,
            model=cards[0].api_name,
            amount=amount,
            pictures=len(asked),
            output_pixels=sum(one.width * one.height for one in asked),
            input_pixels=sum(picture.shape[0] * picture.shape[1] for one in asked for picture in one.references),
        )
        reserve = self._ledger.books.reserve
        charge.reserving = asyncio.create_task(asyncio.to_thread(reserve, order, self._holder, self._lifetime))
        await asyncio.shield(charge.reserving)

    async def forgive(self, request: Request) -> None:
        """Void what `request` reserved, where its answer goes on to say in words that it failed."""
        charge: Charge = request.state.charge
        request.state.charge = None
        await asyncio.shield(charge.void())


def holder(settings: Settings) -> str:
    """What this server's reservations are known by, so that its next start can void those of a killed one."""
    # Port 0 is any that is free: the same for all who ask so.
    return f"{settings.server_name}:{settings.port or f'process {os.getpid()}'}"


class Metered:
    """Middleware: tells the price of each picture, and settles or voids what was reserved for it."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call; `seconds` is the longest that a caller may take to fetch an answer that costs something."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        delivery = _Delivery(scope.setdefault("state", {}), receive, send, self._seconds)
        try:
            await self.app(scope, receive, delivery.send)
        finally:
            await delivery.close()


@dataclass(slots=True)
class _Delivery:
    """One answer on its way. `state` is the request's; a charge in it appears while the request is served."""

    state: Mapping[str, object]
    receive: Receive
    forward: Send
    seconds: float
    delivered: bool = field(default=False, init=False)

    @property
    def charge(self) -> Charge | None:
        charge = self.state.get("charge")
        return charge if isinstance(charge, Charge) and not self.delivered else None

    async def send(self, message: Message) -> None:
        """Pass `message` on. The end of a charged answer goes by way of the ledger."""
        charge = self.charge
        if charge is None:
            await self.forward(message)
        elif message["type"] == "http.response.start":
            await self._begin(charge, message)
        elif message.get("more_body"):
            await self._go_on(message)
        else:
            await self._end(charge, message.get("body", b""))

    async def close(self) -> None:
        """Void what was not delivered."""
        if charge := self.charge:
            await asyncio.shield(charge.void())

    async def _begin(self, charge: Charge, start: Message) -> None:
        if start["status"] // 100 == 2:
            price_header = (NEURONS.encode(), f"{neurons(charge.amount):.2f}".encode())
            await self.forward({**start, "headers": [*start.get("headers", ()), price_header]})
        else:  # void before the caller knows and tries again
            await self.close()
            self.delivered = True
            await self.forward(start)

    async def _go_on(self, message: Message) -> None:
        """Raises ClientDisconnect where the caller does not take it in time: as good as gone."""
        try:
            async with asyncio.timeout(self.seconds):
                await self.forward(message)
        except TimeoutError:
            raise ClientDisconnect from None

    async def _end(self, charge: Charge, body: bytes) -> None:
        """All but the last bytes; settle; the last bytes. A caller who is gone by then pays nothing."""
        leaving = asyncio.ensure_future(disconnected(self.receive))
        try:
            async with asyncio.timeout(self.seconds):
                await self.forward(_body(body[:-HELD_BACK], more=True))
                await self.forward(_body(b"", more=True))  # returns once the connection has taken what came before
            if leaving.done():
                return
            await charge.settle()
            if leaving.done():
                return
            await self.forward(_body(body[-HELD_BACK:], more=False))
            self.delivered = True
        except (TimeoutError, LedgerError):
            logger.exception("an answer was broken off before its end, and is not billed")
        finally:
            leaving.cancel()


def _body(data: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}
