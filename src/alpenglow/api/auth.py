"""Who may ask. Runs before a byte of the body is read; knows tokens and the origin of web pages.

Three ways, by what the server was told:

- With a ledger, its tokens: `Authorization: Bearer <token>`, or the older pair `X-Auth-Email` and `X-Auth-Key`, the key
  being a token that was made for that address. The account in the path must be one of the token's.
- With one token set, that token in either form, for any account.
- Without one, anybody on this machine may ask, with any credentials or none, except a web page of some other site in
  the user's browser: a form post reaches 127.0.0.1 unasked, and a name that resolves to 127.0.0.1 (DNS rebinding) makes
  it look like the same origin. Both carry an Origin header that is not ours. The Host header alone proves nothing:
  Cloudflare's binding sends its own. An Origin that is an address, and the one in the Host header, is our own page's:
  rebinding takes a name.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from alpenglow.errors import (
    ForeignAccount,
    ForeignOrigin,
    MalformedCredentials,
    MissingCredentials,
    UnknownKey,
    WrongCredentials,
)
from alpenglow.ledger.access import Token
from alpenglow.ledger.ledger import Ledger
from alpenglow.settings import Settings, is_address, is_loopback


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is, and which of its accounts pays: the one in the path, else the token's first."""

    token: Token
    account: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller sent: a secret, and an e-mail address if it is a key."""

    secret: str
    email: str | None

    @property
    def rejection(self) -> Exception:
        """The error if nobody knows them."""
        if self.email is not None:
            return UnknownKey("the key and the e-mail address do not belong together")
        return WrongCredentials("the token is not known here")


Authenticate = Callable[[Request], Awaitable[None]]
"""A dependency for routes that need a caller. Raises one of the `Refused` errors."""


def authenticator(settings: Settings, ledger: Ledger | None = None) -> Authenticate:
    """The dependency by these settings. With a ledger, `request.state.caller` is a Caller from then on."""
    token = settings.token.get_secret_value().encode() if settings.token else None

    async def authenticate(request: Request) -> None:
        if ledger is not None:
            request.state.caller = await _caller(ledger, request)
        elif token is not None:
            credentials = read_credentials(request)
            if not hmac.compare_digest(credentials.secret.encode("latin-1"), token):  # headers travel as latin-1
                raise credentials.rejection
        else:
            _check_origin(request.headers.get("origin"), request.headers.get("host"), settings.cors_origins)

    return authenticate


def read_credentials(request: Request) -> Credentials:
    """What the caller sent. Raises MissingCredentials or MalformedCredentials."""
    header = request.headers.get("authorization")
    email, key = request.headers.get("x-auth-email"), request.headers.get("x-auth-key")
    if header is None and email and key:
        return Credentials(key, email)
    if header is None:
        raise MissingCredentials("the Authorization header is missing")
    scheme, _, sent = header.partition(" ")
    if scheme.lower() != "bearer" or not sent.strip():
        raise MalformedCredentials("the Authorization header is not Bearer <token>")
    return Credentials(sent.strip(), None)


async def _caller(ledger: Ledger, request: Request) -> Caller:
    credentials = read_credentials(request)
    token = await asyncio.to_thread(ledger.access.active_token, credentials.secret)
    if token is None:
        raise credentials.rejection
    if credentials.email is not None and credentials.email.lower() != (token.email or "").lower():
        raise credentials.rejection
    account = request.path_params.get("account", token.accounts[0])
    if account not in token.accounts:
        raise ForeignAccount(f"the token is not for the account {account}")
    return Caller(token, account)


def _check_origin(origin: str | None, asked: str | None, allowed: tuple[str, ...]) -> None:
    """A page served by this machine itself may ask, from any port, and one from the very address that is asked."""
    if origin is None or origin in allowed or "*" in allowed:
        return
    try:
        page = urlsplit(origin)
        host = page.hostname or ""
    except ValueError:
        host = ""
    if not is_loopback(host) and not (is_address(host) and page.netloc == asked):
        raise ForeignOrigin(f"Web pages of {origin} may not call this server; list it in cors_origins or set a token")
