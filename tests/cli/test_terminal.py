"""What a person sees in a terminal, through a real one (a pty), and what programs get instead."""

import base64
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from io import BytesIO

import pytest
from PIL import Image

from alpenglow.cli.background import _free_port
from alpenglow.cli.usage import bars
from alpenglow.ledger.ledger import Ledger

SMALL = ["--width", "256", "--height", "256", "--seed", "7"]


class Terminal:
    """A program on a terminal of 120 columns."""

    def __init__(self, arguments, **env):
        self.master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "alpenglow.cli.main", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"} | env,
            start_new_session=True,
        )
        os.close(slave)

    def read(self, until=None, seconds=60):
        """All that it wrote until `until` (a pattern) is in it, or the program ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if until and re.search(until, self.text):
                return self.text
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:  # Linux says so at the end
                    break
                self.text += data.decode("utf-8", "replace")
        assert until is None, f"{until} is not in {self.text[-2000:]!r}"
        return self.text


@contextmanager
def terminal(*arguments, **env):
    shown = Terminal(arguments, **env)
    try:
        yield shown
    finally:
        shown.process.send_signal(signal.SIGINT)
        try:
            shown.process.wait(30)
        finally:
            shown.process.kill()
            os.close(shown.master)


def test_serve_keeps_a_table_up_to_date():
    port = _free_port()
    with terminal("serve", "--port", str(port)) as shown:
        shown.read(r"s/picture")
        shown.read(r"ready +0 +0 +0 +0 +0")
        url = f"http://127.0.0.1:{port}/client/v4/accounts/local/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
        body = json.dumps({"prompt": "a dog", "width": 256, "height": 256}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as answer:
            assert json.load(answer)["success"]
        shown.read(r"ready +1 +1 +0 +0 +0 +\d+\.\d\d +\d\.\d GB")
        shown.read(r"POST[^\n]*/client/v4")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_serve_leaves_the_cursor_as_it_was(ending):
    with terminal("serve", "--port", str(_free_port())) as shown:
        shown.read(r"ready +0 +0 +0 +0 +0")
        shown.process.send_signal(ending)
        text = shown.read()
        assert shown.process.wait(30) == 0
    assert "\x1b[?25l" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("env", "pattern"),
    [
        ({"TERM": "xterm-kitty"}, r"\x1b_Ga=T,f=100,m=[01];"),
        ({"TERM_PROGRAM": "iTerm.app"}, r"\x1b\]1337;File=inline=1;size=\d+:([A-Za-z0-9+/=]+)\x07"),
    ],
)
def test_generate_shows_the_picture_where_the_terminal_can(tmp_path, env, pattern):
    out = tmp_path / "a.png"
    with terminal("generate", "a dog", "-o", str(out), *SMALL, **env) as shown:
        text = shown.read()
    assert re.search(pattern, text)
    shown_ones = re.findall(r"\x1b_G[^;]*;([^\x1b]*)\x1b\\", text) or re.findall(pattern, text)
    with Image.open(BytesIO(base64.b64decode("".join(shown_ones)))) as inside, Image.open(out) as file:
        assert inside.convert("RGB").tobytes() == file.convert("RGB").tobytes()


def test_generate_shows_none_elsewhere(tmp_path):
    with terminal("generate", "a dog", "-o", str(tmp_path / "a.png"), *SMALL) as shown:
        text = shown.read()
    assert "seed 7" in text
    assert "\x1b_G" not in text
    assert "1337" not in text


def test_generate_for_programs(alpenglow, tmp_path):
    code, out, _ = alpenglow("generate", "a dog", "-o", "a.png", "--json", *SMALL)
    made = json.loads(out)
    assert code == 0
    assert made.pop("seconds") > 0
    assert made == {"file": "a.png", "width": 256, "height": 256, "seed": 7, "weights": "demo"}


def test_accounts_and_tokens_for_programs(alpenglow, tmp_path):
    ledger = ["--ledger", f"sqlite:///{tmp_path / 'ledger.db'}"]
    account = json.loads(alpenglow("accounts", "create", "team", "--daily-neurons", 5, "--json", *ledger)[1])
    assert (account["name"], account["daily_neurons"]) == ("team", 5.0)
    token = json.loads(alpenglow("tokens", "create", "team", "--json", *ledger)[1])
    with Ledger.open(ledger[1]) as opened:
        assert opened.access.active_token(token["token"]).id == token["id"]


def test_bars_are_as_long_as_what_they_count():
    records = [{"neurons": neurons, "requests": 1} for neurons in (100.0, 50.0, 1.0, 0.0)]
    assert bars(records, 8) == ["█" * 8, "█" * 4, "▏", ""]
    assert bars([{"neurons": 0.0, "requests": 4}, {"neurons": 0.0, "requests": 2}], 2) == ["██", "█"]
    assert bars([]) == []


def test_usage_draws_bars_on_a_terminal_alone(alpenglow, tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with Ledger.open(url) as ledger:
        ledger.access.create_account("team", account_id="team")
    with terminal("usage", "--ledger", url) as shown:
        assert "neurons" in shown.read()
    assert "█" not in alpenglow("usage", "--ledger", url)[1]


def test_no_id_and_no_sum_is_cut_on_a_narrow_terminal(alpenglow, tmp_path):
    ledger = ["--ledger", f"sqlite:///{tmp_path / 'ledger.db'}"]
    account = alpenglow("accounts", "create", "a[/b] :rocket:", "--daily-neurons", "123456789", *ledger)[1].strip()
    token = json.loads(alpenglow("tokens", "create", account, "--name", "[red]", "--json", *ledger)[1])
    for command, whole in (
        ("accounts", [account, "a[/b] :rocket:", "123,456,789"]),
        ("tokens", [token["id"], "[red]"]),
    ):
        with terminal(command, "list", *ledger, COLUMNS="60") as shown:
            text = shown.read()
        assert all(cell in text for cell in whole)
        assert all(cell in alpenglow(command, "list", *ledger)[1] for cell in whole)


def test_the_shell_completes_commands():
    env = os.environ | {"_ALPENGLOW_COMPLETE": "complete_bash", "COMP_WORDS": "alpenglow ge", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['alpenglow']; from alpenglow.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["generate"]


ASK_TWICE = """
import subprocess, sys
ask = [sys.executable, "-c", "from alpenglow.cli.live import in_foreground; print(in_foreground(), flush=True)"]
subprocess.run(ask)
subprocess.run(ask, process_group=0)
"""


def test_what_a_shell_starts_in_the_background_knows_it():
    pid, master = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", ASK_TWICE])
    said = b""
    with suppress(OSError):  # Linux's way to tell that nobody writes any more
        while part := os.read(master, 1024):
            said += part
    os.waitpid(pid, 0)
    assert said.split() == [b"True", b"False"]
