"""Reference pictures as clients send them -> RGB arrays no larger than documented. Knows no bodies and no models."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from alpenglow.allocator import give_back_what_is_free
from alpenglow.errors import InvalidImage, InvalidInput, RequestTooLarge
from alpenglow.imaging import REFERENCE_SIDE, fit_within, is_image, read_reference
from alpenglow.request import RGB

DECODERS = 2
"""Requests whose references are decoded at a time, and the threads that ever do so: a decoded photograph takes far more
memory than its file, and what a thread frees stays with it.
"""


class ReferenceReader:
    """Decodes references off the event loop, those of a few requests at a time: one for all faces of a server."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._decoders = ThreadPoolExecutor(DECODERS, "decoder")

    async def read(
        self, sent: Mapping[str, bytes], *, scale_down: bool = True
    ) -> tuple[tuple[RGB, ...], tuple[str, ...]]:
        """The pictures of these names, in order, and a note for each that was scaled down to the documented square.

        Raises InvalidImage, InvalidInput and RequestTooLarge, which name the picture; InvalidInput also for one that
        would have to be scaled down where it must not be.
        """
        if not sent:
            return (), ()  # no place among those who wait for a decoder
        return await asyncio.get_running_loop().run_in_executor(self._decoders, self._read, sent, scale_down)

    def _read(self, sent: Mapping[str, bytes], scale_down: bool) -> tuple[tuple[RGB, ...], tuple[str, ...]]:  # noqa: FBT001
        try:
            return self._fitted(sent, scale_down=scale_down)
        finally:
            give_back_what_is_free()

    def _fitted(self, sent: Mapping[str, bytes], *, scale_down: bool) -> tuple[tuple[RGB, ...], tuple[str, ...]]:
        references, notes = [], []
        for name, data in sent.items():
            try:
                picture = read_reference(_image_bytes(data), self._max_pixels)
            except (InvalidImage, RequestTooLarge) as error:
                raise type(error)(f"'/{name}': {error}") from error
            fitted = fit_within(picture)
            if fitted is not picture:
                height, width = picture.shape[:2]
                if not scale_down:
                    raise InvalidInput(
                        f"'/{name}' must be <= {REFERENCE_SIDE}x{REFERENCE_SIDE}, and is {width}x{height}"
                    )
                notes.append(
                    f"{name} was scaled down from {width} x {height} to {fitted.shape[1]} x {fitted.shape[0]} "
                    f"to fit {REFERENCE_SIDE} x {REFERENCE_SIDE}"
                )
            references.append(fitted)
        return tuple(references), tuple(notes)


def _image_bytes(sent: bytes) -> bytes:
    """The file in `sent`, which is the file itself, base64 (either alphabet, padded or not) or a data URL."""
    if is_image(sent):
        return sent
    encoded = sent.partition(b",")[2] if sent.startswith(b"data:") else sent
    compact = encoded.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n=")
    try:
        return base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except binascii.Error:
        return sent
