"""What a picture is made from, each part computed once: prompt, references, positions, modulations.

One cache holds them all. Knows no samples, no steps, no queue.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import TypeVar

import torch
from torch import Tensor

from alpenglow.catalogue import Row
from alpenglow.engine.cache import Cache
from alpenglow.imaging import crop_to_multiple, cropped_size
from alpenglow.models.attention import ReferenceMemory, rope
from alpenglow.models.tokens import image_ids, reference_ids, text_ids, to_tokens
from alpenglow.models.transformer import Modulations
from alpenglow.request import RGB
from alpenglow.weights.networks import Networks

Seconds = dict[str, float]
Kept = Tensor | ReferenceMemory | Modulations
T = TypeVar("T", Tensor, ReferenceMemory, Modulations)


class Conditioning:
    """Everything that the transformer is given beside the noise.

    No value depends on the seed. Modulations depend on the schedule alone, positions on the sizes alone. Methods that
    may run a network add its wall seconds to `spent`; what comes from the cache adds nothing.
    """

    def __init__(self, row: Row, networks: Networks, max_bytes: int) -> None:
        self.cache: Cache[Hashable, Kept] = Cache(max_bytes, sizeof)
        self._row = row
        self._networks = networks
        weight = networks.transformer.img_in.weight
        self._device, self._dtype = weight.device, weight.dtype

    def prompt(self, text: str, spent: Seconds) -> Tensor:
        """(1, L, D)."""

        def encode() -> Tensor:
            ids, mask = self._networks.tokenizer.encode([text])
            with self._clock(spent, "text_encoder"):
                return self._networks.text_encoder(ids.to(self._device), mask).to(self._dtype)

        return self._kept(("prompt", text), encode)

    def references(self, images: Sequence[RGB], spent: Seconds) -> Tensor | None:
        """(1, R, C) latent tokens of all references in order, or None."""
        if not images:
            return None
        return torch.cat([self._reference(image, spent) for image in images], dim=1)

    def memory(self, images: Sequence[RGB], spent: Seconds) -> ReferenceMemory:
        """Keys and values of the references: one pass over them alone, with an empty text, at timestep 0.

        The same object for the same references, so that whoever shares them may share a forward.
        """

        def remember() -> ReferenceMemory:
            latents = self.references(images, spent)
            assert latents is not None
            memory, transformer = ReferenceMemory(), self._networks.transformer
            with self._clock(spent, "references"):
                transformer(
                    latents,
                    latents.new_zeros(1, 0, transformer.config.context_dim),
                    torch.zeros(1, device=self._device),
                    self.rotary(0, (0, 0), [self.grid_of(image) for image in images]),
                    attend=memory.recorder(),
                )
            return memory

        return self._kept(("memory", *map(fingerprint, images)), remember)

    def rotary(self, text: int, grid: tuple[int, int], references: Sequence[tuple[int, int]]) -> Tensor:
        """Table of text, image and references in this order; any of them may be empty."""

        def lay_out() -> Tensor:
            config = self._networks.transformer.config
            ids = torch.cat([text_ids(text), image_ids(*grid), reference_ids(references)])
            return rope(ids, config.axes_dim, config.theta).to(self._device)  # its fp64 is not to be had on Metal

        return self._kept(("rotary", text, grid, *references), lay_out)

    def modulations(self, timesteps: Tensor, guidance: Tensor | None) -> tuple[Modulations, ...]:
        """One for each step of a schedule (1, steps + 1), each computed alone, so that none depends on the batch."""
        times = tuple(timesteps[0, :-1].tolist())
        strength = None if guidance is None else guidance.item()

        def modulate(t: float) -> Modulations:
            # Through thousandths and back as the reference scheduler does, to meet it to the last bit.
            moment = torch.tensor([t], device=self._device) * 1000 / 1000
            return self._networks.transformer.modulations(moment, guidance)

        return tuple(self._kept(("modulation", t, strength), partial(modulate, t)) for t in times)

    def grid_of(self, image: RGB) -> tuple[int, int]:
        """(height, width) in tokens of a reference, cropped to the grid."""
        height, width = cropped_size(image.shape[0], image.shape[1], self._row.pixels_per_token)
        return height // self._row.pixels_per_token, width // self._row.pixels_per_token

    def _reference(self, image: RGB, spent: Seconds) -> Tensor:
        def encode() -> Tensor:
            # Copied, as a decoder's array may be read-only.
            pixels = torch.tensor(crop_to_multiple(image, self._row.pixels_per_token)).permute(2, 0, 1)[None]
            autoencoder = self._networks.autoencoder
            dtype = autoencoder.decoder.conv_in.weight.dtype
            with self._clock(spent, "references"):
                latents = autoencoder.encode((pixels.float() / 255 * 2 - 1).to(self._device, dtype))
                return to_tokens(latents).to(self._dtype)

        return self._kept(("reference", fingerprint(image)), encode)

    def _kept(self, key: Hashable, make: Callable[[], T]) -> T:
        return self.cache.get_or_make(key, make)  # type: ignore[return-value]

    @contextmanager
    def _clock(self, spent: Seconds, what: str) -> Iterator[None]:
        began = perf_counter()
        yield
        spent[what] = spent.get(what, 0.0) + perf_counter() - began


def fingerprint(image: RGB) -> tuple[tuple[int, ...], bytes]:
    """Equal for equal pictures, wherever they came from."""
    return image.shape, hashlib.sha256(image.tobytes()).digest()


def sizeof(value: Kept) -> int:
    """Bytes of what the cache holds."""
    return value.nbytes if isinstance(value, Tensor) else value.bytes
