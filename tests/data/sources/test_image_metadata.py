"""Pictures stay as they are, and nothing is said beside them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from penstock.bundle.images import data_url, opened, pixels_of
from penstock.data.sources.image_metadata import ORIENTATION, without_metadata

ARTIST, COPYRIGHT, GPS = 0x013B, 0x8298, 0x8825
WHO = "ada@mail.example.org"
FORMS = ["JPEG", "PNG", "WEBP", "TIFF", "GIF"]


def picture(form: str, *, orientation: int = 1, says: bool = True, mode: str = "RGB", **more: object) -> bytes:
    pixels = np.arange(24 * 16 * 3, dtype=np.uint32).reshape(16, 24, 3) * 7 % 256
    image, written = Image.fromarray(pixels.astype(np.uint8)).convert(mode), io.BytesIO()
    if mode == "RGBA":
        image.putalpha(120)
    exif = Image.Exif()
    if says:
        exif[ARTIST], exif[COPYRIGHT] = WHO, WHO
        exif.get_ifd(GPS)[29] = WHO
    if orientation != 1:
        exif[ORIENTATION] = orientation
    if form != "GIF" and len(exif):
        more["exif"] = exif
    if form in ("JPEG", "GIF") and says:
        more["comment"] = WHO
    if form == "PNG" and says:
        more["pnginfo"] = PngInfo()
        more["pnginfo"].add_text("Author", WHO)  # type: ignore[attr-defined]
        more["pnginfo"].add_itxt("XML:com.adobe.xmp", WHO, zip=True)  # type: ignore[attr-defined]
    image.save(written, form, **more)
    return written.getvalue()


def stripped(data: bytes) -> tuple[bytes, str]:
    return without_metadata(data, Image.open(io.BytesIO(data)), opened(data))


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("form", FORMS)
def test_who_and_where_are_left_out_and_the_pixels_stay(form: str, orientation: int) -> None:
    """Upright as before, with the colours of before, and without a word."""
    before = picture(form, orientation=orientation)
    assert WHO.encode() in before
    after, now = stripped(before)
    assert WHO.encode() not in after
    image = Image.open(io.BytesIO(after))
    assert image.format == now
    assert set(image.getexif()) <= {ORIENTATION, *range(0x100, 0x141)}
    assert not {"comment", "Author", "XML:com.adobe.xmp", "xmp"} & set(image.info)
    assert opened(after).convert("RGB").tobytes() == opened(before).convert("RGB").tobytes()
    for colour in ("rgb", "grey"):
        assert pixels_of(data_url(after, now), 5, 7, colour) == pixels_of(data_url(before, form), 5, 7, colour)


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "quality": 95}),
        ("JPEG", {"mode": "CMYK"}),
        ("PNG", {"mode": "P"}),
        ("WEBP", {}),
        ("GIF", {}),
        ("BMP", {}),
    ],
)
def test_an_image_that_says_nothing_stays_byte_for_byte(form: str, more: dict[str, object]) -> None:
    """Its digest is that of the file."""
    data = picture(form, says=False, **more)  # type: ignore[arg-type]
    assert stripped(data) == (data, form)


def test_a_profile_of_colours_stays_and_what_stands_behind_the_end_does_not() -> None:
    """Colours are pixels; a film behind a picture is not."""
    data = picture("JPEG", icc_profile=b"colours" * 40)
    after, _ = stripped(data + b"ftypmp42" + WHO.encode())
    assert Image.open(io.BytesIO(after)).info["icc_profile"] == b"colours" * 40
    assert after.endswith(b"\xff\xd9")
    assert WHO.encode() not in after


def test_what_is_see_through_stays_so() -> None:
    """Also where it has to be written anew."""
    data = picture("WEBP", mode="RGBA", orientation=6)
    after, form = stripped(data)
    assert form == "PNG"
    assert opened(after).mode == "RGBA"
    assert base64.b64encode(opened(after).tobytes()) == base64.b64encode(opened(data).tobytes())
