"""Devices by their names."""

import pytest
import torch

from alpenglow.engine.device import device_named, make_current
from alpenglow.errors import SettingsError


def test_the_best_there_is() -> None:
    assert device_named("auto").type in {"cpu", "cuda", "mps"}
    assert device_named("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:99", "cpu:7", ""])
def test_what_is_no_device_here_is_refused_with_what_is(name: str) -> None:
    with pytest.raises(SettingsError, match=f"There is no device {name} here: choose one of auto, cpu"):
        device_named(name)


def test_a_numbered_card_is_made_current(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for name in ("cpu", "cuda", "cuda:1"):
        make_current(torch.device(name))
    assert chosen == [torch.device("cuda:1")]
