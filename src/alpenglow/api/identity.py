"""Who the caller is and which accounts are theirs: what SDKs, `wrangler whoami` and "connect" buttons ask first.

With a ledger the answers are its tokens and accounts. Without one there is a single account, and a token that is good
enough to be let in is active.
"""

from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request, Response

from alpenglow.api import envelope
from alpenglow.api.auth import Authenticate
from alpenglow.api.listing import Wanted, page
from alpenglow.api.schemas import in_account

LOCAL_ACCOUNT = "a19e091000000000000000000000cafe"
"""The id of the one account where there is no ledger. 32 hexadecimal digits, as some clients check."""

NO_EMAIL = "nobody@alpenglow.invalid"
ACTIVE = ("This API Token is valid and active",)


@dataclass(frozen=True, slots=True)
class Identity:
    """The token at hand: its id, the accounts (ids) that it may ask for, and an e-mail address."""

    id: str = LOCAL_ACCOUNT
    accounts: tuple[str, ...] = (LOCAL_ACCOUNT,)
    email: str = NO_EMAIL


def routes(authenticate: Authenticate) -> APIRouter:
    """The routes under `/client/v4` that know no model."""
    router = APIRouter(prefix="/client/v4", dependencies=[Depends(authenticate)], tags=["identity"])

    @router.get("/user/tokens/verify")
    @router.get("/accounts/{account}/tokens/verify", dependencies=[Depends(in_account)])
    async def verify(request: Request) -> Response:
        """Whether the token is valid, and for this account if one is named."""
        return envelope.success(request, {"id": _identity(request).id, "status": "active"}, notes=ACTIVE)

    @router.get("/user")
    async def user(request: Request) -> Response:
        """Whoever the token belongs to."""
        identity = _identity(request)
        return envelope.success(request, {"id": identity.id, "email": identity.email, "suspended": False})

    @router.get("/accounts")
    async def accounts(request: Request, wanted: Wanted) -> Response:
        """The accounts that the token may use."""
        return page(request, [_account(account) for account in _identity(request).accounts], wanted)

    @router.get("/accounts/{account}")
    async def account_details(request: Request, account: str) -> Response:
        """One account."""
        return envelope.success(request, _account(account))

    @router.get("/memberships")
    async def memberships(request: Request, wanted: Wanted) -> Response:
        """The accounts again, as memberships."""
        found = [
            {"id": account, "status": "accepted", "account": _account(account), "roles": ["Workers AI"]}
            for account in _identity(request).accounts
        ]
        return page(request, found, wanted)

    return router


def _account(account: str) -> dict[str, object]:
    return {"id": account, "name": account, "type": "standard", "settings": {}}


def _identity(request: Request) -> Identity:
    caller = getattr(request.state, "caller", None)
    if caller is None:
        return Identity()
    token = caller.token
    return Identity(token.id, token.accounts, token.email or NO_EMAIL)
