"""What the machine has: devices, their features and their memory. Knows no networks."""

import importlib.util
import platform
import shutil
from pathlib import Path
from typing import Any

import psutil
import torch

from alpenglow.errors import SettingsError


def best_device() -> str:
    """cuda, else mps, else cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_named(name: str) -> torch.device:
    """Of a setting: "auto" is the best there is. Raises SettingsError for what is no device, or is not here."""
    if name == "auto":
        return torch.device(best_device())
    cards = torch.cuda.device_count()
    here = ["cpu", *["cuda"][:cards], *(f"cuda:{n}" for n in range(cards))]
    here += ["mps"] * torch.backends.mps.is_available()
    if name not in here:
        raise SettingsError(f"There is no device {name} here: choose one of {', '.join(['auto', *here])}.")
    return torch.device(name)


def make_current(device: torch.device) -> None:
    """Have this thread's streams and graphs made on the card that a number names: they belong to the current one."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def features(device: torch.device) -> frozenset[str]:
    """What a device has of `vnni`, `bf16`, `fp8`, `compiler`, `bf16 is slow` and `mkl is slow`."""
    if device.type == "cuda":
        found = {"bf16": True, "fp8": torch.cuda.get_device_capability(device) >= (8, 9), "compiler": _compiles()}
        return frozenset(name for name, there in found.items() if there)
    if device.type != "cpu":
        return frozenset({"bf16"})
    has = _processor()
    bf16 = any(has.get(flag) for flag in ("avx512_bf16", "amx_bf16"))
    found = {
        "vnni": any(has.get(flag) for flag in ("avx512_vnni", "avx_vnni", "amx_int8")),
        "bf16": bf16,
        "bf16 is slow": has.get("architecture") == "x86_64" and not bf16,
        "mkl is slow": bool(has.get("avx512_f")) and "Intel" not in str(has.get("cpu_name", "Intel")),
    }
    return frozenset(name for name, there in found.items() if there)


def _compiles() -> bool:
    """Whether torch can compile for CUDA: Triton, which is not everywhere, builds its launchers by a C compiler."""
    return importlib.util.find_spec("triton") is not None and any(map(shutil.which, ("gcc", "clang", "cc")))


def _processor() -> dict[str, Any]:
    """What torch knows of the processor, by torch's names. Older torch has no list, but answers these."""
    if hasattr(torch.cpu, "get_capabilities"):
        return dict(torch.cpu.get_capabilities())
    asked = {name: getattr(torch.cpu, f"_is_{feature}_supported")() for name, feature in _ASKED.items()}
    return {"architecture": platform.machine(), **asked}


_ASKED = {
    "avx512_f": "avx512",
    "avx512_vnni": "vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_bf16": "amx_tile",
    "amx_int8": "amx_tile",
}
"""What older torch says of a feature, by the name that newer torch gives it."""


def describe(device: torch.device) -> str:
    """The name of the processor or of the card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU (Metal)"
    has = _processor()
    return f"{has.get('cpu_name', 'CPU')}, {torch.get_num_threads()} threads"


def memory(device: torch.device) -> tuple[int, int]:
    """Bytes that are free for us and bytes in all. Metal and CPUs share the memory of the machine, or the container."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return free, total
    machine = psutil.virtual_memory()
    free, limit = container_memory() or (machine.available, machine.total)
    return min(free, machine.available), min(limit, machine.total)


def container_memory(group: Path = Path("/sys/fs/cgroup")) -> tuple[int, int] | None:
    """Bytes that our control group (version 2) may still take and in all; None where it has no limit, or is none."""
    try:
        limit, taken = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # "max" is no number
        return None
    return limit - taken + int(stat["inactive_file"]), limit  # pages of files are given up when memory is asked for


def batch_tokens(device: torch.device) -> int:
    """Tokens of a batch beyond which a forward's time grows with its tokens: more jobs would only delay the oldest."""
    return 1_024 if device.type == "cpu" else 16_384


def wait_for(device: torch.device) -> None:
    """Return once all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
