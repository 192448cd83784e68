"""A folder of images, a folder per class: each file is a row, with its bytes as a data URL.

So the bytes of a test image are sealed with its row, those of the others are packed into the chunks of their part, and a row
is what a request would send. Who took a picture, where and when (EXIF, XMP, comments) is left out on the way in. `pixels` makes numbers of them.
"""

from __future__ import annotations

import io
from pathlib import Path

from penstock.data.sources.class_folders import ClassFolders
from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.listing import IMAGES, nothing_there
from penstock.data.sources.texts import is_form
from penstock.errors import RequestError
from penstock.parts import need

COLUMNS = ("image", "width", "height", "mode")


class ImageFolder:
    """The kind of a folder whose folders are classes and hold images."""

    name = "images"

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        return is_form(self.name, settings, around)

    def open(self, settings: SourceSettings, around: Around) -> ClassFolders:
        source = ClassFolders(settings, around, form=self.name, columns=COLUMNS, suffixes=IMAGES, read=_image)
        if not source.files:
            raise nothing_there(
                f"the folder {settings.place}", "put the images of each class into a folder of its name: cat/1.png"
            )
        return source


def _image(path: Path) -> tuple[str, str, str, str] | None:
    """Data URL, width, height and mode (as Pillow says: L, RGB, ...); None where the file is broken."""
    need("PIL", extra="images", used_for="a folder of images")
    from PIL import Image

    from penstock.bundle.images import data_url, opened
    from penstock.data.sources.image_metadata import without_metadata

    data = path.read_bytes()
    try:
        image = opened(data)
        kept, form = without_metadata(data, Image.open(io.BytesIO(data)), image)
    except RequestError:
        return None
    return data_url(kept, form), str(image.width), str(image.height), image.mode
