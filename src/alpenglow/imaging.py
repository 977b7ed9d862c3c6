"""Bytes of picture files <-> RGB arrays. Hostile bytes are expected: every fault is one of our errors.

Knows Pillow and nothing of HTTP, of models or of torch. Everything here is CPU work of milliseconds: callers on an
event loop move it to a thread.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngInfo
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
"""EXIF Software of every picture that we make, in the form that BFL's own code writes."""

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for a picture that a trained model made: what platforms look for to label it."""

MAX_PROMPT = 2000
"""Characters of a prompt that are kept in a file: a JPEG's metadata end at 64 KiB, and XML may write one as six."""

_NOT_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot carry, NUL among it."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a picture's file says of its making, beside that it was generated. What is None is left unsaid.

    No time and no place: equal pixels with an equal provenance give equal bytes.
    """

    model: str | None = None
    seed: int | None = None
    prompt: str | None = None

    def entries(self) -> dict[str, str]:
        """Name -> value of all that is said. The names are keywords of PNG's text chunks where it has one."""
        prompt = None if self.prompt is None else _NOT_TEXT.sub("", self.prompt[:MAX_PROMPT])
        said = {"Model": self.model, "Seed": self.seed, "Description": prompt}
        return {"Software": SOFTWARE} | {name: str(value) for name, value in said.items() if value is not None}


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
    picture: RGB,
    image_format: ImageFormat = "jpeg",
    *,
    quality: int = QUALITY,
    provenance: Provenance = Provenance(),
) -> bytes:
    """`picture` as a file. JPEG is 4:4:4, as Cloudflare's answers are; PNG is lossless, `quality` is for the others.

    `provenance` is written as EXIF and XMP, and as text chunks of a PNG. Equal pixels with equal metadata give equal
    bytes.
    """
    exif, xmp = _exif(provenance), _xmp(provenance)
    file = BytesIO()
    image = Image.fromarray(picture)
    match image_format:
        case "jpeg":
            image.save(file, "JPEG", quality=quality, subsampling=0, exif=exif, xmp=xmp)
        case "png":
            image.save(file, "PNG", exif=exif, pnginfo=_text_chunks(provenance, xmp))
        case "webp":
            image.save(file, "WEBP", quality=quality, exif=exif, xmp=xmp)
    return file.getvalue()


def _exif(provenance: Provenance) -> Image.Exif:
    said = provenance.entries()
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = said["Software"]
    if "Model" in said:
        exif[ExifTags.Base.Model] = said["Model"]
    if "Description" in said:
        exif[ExifTags.Base.ImageDescription] = said["Description"].encode()
    if "Seed" in said:  # EXIF has no tag for it; a comment begins with the name of its encoding
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0" + f"Seed: {said['Seed']}".encode()
    return exif


def _xmp(provenance: Provenance) -> bytes:
    """An XMP packet with IPTC's properties for generated pictures (Photo Metadata Standard 2025.1)."""
    said = {
        "xmp:CreatorTool": SOFTWARE,
        "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPE,
        "Iptc4xmpExt:AISystemUsed": provenance.model,
        "Iptc4xmpExt:AIPromptInformation": provenance.entries().get("Description"),
    }
    properties = " ".join(f'{name}="{html.escape(value)}"' for name, value in said.items() if value)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'{properties}/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _text_chunks(provenance: Provenance, xmp: bytes) -> PngInfo:
    chunks = PngInfo()
    for keyword, text in provenance.entries().items():
        chunks.add_text(keyword, text)
    chunks.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return chunks


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
    upright = _in_srgb(_turned(image))
    if upright.mode.startswith("I;16"):  # Pillow would clip 16-bit grey at 255, which is white
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    paper = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(paper, upright.convert("RGBA")).convert("RGB")


def _in_srgb(image: Image.Image) -> Image.Image:
    """Its colours by its own profile, such as a phone's Display P3. A profile that nobody can read changes nothing."""
    given = image.info.get("icc_profile")
    if not given or image.mode not in {"L", "RGB", "RGBA", "CMYK"}:
        return image
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(given))
        if "sRGB" in ImageCms.getProfileDescription(profile):
            return image
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError):
        return image


def _turned(image: Image.Image) -> Image.Image:
    """Upright by its EXIF. What nobody can read turns nothing: the pixels are whole."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - SyntaxError and others, by what it is that is no TIFF
        return image
