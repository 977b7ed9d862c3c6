"""What every client asks with, and the picture in what it is answered."""

import base64
from io import BytesIO

from PIL import Image

MODEL = "@cf/black-forest-labs/flux-2-klein-9b"
ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "cfut_local"  # the server asks for it, so that a client which loses it is found out


def picture(data: str | bytes, kind: str = "JPEG") -> Image.Image:
    """A whole, decoded picture from a file's bytes or their base64. Everywhere with Workers AI it is a JPEG."""
    image = Image.open(BytesIO(base64.b64decode(data, validate=True) if isinstance(data, str) else data))
    image.load()
    assert image.format == kind
    return image
