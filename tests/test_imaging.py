"""Picture bytes in and out: what is read, how it is brought to RGB, and what is refused."""

import struct
import zlib
from io import BytesIO
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from alpenglow.errors import AlpenglowError, InvalidImage, RequestTooLarge
from alpenglow.imaging import (
    MAX_PROMPT,
    SOFTWARE,
    ImageFormat,
    Provenance,
    encode,
    fit_within,
    is_image,
    read_reference,
)
from alpenglow.request import RGB

LIMIT = 1_000_000
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"


def picture(height: int = 48, width: int = 64) -> RGB:
    """A smooth picture with all channels different."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - x * 255 // width], axis=-1).astype(np.uint8)


def file_of(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(("name", "tolerance"), [("PNG", 0), ("BMP", 0), ("JPEG", 12), ("WEBP", 24), ("GIF", 40)])
def test_reads_each_format(name: str, tolerance: int) -> None:
    data = file_of(Image.fromarray(picture()), name)
    assert is_image(data)
    read = read_reference(data, LIMIT)
    assert (read.shape, read.dtype) == ((48, 64, 3), np.uint8)
    assert np.abs(read.astype(int) - picture()).max() <= tolerance


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (32, 32), "white").convert(mode)
    data = file_of(image, "JPEG" if mode in ("CMYK", "YCbCr") else "PNG")
    assert read_reference(data, LIMIT).min() >= 253


def test_sixteen_bit_grey_keeps_its_tones() -> None:
    grey = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    read = read_reference(file_of(Image.fromarray(grey), "PNG"), LIMIT)
    assert np.array_equal(read[..., 0], grey >> 8)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (32, 32), (255, 0, 0, 0)),
        Image.new("LA", (32, 32), (0, 0)),
    ],
)
def test_what_is_transparent_lies_on_white(image: Image.Image) -> None:
    assert read_reference(file_of(image, "PNG"), LIMIT).min() == 255


def test_a_transparent_palette_lies_on_white() -> None:
    image = Image.new("P", (32, 32), 0)
    image.putpalette([255, 0, 0])
    assert read_reference(file_of(image, "PNG", transparency=bytes([0])), LIMIT).min() == 255
    assert read_reference(file_of(image, "GIF", transparency=0), LIMIT).min() == 255


def test_exif_turns_the_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    read = read_reference(file_of(Image.fromarray(picture()), "PNG", exif=exif), LIMIT)
    assert np.array_equal(read, np.rot90(picture(), k=-1))


@pytest.mark.parametrize(
    "exif", [b'{"prompt": "a cat"}', b'Exif\0\0{"prompt": "a cat"}', b"II", b"II*\0\xff\xff\xff\xff"]
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_exif_that_nobody_can_read_turns_nothing(kind: str, exif: bytes) -> None:
    given = Image.fromarray(picture())
    read = read_reference(file_of(given, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})), LIMIT)
    assert read.shape == picture().shape


def swapping_profile() -> bytes:
    """A colour profile whose red is sRGB's blue, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    head, tags = profile[:300], profile[300:]
    head = head.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    return (head + tags).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_colours_are_those_of_the_profile() -> None:
    for mode in ("RGB", "RGBA"):
        red = Image.new(mode, (64, 64), (200, 30, 40))
        read = read_reference(file_of(red, "PNG", icc_profile=swapping_profile()), LIMIT)
        np.testing.assert_allclose(read[0, 0], (40, 30, 200), atol=1)


@pytest.mark.parametrize(
    "profile", [b"none", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), swapping_profile()[:400]]
)
def test_a_profile_that_says_nothing_changes_nothing(profile: bytes) -> None:
    read = read_reference(file_of(Image.fromarray(picture()), "PNG", icc_profile=profile), LIMIT)
    np.testing.assert_array_equal(read, picture())


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert tuple(read_reference(data, LIMIT)[0, 0]) == (255, 0, 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"I am a picture, honestly", "not an image"),
        (b"%PDF-1.7 whatever", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "damaged"),
        (half(file_of(Image.fromarray(picture()), "PNG")), "cut short"),
        (half(file_of(Image.fromarray(picture()), "JPEG")), "cut short"),
        (half(file_of(Image.fromarray(picture()), "WEBP")), "cut short"),
        (file_of(Image.new("RGB", (64, 15)), "PNG"), "64 x 15"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidImage, match=words):
        read_reference(data, LIMIT)


