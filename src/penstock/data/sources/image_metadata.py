"""Images without what is said beside their pixels: who took them, where and when, with what, and what was written about them.

The pixels of JPEG and PNG stay as they were compressed; their parts that hold no pixels are left out. Other formats are written anew as
PNG where they say anything. (JPEG: ITU-T T.81, annex B; PNG: W3C Recommendation 2003, section 5.)
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
_SAYS_NOTHING = range(0x00FE, 0x0141)  # tags of TIFF that describe how its pixels are stored, but for those below
_WORDS = {0x010D, 0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C}  # names, makers, times, hosts
_BESIDE = ("exif", "xmp", "XML:com.adobe.xmp", "comment", "photoshop")
_APP_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}  # form, colours, colour transform
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_LEFT_OUT = {b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"}
_STANDING_ALONE = {0x01, *range(0xD0, 0xD8)}
_START, _SCAN, _END, _COMMENT = 0xD8, 0xDA, 0xD9, 0xFE


def without_metadata(data: bytes, image: Image, upright: Image) -> tuple[bytes, str]:
    """The bytes of an image, and its format as Pillow calls it.

    Parameters
    ----------
    data : as they stand in the file. image : opened from them. upright : the same, turned as its orientation says.
    """
    form = image.format or ""
    turned = image.getexif().get(ORIENTATION, 1) != 1
    if form in ("JPEG", "MPO"):
        return _jpeg(data, _orientation(image) if turned else b""), "JPEG"
    if form == "PNG" and not turned:
        return _png(data), form
    if turned or _says_something(image):
        return _as_png(upright), "PNG"
    return data, form


def _says_something(image: Image) -> bool:
    tags = set(image.getexif())
    return any(image.info.get(name) for name in _BESIDE) or any(t in _WORDS or t not in _SAYS_NOTHING for t in tags)


def _orientation(image: Image) -> bytes:
    """A segment that says how the image is to be turned, and no more."""
    from PIL import Image as Pillow

    exif = Pillow.Exif()
    exif[ORIENTATION] = image.getexif()[ORIENTATION]
    said = exif.tobytes()
    said = said if said.startswith(b"Exif\0\0") else b"Exif\0\0" + said
    return b"\xff\xe1" + struct.pack(">H", len(said) + 2) + said


def _jpeg(data: bytes, orientation: bytes) -> bytes:
    kept = [data[:2], orientation]
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a byte of filling
            at += 1
            continue
        if marker in _STANDING_ALONE:
            kept.append(data[at : at + 2])
            at += 2
            continue
        if marker == _END:
            break
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN:
            end = _end_of_scan(data, end)
        if not _is_beside(marker, data[at + 4 : at + 20]):
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, b"\xff\xd9"])  # and nothing of what may stand behind the end


def _is_beside(marker: int, head: bytes) -> bool:
    """Whether a segment says something beside the pixels: comments, and what applications add."""
    if marker == _COMMENT:
        return True
    return 0xE0 <= marker <= 0xEF and not (marker in _APP_KEPT and head.startswith(_APP_KEPT[marker]))


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the next marker stands: inside a scan a byte FF is followed by 0, or restarts it."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] != 0 and data[at + 1] not in _STANDING_ALONE:
            return at
        at += 2
    return len(data)


def _png(data: bytes) -> bytes:
    kept, at = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if kind not in _PNG_LEFT_OUT:
            kept.append(data[at:end])
        at = end
        if kind == b"IEND":
            break
    return b"".join(kept)


def _as_png(upright: Image) -> bytes:
    if upright.mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX", "RGBa"):
        upright = upright.convert("RGB")
    elif upright.mode in ("F", "La"):
        upright = upright.convert("L")
    clear = upright.info.get("transparency")
    upright.info = {} if clear is None else {"transparency": clear}
    written = io.BytesIO()
    upright.save(written, "PNG", exif=b"")
    return written.getvalue()
