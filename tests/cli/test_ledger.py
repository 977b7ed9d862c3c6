"""Accounts, tokens and usage from the terminal, and a server that is killed between reserve and settle."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import httpx
import pytest

from alpenglow.ledger.books import Order
from alpenglow.ledger.ledger import Ledger
from alpenglow.settings import Settings

MODEL = "@cf/black-forest-labs/flux-2-klein-9b"


@pytest.fixture(autouse=True)
def data_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_from_an_account_to_its_usage(alpenglow, tmp_path):
    code, out, _ = alpenglow("accounts", "create", "team", "--daily-neurons", "10000")
    account = out.strip()
    assert (code, len(account)) == (0, 32)
    code, out, err = alpenglow("tokens", "create", "team", "--name", "ci", "--days", "30", "--email", "a@example.org")
    secret = out.strip()
    assert (code, len(secret)) == (0, 40)
    assert secret not in err

    code, out, _ = alpenglow("accounts", "list")
    assert "10,000" in out
    assert "no limit" in out
    (shown,) = json.loads(alpenglow("accounts", "list", "--json")[1])
    assert (shown["id"], shown["daily_neurons"]) == (account, 10_000)
    (token,) = json.loads(alpenglow("tokens", "list", "--json")[1])
    assert (token["name"], token["status"], token["accounts"]) == ("ci", "active", [account])
    assert secret not in alpenglow("tokens", "list")[1] + json.dumps(token)

    with Ledger.open(f"sqlite:///{tmp_path}/data/alpenglow/ledger.db") as ledger:
        assert ledger.access.active_token(secret).id == token["id"]
        order = Order(account, token["id"], MODEL, 1_363_636_364, 1, 1024 * 1024, 0)
        ledger.books.settle(ledger.books.reserve(order, "here", 60))
    (row,) = json.loads(alpenglow("usage", "--json")[1])
    assert (row["requests"], row["dollars"], row["output_megapixels"]) == (1, 0.015, 1)
    (row,) = csv.DictReader(alpenglow("usage", "--csv", "--by", "model,day")[1].splitlines())
    assert (row["model"], float(row["neurons"])) == (MODEL, 1363.636364)
    assert "account" not in row
    assert "1,363.64" in alpenglow("usage", "--account", "team")[1]
    assert alpenglow("usage", "--json", "--until", "2000-01-01")[1].strip() == "[]"

    limited = alpenglow("accounts", "limit", "team", "--requests-per-minute", "5", "--json")
    assert json.loads(limited[1])["requests_per_minute"] == 5
    (shown,) = json.loads(alpenglow("accounts", "list", "--json")[1])
    assert (shown["daily_neurons"], shown["requests_per_minute"]) == (None, 5)
    assert json.loads(alpenglow("tokens", "revoke", token["id"], "--json")[1])["status"] == "revoked"
    assert "revoked" in alpenglow("tokens", "list")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tokens", "create", "nobody"], "There is no account nobody"),
        (["tokens", "revoke", "nothing"], "There is no token nothing"),
        (["accounts", "create", "x", "--id", "a/b"], "letters, digits"),
        (["usage", "--by", "colour"], "day, model, account"),
        (["accounts", "list", "--ledger", "mysql://u:hushhush@h/x"], "sqlite or postgresql"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_a_sentence(alpenglow, arguments, says):
    code, _, err = alpenglow(*arguments)
    assert code == 1
    assert says in err
    assert "hushhush" not in err


@pytest.mark.parametrize(
    "command", [["accounts", "list"], ["accounts", "limit", "team"], ["tokens", "create", "team"], ["usage"], ["serve"]]
)
def test_a_misspelt_ledger_is_not_made(alpenglow, tmp_path, command):
    url = f"sqlite:///{tmp_path}/ledgre.db"
    code, out, err = alpenglow(*command, "--ledger", url)
    assert (code, out) == (1, "")
    assert f"There is no ledger at {url}: alpenglow accounts create NAME --ledger {url} makes one" in " ".join(
        err.split()
    )
    assert not list(tmp_path.rglob("*.db"))


def test_a_ledger_of_any_name_begins_with_an_account(alpenglow, tmp_path):
    url = f"sqlite:///{tmp_path}/new/ledger.db"
    assert alpenglow("accounts", "create", "team", "--ledger", url)[0] == 0
    assert "team" in alpenglow("accounts", "list", "--ledger", url)[1]


def test_a_ledger_guards_a_server_beyond_loopback_and_a_token_beside_it_is_a_contradiction(alpenglow, monkeypatch):
    assert Settings.load({"host": "0.0.0.0", "ledger_url": "local"}).ledger_url is not None
    code, _, err = alpenglow("serve", "--host", "0.0.0.0")
    assert (code, "without a token" in err) == (1, True)
    monkeypatch.setenv("ALPENGLOW_TOKEN", "hush")
    code, _, err = alpenglow("serve", "--ledger", "local")
    assert (code, "a ledger has tokens of its own" in err) == (1, True)


def reserved_and_settled(ledger):
    with ledger._engine.begin() as connection:
        return connection.exec_driver_sql("SELECT reserved, settled FROM days").all()


@contextmanager
def server(url, port):
    """The real program; whatever ends the block kills it."""
    command = [sys.executable, "-m", "alpenglow.cli.main", "serve", "--port", str(port), "--ledger", url]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    break
            except OSError as error:  # not listening yet, or 503
                assert process.poll() is None
                told = error.read().decode() if isinstance(error, HTTPError) else "being loaded"
                assert "being loaded" in told
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def test_killed_between_reserve_and_settle_the_books_balance_after_the_next_start(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Ledger.open(url) as ledger:
        account = ledger.access.create_account("team").id
        _, secret = ledger.access.create_token("", ["team"])

        def ask(side: int) -> httpx.Response:
            run = f"http://127.0.0.1:{port}/client/v4/accounts/{account}/ai/run/{MODEL}"
            fields = {"prompt": "x", "width": side, "height": side}
            return httpx.post(run, json=fields, headers={"authorization": f"Bearer {secret}"}, timeout=120)

        def ask_in_vain() -> None:
            with pytest.raises(httpx.TransportError):
                ask(1920)

        with server(url, port) as process:
            asking = threading.Thread(target=ask_in_vain)
            asking.start()
            while not (rows := reserved_and_settled(ledger)) or rows[0][0] == 0:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
            asking.join(60)
        ((reserved, settled),) = reserved_and_settled(ledger)
        assert reserved > 0
        assert settled == 0
        assert ledger.books.audit() == ()

        with server(url, port):
            assert reserved_and_settled(ledger) == [(0, 0)]
            assert ask(256).headers["cf-ai-neurons"] == "85.23"
        (row,) = ledger.books.usage(())
        assert (row.requests, ledger.books.audit()) == (1, ())
