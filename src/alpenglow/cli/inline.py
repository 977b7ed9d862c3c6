"""A picture inside the terminal, by the protocols of kitty and of iTerm2: bytes to escape sequences."""

import base64
from collections.abc import Callable, Mapping

from alpenglow.imaging import encode, fit_within
from alpenglow.request import RGB

SIDE = 512
CHUNK = 4096
"""Characters that kitty's protocol takes at once."""


def kitty(png: bytes) -> str:
    """https://sw.kovidgoyal.net/kitty/graphics-protocol: direct transmission of a PNG, in chunks."""
    text = base64.b64encode(png).decode("ascii")
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    keys = ["a=T,f=100,"] + [""] * (len(chunks) - 1)
    return "".join(
        f"\x1b_G{key}m={int(at < len(chunks) - 1)};{chunk}\x1b\\"
        for at, (key, chunk) in enumerate(zip(keys, chunks, strict=True))
    )


def iterm2(png: bytes) -> str:
    """https://iterm2.com/documentation-images.html: one file, shown where the cursor is."""
    return f"\x1b]1337;File=inline=1;size={len(png)}:{base64.b64encode(png).decode('ascii')}\a"


PROTOCOLS: Mapping[str, Callable[[bytes], str]] = {"kitty": kitty, "iterm2": iterm2}


def inline(picture: RGB, protocol: str) -> str:
    """What a terminal that knows `protocol` shows as `picture`, at most SIDE pixels a side."""
    return PROTOCOLS[protocol](encode(fit_within(picture, SIDE), "png"))
