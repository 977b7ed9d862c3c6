"""Accounts and tokens: found by their secret alone, which is written nowhere."""

import pytest
from sqlalchemy import create_engine, text

from alpenglow.errors import LedgerError
from alpenglow.ledger.database import _with_our_driver, make_url
from alpenglow.ledger.ledger import Ledger


def test_a_token_is_found_by_its_secret_alone(ledger):
    team = ledger.access.create_account("team")
    lab = ledger.access.create_account("lab", account_id="the-lab")
    token, secret = ledger.access.create_token("ci", ["the-lab", "team"], email="ci@example.org")
    assert ledger.access.find_token(secret) == token
    assert token.accounts == (lab.id, team.id)  # in the order given: the first pays where none is named
    assert (token.name, token.email, token.hint) == ("ci", "ci@example.org", secret[-4:])
    assert ledger.access.tokens() == (token,)
    for wrong in ("", secret[:-1], secret + "x", secret.lower(), token.id, "h\xfcsh", "\udcff"):
        assert ledger.access.find_token(wrong) is None


def test_a_secret_is_as_long_as_the_older_tokens_of_cloudflare(ledger):
    ledger.access.create_account("team")
    secrets = {ledger.access.create_token("", ["team"])[1] for _ in range(20)}
    assert len(secrets) == 20
    assert {len(secret) for secret in secrets} == {40}
    assert all(secret.startswith("alpg_") and secret[5:].isalnum() for secret in secrets)


def test_the_secret_is_nowhere_in_the_database(ledger, url):
    ledger.access.create_account("team")
    _, secret = ledger.access.create_token("", ["team"])
    engine = create_engine(_with_our_driver(make_url(url)) if url.startswith("postgresql") else url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM tokens")).all()
    engine.dispose()
    assert len(rows) == 1
    assert secret not in str(rows)
    assert secret[:20] not in str(rows)


def test_a_token_ends_when_it_expires_or_is_revoked(ledger, clock):
    ledger.access.create_account("team")
    expiring, first = ledger.access.create_token("", ["team"], expires_at=int(clock.now) + 10)
    revoked, second = ledger.access.create_token("", ["team"])
    assert ledger.access.active_token(first) == expiring
    clock.now += 9.9
    assert ledger.access.active_token(first) == expiring
    clock.now += 0.1
    assert ledger.access.active_token(first) is None
    assert expiring.status(clock.now) == "expired"
    ended = ledger.access.revoke_token(revoked.id)
    assert (ended.status(clock.now), ended.revoked_at) == ("revoked", int(clock.now))
    assert ledger.access.active_token(second) is None
    clock.now += 100
    assert ledger.access.revoke_token(revoked.id) == ended  # the first time counts


def test_an_account_is_known_by_name_and_id(ledger, clock):
    team = ledger.access.create_account("team", daily_allocation=5, requests_per_minute=3)
    assert len(team.id) == 32
    assert int(team.id, 16) >= 0
    assert ledger.access.account("team") == ledger.access.account(team.id) == team
    assert team.created_at == int(clock.now)
    team = ledger.access.limit_account("team", None, 7)
    assert (team.daily_allocation, team.requests_per_minute) == (None, 7)
    named_as_id = ledger.access.create_account(team.id)
    assert ledger.access.account(team.id) == team  # not the one that took its id for a name
    assert ledger.access.accounts() == tuple(
        sorted((ledger.access.account("team"), named_as_id), key=lambda account: account.name)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda access: access.create_account("team"),
        lambda access: access.create_account("other", account_id="taken"),
        lambda access: access.create_account(""),
        lambda access: access.create_account("x", account_id="a/b"),
        lambda access: access.create_token("", ["nobody"]),
        lambda access: access.create_token("", []),
        lambda access: access.limit_account("nobody", None, None),
        lambda access: access.revoke_token("nothing"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(ledger, wrong):
    ledger.access.create_account("team", account_id="taken")
    before = ledger.access.accounts(), ledger.access.tokens()
    with pytest.raises(LedgerError):
        wrong(ledger.access)
    assert (ledger.access.accounts(), ledger.access.tokens()) == before


def test_all_is_there_after_opening_again(ledger, url):
    ledger.access.create_account("team")
    token, secret = ledger.access.create_token("", ["team"])
    ledger.close()
    with Ledger.open(url) as again:
        assert again.access.find_token(secret) == token
