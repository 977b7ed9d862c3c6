"""`alpenglow accounts` and `alpenglow tokens`: who may ask a server that has a ledger."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from alpenglow.cli.options import AsJson, AsJsonObject, Config, LedgerUrl, open_ledger, print_table

if TYPE_CHECKING:
    from alpenglow.ledger.access import Account, Token

accounts = typer.Typer(no_args_is_help=True, help="Accounts: who pays, and how much a day at most.")
tokens = typer.Typer(no_args_is_help=True, help="Tokens: who may ask, for which accounts, until when.")

SECONDS_A_DAY = 86_400

Neurons = Annotated[
    float | None,
    typer.Option("--daily-neurons", min=0, max=1e9, help="Most neurons a UTC day.", show_default="no limit"),
]
PerMinute = Annotated[
    int | None,
    typer.Option("--requests-per-minute", min=1, max=10**6, help="Most requests a minute.", show_default="no limit"),
]


@accounts.command("create")
def create_account(
    name: Annotated[str, typer.Argument(help="What you call it.")],
    account_id: Annotated[
        str | None, typer.Option("--id", help="What stands in the URL.", show_default="32 hexadecimal digits")
    ] = None,
    daily_neurons: Neurons = None,
    requests_per_minute: PerMinute = None,
    as_json: AsJsonObject = False,
    ledger: LedgerUrl = None,
    config: Config = None,
) -> None:
    r"""Make an account and print its id.

    alpenglow accounts create team --daily-neurons 10000
    alpenglow tokens create team
    alpenglow serve --ledger local
    """
    with open_ledger(ledger, config, make=True) as book:
        account = book.access.create_account(
            name,
            account_id=account_id,
            daily_allocation=_amount(daily_neurons),
            requests_per_minute=requests_per_minute,
        )
    typer.echo(json.dumps(_account(account)) if as_json else account.id)


@accounts.command("limit")
def limit_account(
    account: Annotated[str, typer.Argument(help="Name or id.")],
    daily_neurons: Neurons = None,
    requests_per_minute: PerMinute = None,
    as_json: AsJsonObject = False,
    ledger: LedgerUrl = None,
    config: Config = None,
) -> None:
    """Set both limits of an account; one that is not given is lifted."""
    with open_ledger(ledger, config) as book:
        limited = book.access.limit_account(account, _amount(daily_neurons), requests_per_minute)
    if as_json:
        typer.echo(json.dumps(_account(limited)))
    else:
        told = [
            "no limit of neurons" if daily_neurons is None else f"{daily_neurons:g} neurons a day",
            "no limit of requests" if requests_per_minute is None else f"{requests_per_minute} requests a minute",
        ]
        typer.echo(f"{account}: {', '.join(told)}", err=True)


@accounts.command("list")
def list_accounts(as_json: AsJson = False, ledger: LedgerUrl = None, config: Config = None) -> None:
    """List the accounts with their limits."""
    with open_ledger(ledger, config) as book:
        found = book.access.accounts()
    if as_json:
        typer.echo(json.dumps([_account(account) for account in found], indent=2))
        return
    table = Table("name", "id", "neurons a day", "requests a minute", box=None)
    for account in found:
        shown = _account(account)
        limits = (shown["daily_neurons"], shown["requests_per_minute"])
        table.add_row(account.name, account.id, *("no limit" if limit is None else f"{limit:,}" for limit in limits))
    print_table(table)


@tokens.command("create")
def create_token(
    account: Annotated[list[str], typer.Argument(help="Accounts by name or id; the first pays where none is named.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    email: Annotated[str | None, typer.Option(help="Lets it be used as X-Auth-Key beside this X-Auth-Email.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="How long it lives.", show_default="for ever")
    ] = None,
    as_json: AsJsonObject = False,
    ledger: LedgerUrl = None,
    config: Config = None,
) -> None:
    """Make a token and print it. This is the only time that it is shown: the ledger keeps a hash."""
    expires_at = None if days is None else int(time.time()) + days * SECONDS_A_DAY
    with open_ledger(ledger, config) as book:
        token, secret = book.access.create_token(name, account, email=email, expires_at=expires_at)
    if as_json:
        typer.echo(json.dumps({"id": token.id, "token": secret}))
        return
    typer.echo(f"Its id is {token.id}. Keep the token itself well, it is not shown again:", err=True)
    typer.echo(secret)


@tokens.command("list")
def list_tokens(as_json: AsJson = False, ledger: LedgerUrl = None, config: Config = None) -> None:
    """List the tokens; of each only the last four characters are known."""
    now = time.time()
    with open_ledger(ledger, config) as book:
        found = book.access.tokens()
    if as_json:
        typer.echo(json.dumps([_token(token) for token in found], indent=2))
        return
    table = Table("id", "name", "ends in", "accounts", "email", "expires", "status", box=None)
    for token in found:
        expires = "never" if token.expires_at is None else f"{datetime.fromtimestamp(token.expires_at, UTC):%Y-%m-%d}"
        accounts_ = ", ".join(token.accounts)
        table.add_row(token.id, token.name, token.hint, accounts_, token.email or "", expires, token.status(now))
    print_table(table)


@tokens.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(help="As in `alpenglow tokens list`.")],
    as_json: AsJsonObject = False,
    ledger: LedgerUrl = None,
    config: Config = None,
) -> None:
    """End a token at once, also on servers that run."""
    with open_ledger(ledger, config) as book:
        token = book.access.revoke_token(token_id)
    if as_json:
        typer.echo(json.dumps(_token(token)))


def _token(token: Token) -> dict[str, object]:
    return asdict(token) | {"status": token.status(time.time())}


def _amount(neurons: float | None) -> int | None:
    from alpenglow.ledger.books import MICRO

    return None if neurons is None else round(neurons * MICRO)


def _account(account: Account) -> dict[str, str | float | None]:
    from alpenglow.api.tariff import neurons

    limit = account.daily_allocation
    return {
        "id": account.id,
        "name": account.name,
        "created_at": account.created_at,
        "daily_neurons": None if limit is None else neurons(limit),
        "requests_per_minute": account.requests_per_minute,
    }
