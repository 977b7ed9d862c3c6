"""Whether a caller would rather have the picture itself than JSON about it, by its Accept header (RFC 9110, 12.5.1)."""

import re

from alpenglow.imaging import MEDIA_TYPES, ImageFormat

JSON = "application/json"
PAGE = "text/html"

_RANGE = re.compile(r"(?P<type>[^\s;,]+)\s*(?:;[^,]*?\bq\s*=\s*(?P<q>[01](?:\.\d{0,3})?))?[^,]*", re.ASCII)


def preferred_image(accept: str) -> ImageFormat | None:
    """The format that `accept` puts above JSON, or None: for `*/*`, for JSON, for both alike and for anything unknown.
    None, too, for lists with `text/html`: browsers send those, and so does Java's client where nobody set one.

    Of formats liked alike, the one that is named first; of those that a wildcard covers, JPEG.
    """
    weights = {found["type"].lower(): float(found["q"] or 1) for found in _RANGE.finditer(accept)}
    if PAGE in weights:
        return None
    named = list(weights)

    def weight(media_type: str) -> float:
        ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
        return next((weights[it] for it in ranges if it in weights), 0.0)

    def rank(image_format: ImageFormat) -> tuple[float, int]:
        media_type = MEDIA_TYPES[image_format]
        return weight(media_type), -named.index(media_type) if media_type in named else -len(named)

    best = max(MEDIA_TYPES, key=rank)
    return best if weight(MEDIA_TYPES[best]) > weight(JSON) else None
