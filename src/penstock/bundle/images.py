"""Pictures as numbers: what the decoder makes of an image that comes as text (base64, or a data URL).

The only place that knows; Pillow (`pip install "penstock[images]"`) reads the formats.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from typing import TYPE_CHECKING

from penstock.errors import RequestError
from penstock.parts import need

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 50_000_000
"""A larger picture is refused before it is unpacked: a few kilobytes can hold a picture that fills the memory."""
_URL = re.compile(r"data:image/[a-zA-Z0-9.+-]+;base64,")
CHANNELS = {"grey": 1, "rgb": 3}


def is_image_url(text: str) -> bool:
    """Whether a text is an image as a data URL.

    >>> is_image_url("data:image/png;base64,iVBORw0KGgo=")
    True
    """
    return _URL.match(text) is not None


def data_url(data: bytes, form: str) -> str:
    """An image's bytes as text. `form` is its format, as Pillow calls it: ``"PNG"``."""
    return f"data:image/{form.lower()};base64,{base64.b64encode(data).decode()}"


def opened(data: bytes) -> Image:
    """An image, unpacked and upright.

    Raises
    ------
    RequestError : the bytes are no image that is known, are cut off, or hold more than `MAX_PIXELS`.
    """
    need("PIL", extra="images", used_for="reading images")
    from PIL import Image, ImageOps

    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > MAX_PIXELS:
            raise _unreadable(f"it is {image.width} x {image.height}, and at most {MAX_PIXELS:,} pixels are taken")
        image.load()
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError) as error:
        raise _unreadable(next(iter(str(error).splitlines()), type(error).__name__)) from error


def image_of(text: str) -> Image:
    """The image of a text: base64, or a data URL.

    Raises
    ------
    RequestError : it is neither, or no image.
    """
    try:
        data = base64.b64decode("".join(_URL.sub("", text, count=1).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _unreadable(f"it is neither base64 nor a data URL ({text[:20]!r})") from error
    return opened(data)


def pixels_of(text: str, height: int, width: int, colour: str) -> str:
    """The pixels of an image, row by row, 0 to 255, one space between them; of ``rgb``, three for each.

    It is shrunk or stretched to the size that is asked for, each new pixel the mean of those it covers. What is see-through
    is white; of a moving picture, the first frame counts. Where there is no image, or none that can be read, each is "nan":
    as all that cannot be read, it decodes to missing, and whoever asks is told by `image_of`.
    """
    size = height * width * CHANNELS[colour]
    try:
        image = _flat(image_of(text), colour) if text else None
    except RequestError:
        image = None
    if image is None:
        return " ".join(["nan"] * size)
    if image.size != (width, height):
        from PIL import Image

        image = image.resize((width, height), Image.Resampling.BOX)
    return " ".join(map(str, image.tobytes()))


def _flat(image: Image, colour: str) -> Image:
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode == "I":  # 16 bits; converting it cuts off instead of scaling
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return image.convert("L" if colour == "grey" else "RGB")


def _unreadable(why: str) -> RequestError:
    return RequestError(
        "an image cannot be read",
        why=why,
        way_out="send the bytes of a PNG or JPEG file in base64, or as a data URL: data:image/png;base64,...",
        code="wrong-type",
    )
