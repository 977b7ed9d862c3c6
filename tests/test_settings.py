"""Where settings come from, which source wins, and how a bad value is told."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from alpenglow.errors import SettingsError
from alpenglow.settings import Settings, is_loopback


@pytest.fixture(autouse=True)
def _empty_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file of the machine reaches these tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ALPENGLOW_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_listen_on_loopback_and_load_the_demo() -> None:
    settings = Settings.load()
    assert (settings.host, settings.port, settings.models, settings.token) == ("127.0.0.1", 8770, ("demo",), None)


def test_caller_wins_over_environment_over_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("alpenglow.toml").write_text('port = 1\nmax_queued = 1\nthreads = 1\nmodels = ["demo", "klein-4b"]\n')
    monkeypatch.setenv("ALPENGLOW_PORT", "2")
    monkeypatch.setenv("ALPENGLOW_MAX_QUEUED", "2")
    settings = Settings.load({"port": 3, "threads": None})
    assert (settings.port, settings.max_queued, settings.threads) == (3, 2, 1)
    assert settings.models == ("demo", "klein-4b")


def test_names_in_the_environment_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPENGLOW_MODELS", "demo, klein-4b,")
    assert Settings.load().models == ("demo", "klein-4b")


def test_a_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.toml"
    other.write_text("port = 7\n")
    assert Settings.load({"config_file": other}).port == 7
    monkeypatch.setenv("ALPENGLOW_CONFIG_FILE", str(other))
    assert Settings.load().port == 7


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "other.toml is not a file"),
        ("port = = 1", "configuration file"),
        ("prot = 1", "prot is no setting: did you mean port"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, content: str | None, words: str) -> None:
    other = tmp_path / "other.toml"
    if content is not None:
        other.write_text(content)
    with pytest.raises(SettingsError, match=words):
        Settings.load({"config_file": other})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALPENGLOW_PORT", "abc"),
        ("ALPENGLOW_PORT", "70000"),
        ("ALPENGLOW_THREADS", "0"),
        ("ALPENGLOW_REQUEST_TIMEOUT_SECONDS", "-1"),
        ("ALPENGLOW_LOG_LEVEL", "loud"),
        ("ALPENGLOW_MODELS", ","),
    ],
)
def test_a_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=rf"^{variable}: .+ \(got"):
        Settings.load()


def test_a_token_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hush" not in repr(Settings.load({"token": "hush"}))
    monkeypatch.setenv("ALPENGLOW_PORT", "abc")
    with pytest.raises(SettingsError) as told:
        Settings.load({"token": "hush"})
    assert "hush" not in str(told.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_the_network_is_refused_without_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="ALPENGLOW_ALLOW_ANONYMOUS"):
        Settings.load({"host": host}).check_listening()
    Settings.load({"host": host, "token": "t"}).check_listening()
    Settings.load({"host": host, "allow_anonymous": True}).check_listening()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


def test_frozen() -> None:
    settings = Settings.load()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_the_models_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Settings.load().models_dir == tmp_path / "alpenglow" / "models"


def test_a_folder_below_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.load({"models_dir": "~/models"}).models_dir == tmp_path / "models"


def test_hugging_faces_cache_is_where_its_own_tools_keep_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert Settings.load().hub_cache_dir == tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert Settings.load().hub_cache_dir == tmp_path / "elsewhere"
    for variable in ("HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Settings.load().hub_cache_dir == tmp_path / "huggingface" / "hub"
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", "$XDG_CACHE_HOME/old")
    assert Settings.load().hub_cache_dir == tmp_path / "old"


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[madvise]" not in HUGE_PAGES.read_text(),
    reason="the kernel does not give huge pages on request",
)
def test_torch_takes_large_tensors_in_huge_pages() -> None:
    """Set up after the engine was imported, as the commands do it: torch must not have read its variable before."""
    program = """
import alpenglow.engine.assemble, torch
from alpenglow.settings import set_up_torch
set_up_torch()
tensor = torch.ones(2**24)
print(next(line.split()[1] for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages")))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(told.stdout) * 1024 >= 2**25


@pytest.mark.parametrize(
    ("name", "meant"), [("PRECISON", "PRECISION"), ("MODEL", "MODELS"), ("LEDGER", "LEDGER_URL"), ("TOKN", "TOKEN")]
)
def test_a_misspelt_variable_is_told(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    monkeypatch.setenv(f"ALPENGLOW_{name}", "x")
    with pytest.raises(SettingsError, match=f"ALPENGLOW_{name} is no setting: did you mean ALPENGLOW_{meant}"):
        Settings.load()


@pytest.mark.parametrize("name", ["URL", "SERVICE_HOST", "PORT_8770_TCP_ADDR"])
def test_other_peoples_variables_are_let_be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"ALPENGLOW_{name}", "x")
    Settings.load()


def test_white_space_around_a_token_is_no_part_of_it() -> None:
    token = Settings.load({"token": "secret\n"}).token
    assert token is not None
    assert token.get_secret_value() == "secret"


def test_origins_are_as_browsers_send_them() -> None:
    assert Settings.load({"cors_origins": "http://a.example/, *"}).cors_origins == ("http://a.example", "*")
    with pytest.raises(SettingsError, match=r"a\.example is no origin: write http://a\.example"):
        Settings.load({"cors_origins": "a.example"})
