"""Devices by their names."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from alpenglow.engine.device import container_memory, describe, device_named, features, make_current, memory
from alpenglow.engine.optimize import choose
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


@pytest.mark.parametrize("flag", ["vnni", "avx512_bf16", "amx_tile"])
def test_an_older_torch_tells_what_a_processor_has(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("avx512", "vnni", "avx512_bf16", "amx_tile")
    answers = {f"_is_{name}_supported": partial(bool, name == flag) for name in asked}
    monkeypatch.setattr(torch, "cpu", SimpleNamespace(**answers))
    found = features(torch.device("cpu"))
    assert ("vnni" in found, "bf16" in found) == (flag != "avx512_bf16", flag != "vnni")
    assert describe(torch.device("cpu")).startswith("CPU, ")


def test_a_container_has_no_more_than_its_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("2000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 300\nfile 400\ninactive_file 100\n")
    assert container_memory(tmp_path) == (1400, 2000)
    (tmp_path / "memory.max").write_text("max\n")
    assert container_memory(tmp_path) is None
    assert container_memory(tmp_path / "none") is None
    free, total = memory(torch.device("cpu"))
    assert 0 < free <= total


def test_a_gpu_without_a_compiler_computes_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 9))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    for found in ("/usr/bin/cc", None):
        monkeypatch.setattr("shutil.which", lambda _name, found=found: found)
        assert {choose(name, torch.device("cuda")).compile for name in ("auto", "bf16", "fp8")} == {found is not None}