def bomb(side: int = 20_000) -> bytes:
    """A PNG of `side` x `side` one-bit pixels in a few kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (side // 8 + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header() -> None:
    assert len(bomb()) < 100_000
    with pytest.raises(RequestTooLarge, match="20000 x 20000"):
        read_reference(bomb(), 64_000_000)


@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]), st.data())
def test_damage_is_only_ever_our_own_error(name: str, draw: st.DataObject) -> None:
    data = bytearray(file_of(Image.fromarray(picture(20, 20)), name))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        read = read_reference(bytes(data), LIMIT)
    except AlpenglowError:
        return
    assert read.dtype == np.uint8
    assert read.shape[2] == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((512, 512), (512, 512)),
        ((100, 300), (100, 300)),
        ((1024, 512), (512, 256)),
        ((600, 800), (384, 512)),
        ((5000, 20), (512, 16)),
    ],
)
def test_fit_within(before: tuple[int, int], after: tuple[int, int]) -> None:
    assert fit_within(picture(*before)).shape == (*after, 3)


def test_scaling_keeps_the_picture() -> None:
    assert np.abs(fit_within(picture(1024, 1024)).astype(int) - picture(512, 512)).max() <= 2


def test_jpeg_is_quality_95_without_chroma_subsampling() -> None:
    data = encode(picture())
    with Image.open(BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert image.getexif()[0x0131] == SOFTWARE
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
        reference = file_of(Image.fromarray(picture()), "JPEG", quality=95, subsampling=0)
        with Image.open(BytesIO(reference)) as other:
            assert image.quantization == other.quantization  # type: ignore[attr-defined]


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
def test_equal_pixels_give_equal_bytes(image_format: str) -> None:
    assert encode(picture(), image_format) == encode(picture().copy(), image_format)  # type: ignore[arg-type]


def test_png_is_lossless() -> None:
    assert np.array_equal(read_reference(encode(picture(), "png"), LIMIT), picture())


FULL = Provenance(model="klein-9b", seed=2**63 - 1, prompt='träume "夢" <b>&\x00\x07')
PROMPT = 'träume "夢" <b>&'


def described(image: Image.Image) -> ET.Element:
    """The properties of the picture's XMP packet, parsed as any reader would."""
    xmp = image.info["xmp"] if image.format != "PNG" else image.text["XML:com.adobe.xmp"].encode()  # type: ignore[attr-defined]
    (description,) = ET.fromstring(xmp.decode()).iter(RDF + "Description")
    return description


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
def test_a_file_says_who_made_it(image_format: ImageFormat) -> None:
    with Image.open(BytesIO(encode(picture(), image_format, provenance=FULL))) as image:
        exif = image.getexif()
        properties = described(image).attrib
    assert (exif[0x0131], exif[0x0110]) == (SOFTWARE, "klein-9b")
    assert exif[0x010E] in (PROMPT, PROMPT.encode().decode("latin-1"))  # Pillow reads what is not ASCII as Latin-1
    assert exif.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0Seed: 9223372036854775807"
    assert properties[IPTC + "DigitalSourceType"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
    assert (properties[IPTC + "AISystemUsed"], properties[IPTC + "AIPromptInformation"]) == ("klein-9b", PROMPT)


def test_a_png_says_it_in_text_chunks_too() -> None:
    with Image.open(BytesIO(encode(picture(), "png", provenance=FULL))) as image:
        texts = dict(image.text)  # type: ignore[attr-defined]
    assert texts.pop("XML:com.adobe.xmp")
    assert texts == {"Software": SOFTWARE, "Model": "klein-9b", "Seed": str(2**63 - 1), "Description": PROMPT}


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
def test_what_is_not_told_is_not_said(image_format: ImageFormat) -> None:
    with Image.open(BytesIO(encode(picture(), image_format))) as image:
        assert dict(image.getexif()) == {0x0131: SOFTWARE}
        assert not [name for name in described(image).attrib if "AI" in name]


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
def test_the_longest_prompt_fits(image_format: ImageFormat) -> None:
    data = encode(picture(), image_format, provenance=Provenance(prompt='"\U0001f3d4' * 30_000))
    with Image.open(BytesIO(data)) as image:
        assert len(described(image).attrib[IPTC + "AIPromptInformation"]) == MAX_PROMPT


def test_equal_pixels_and_provenance_give_equal_bytes() -> None:
    files = [encode(picture(), "png", provenance=Provenance(seed=seed)) for seed in (1, 1, 2)]
    assert files[0] == files[1] != files[2]
