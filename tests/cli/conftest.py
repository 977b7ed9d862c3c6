import sys

import pytest

from alpenglow.cli.main import main


@pytest.fixture(autouse=True)
def no_other_weights(monkeypatch, tmp_path_factory):
    """Only the demo checkpoint is there, whatever this machine holds."""
    monkeypatch.setenv("ALPENGLOW_MODELS_DIR", str(tmp_path_factory.mktemp("models")))


@pytest.fixture
def alpenglow(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder: `alpenglow("models", "--json")` gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["alpenglow", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capsys.readouterr()

    return run
