"""Bytes of picture files <-> RGB arrays. Hostile bytes are expected: every fault is one of our errors.

Knows Pillow and nothing of HTTP, of models or of torch. Everything here is CPU work of milliseconds: callers on an
event loop move it to a thread.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from alpenglow.errors import InvalidImage, RequestTooLarge
from alpenglow.request import RGB

ImageFormat = Literal["jpeg", "png", "webp"]

MEDIA_TYPES: Mapping[ImageFormat, str] = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

REFERENCE_SIDE = 512
"""References are scaled down to fit a square of this side: the documented limit of the API."""

MIN_REFERENCE_SIDE = 16
"""Below one latent token a side there is nothing to look at."""

QUALITY = 95
SOFTWARE = "AI generated;alpenglow"
"""EXIF Software of every picture that we make. Constant, so that equal pixels give equal bytes."""

# The plugin is chosen here and not by Image.open: this is the whitelist, and the pixels are counted by our limit
# instead of Pillow's process-wide one.
_READERS: Mapping[bytes, type[ImageFile]] = {
    b"\xff\xd8\xff": JpegImageFile,
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"RIFF": WebPImageFile,
    b"GIF8": GifImageFile,
    b"BM": BmpImageFile,
}


def read_reference(data: bytes, max_pixels: int) -> RGB:
    """The picture in `data` as people see it: upright, sRGB, on white where transparent, first frame of an animation.

    The header is read first; nothing is decoded when it promises more than `max_pixels` (width x height).
    Raises InvalidImage (empty, unknown format, cut short, damaged, too small) and RequestTooLarge.
    """
    if not data:
        raise InvalidImage("the image is empty")
    reader = next((reader for magic, reader in _READERS.items() if data.startswith(magic)), None)
    if reader is None:
        raise InvalidImage("this is not an image that can be read; send JPEG, PNG, WebP, GIF or BMP")
    try:
        with reader(BytesIO(data)) as image:
            _check_size(*image.size, max_pixels)
            return np.asarray(_upright_on_white(image))
    except (InvalidImage, RequestTooLarge):
        raise
    except Exception as error:  # a decoder fed with hostile bytes may raise anything at all
        raise InvalidImage("the image is damaged or cut short") from error


def is_image(data: bytes) -> bool:
    """Whether `data` begins like a format that `read_reference` reads."""
    return data.startswith(tuple(_READERS))


def fit_within(picture: RGB, side: int = REFERENCE_SIDE) -> RGB:
    """`picture` scaled down (Lanczos, same aspect) to fit `side` x `side`, or as it is if it fits."""
    height, width, _ = picture.shape
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = tuple(max(MIN_REFERENCE_SIDE, round(length * scale)) for length in (width, height))
    return np.asarray(Image.fromarray(picture).resize((size[0], size[1]), Image.Resampling.LANCZOS))


def crop_to_multiple(picture: RGB, multiple: int) -> RGB:
    """The centre of `picture`, each side floored to a multiple; enlarged first where a side is shorter than one."""
    height, width = _enlarged(picture.shape[0], picture.shape[1], multiple)
    if (height, width) != picture.shape[:2]:
        picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
    height, width = cropped_size(height, width, multiple)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def cropped_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """(height, width) of what `crop_to_multiple` makes of a picture of this height and width."""
    height, width = _enlarged(height, width, multiple)
    return height // multiple * multiple, width // multiple * multiple


def encode(
    picture: RGB, image_format: ImageFormat = "jpeg", *, quality: int = QUALITY, software: str = SOFTWARE
) -> bytes:
    """`picture` as a file. JPEG is 4:4:4, as Cloudflare's answers are; PNG is lossless, `quality` is for the others.

    Equal pixels give equal bytes.
    """
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = software
    file = BytesIO()
    image = Image.fromarray(picture)
    match image_format:
        case "jpeg":
            image.save(file, "JPEG", quality=quality, subsampling=0, exif=exif)
        case "png":
            image.save(file, "PNG", exif=exif)
        case "webp":
            image.save(file, "WEBP", quality=quality, exif=exif)
    return file.getvalue()


def _enlarged(height: int, width: int, shortest: int) -> tuple[int, int]:
    scale = max(1.0, shortest / min(height, width))
    return round(height * scale), round(width * scale)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise RequestTooLarge(f"the image has {width} x {height} pixels, more than {max_pixels:,}")
    if min(width, height) < MIN_REFERENCE_SIDE:
        raise InvalidImage(f"the image has {width} x {height} pixels, less than {MIN_REFERENCE_SIDE} a side")


def _upright_on_white(image: Image.Image) -> Image.Image:
    """Decode, turn as EXIF says, and bring any mode to RGB."""
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):  # Pillow would clip 16-bit grey at 255, which is white
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    paper = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(paper, upright.convert("RGBA")).convert("RGB")
