"""Who may ask. Runs before a byte of the body is read; knows one token and the origin of web pages.

With a token set, `Authorization: Bearer <token>` is all that counts, wherever the request comes from. Without one
anybody on this machine may ask, with any credentials or none, except a web page of some other site in the user's
browser: a form post reaches 127.0.0.1 unasked, and a name that resolves to 127.0.0.1 (DNS rebinding) makes it look
like the same origin. Both carry an Origin header that is not ours. The Host header proves nothing here: Cloudflare's
binding sends its own.
"""

import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request

from alpenglow.errors import ForeignOrigin, MalformedCredentials, MissingCredentials, WrongCredentials
from alpenglow.settings import Settings, is_loopback


def authenticator(settings: Settings) -> Callable[[Request], Awaitable[None]]:
    """A dependency for the routes that need a caller. Raises one of the `Refused` errors."""
    token = settings.token.get_secret_value().encode() if settings.token else None

    async def authenticate(request: Request) -> None:
        if token is not None:
            _check_token(request.headers.get("authorization"), token)
        else:
            _check_origin(request.headers.get("origin"), settings.cors_origins)

    return authenticate


def _check_token(header: str | None, token: bytes) -> None:
    if header is None:
        raise MissingCredentials("the Authorization header is missing")
    scheme, _, sent = header.partition(" ")
    if scheme.lower() != "bearer" or not sent.strip():
        raise MalformedCredentials("the Authorization header is not Bearer <token>")
    if not hmac.compare_digest(sent.strip().encode("latin-1"), token):  # headers travel as latin-1
        raise WrongCredentials("the token is not the one that is set")


def _check_origin(origin: str | None, allowed: tuple[str, ...]) -> None:
    """A page served by this machine itself may ask, from any port."""
    if origin is None or origin in allowed or "*" in allowed:
        return
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        host = None
    if host is None or not is_loopback(host):
        raise ForeignOrigin(f"Web pages of {origin} may not call this server; list it in cors_origins or set a token")
