"""Networks larger than the device: their weights live in the machine's memory and visit the device when they are due.

Nothing is copied back, as weights do not change. Knows no requests.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from mmap import PAGESIZE
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from alpenglow.weights.networks import Networks

Offload = Literal["none", "text_encoder", "blocks"]
OFFLOADS: tuple[Offload, ...] = get_args(Offload)


class OffloadedModule:
    """A module whose tensors stay at home, in page-locked memory where a GPU reads them, and are lent to a device."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self._device = device
        self._homes: list[tuple[nn.Module, str, Tensor]] = []
        for owner in module.modules():
            for name, tensor in (*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)):
                home = tensor.detach().cpu()
                self._homes.append((owner, name, page_locked(home) if device.type == "cuda" else home))
        self.offload()

    @property
    def bytes(self) -> int:
        """What it takes on the device while it is there."""
        return sum(home.numel() * home.element_size() for _, _, home in self._homes)

    def onload(self) -> None:
        """Copy every tensor onto the device, or none if there is no room. Behind the host's back where it is a GPU."""
        copies = [home.to(self._device, non_blocking=True, copy=True) for _, _, home in self._homes]
        for (owner, name, _), copy in zip(self._homes, copies, strict=True):
            self._put(owner, name, copy)

    def offload(self) -> None:
        """Forget the copies."""
        for owner, name, home in self._homes:
            self._put(owner, name, home)

    def tensors(self) -> Iterator[Tensor]:
        """As they are now."""
        return (getattr(owner, name) for owner, name, _ in self._homes)

    @staticmethod
    def _put(owner: nn.Module, name: str, tensor: Tensor) -> None:
        if name in owner._buffers:  # noqa: SLF001 - setattr would do the same, more slowly
            owner._buffers[name] = tensor  # noqa: SLF001
        else:
            getattr(owner, name).data = tensor


def page_locked(tensor: Tensor) -> Tensor:
    """A copy in memory that CUDA reads by itself. Raises CudaError where the system refuses that.

    Locked where it is: what `pin_memory` takes is rounded up to a power of two, 25 GB for 17 GB of klein-9b's blocks.
    """
    copy = on_own_pages(tensor)
    size = -(-copy.nbytes // PAGESIZE) * PAGESIZE
    torch.cuda.check_error(int(torch.cuda.cudart().cudaHostRegister(copy.data_ptr(), size, 0)))
    unlock = weakref.finalize(copy.untyped_storage(), torch.cuda.cudart().cudaHostUnregister, copy.data_ptr())
    unlock.atexit = False  # CUDA may be gone by then
    return copy


def on_own_pages(tensor: Tensor) -> Tensor:
    """A copy that shares no page of memory with anything else: CUDA locks whole pages, and none twice."""
    room = torch.empty(tensor.nbytes + 2 * PAGESIZE, dtype=torch.uint8)
    start = -room.data_ptr() % PAGESIZE
    return room[start : start + tensor.nbytes].view(tensor.dtype).view(tensor.shape).copy_(tensor)


class StreamedBlocks:
    """Blocks that come one after the other: while one computes, the next is on its way; two are there at most."""

    def __init__(self, blocks: Sequence[nn.Module], device: torch.device) -> None:
        self._modules = [OffloadedModule(block, device) for block in blocks]
        self._copy_stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._prefetched: set[int] = set()
        self._left: torch.cuda.Event | None = None
        for number, block in enumerate(blocks):
            block.register_forward_pre_hook(lambda _block, _args, number=number: self._enter(number))
            block.register_forward_hook(lambda _block, _args, _out, number=number: self._exit(number), always_call=True)

    @property
    def bytes(self) -> int:
        """The most that is on the device at once."""
        sizes = [module.bytes for module in self._modules]
        return max(a + b for a, b in zip(sizes, sizes[1:] + sizes[:1], strict=True))

    def _enter(self, number: int) -> None:
        for stray in self._prefetched - {number}:  # of a pass that failed before it got there
            self._modules[stray].offload()
        self._prefetched &= {number}
        self._prefetch(number)
        self._prefetched.discard(number)
        if self._copy_stream is not None:
            here = torch.cuda.current_stream()
            here.wait_stream(self._copy_stream)
            for tensor in self._modules[number].tensors():
                tensor.record_stream(here)  # its memory was taken on the other stream
        if number + 1 < len(self._modules):
            self._prefetch(number + 1)

    def _exit(self, number: int) -> None:
        self._modules[number].offload()
        if self._copy_stream is not None:
            self._left = torch.cuda.current_stream().record_event()

    def _prefetch(self, number: int) -> None:
        if number in self._prefetched:
            return
        if self._left is not None:
            # Asked for long before the device gets there, every block would take memory of its own.
            self._left.synchronize()
        # `stream(None)` asks the device for its index, which Metal has not.
        with nullcontext() if self._copy_stream is None else torch.cuda.stream(self._copy_stream):
            self._modules[number].onload()
        self._prefetched.add(number)


def apply_offload(networks: Networks, offload: Offload, device: torch.device) -> None:
    """Put on the device what stays there, and let the rest come and go.

    `text_encoder`: its layers come one by one for every new prompt, the transformer stays. `blocks`: the transformer's
    blocks come one by one too, at every step.
    """
    transformer = networks.transformer
    blocks = transformer.blocks if offload == "blocks" else []
    layers = list(networks.text_encoder.model.layers) if offload != "none" else []
    for network in (transformer, networks.text_encoder, networks.autoencoder):
        move_except(network, device, frozenset([*blocks, *layers]))
    for away in (blocks, layers):
        if away:
            StreamedBlocks(away, device)


def move_except(module: nn.Module, device: torch.device, away: frozenset[nn.Module]) -> None:
    """Move a module, but for the modules `away`."""
    if module in away:
        return
    for parameter in module.parameters(recurse=False):
        parameter.data = parameter.data.to(device)
    for name, buffer in module.named_buffers(recurse=False):
        setattr(module, name, buffer.to(device))
    for child in module.children():
        move_except(child, device, away)
