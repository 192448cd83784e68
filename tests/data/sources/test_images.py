"""Folders of images, a folder per class."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from penstock.bundle.images import image_of
from penstock.data.source import Source
from penstock.errors import SourceError
from penstock.testing.source import SourceContract, rows_of

if TYPE_CHECKING:
    from tests.data.sources.conftest import Place


def picture(shade: int, form: str = "PNG", size: tuple[int, int] = (5, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full(size[::-1], shade, dtype=np.uint8)).save(buffer, form)
    return buffer.getvalue()


class TestImages(SourceContract):
    """Two classes; the images have every column, so a file column is not missing either."""

    @pytest.fixture
    def source(self, place: Place) -> Source:
        for i in range(11):
            place.write(f"p/cat/{i:02}.png", picture(i * 20))
            place.write(f"p/dog/deep/{i:02}.jpg", picture(i * 20, "JPEG", (7, 3)))
        return place.open("p")

    @pytest.fixture
    def other(self, place: Place, source: Source) -> Source:
        for i in range(20):
            place.write(f"o/a/{i}.png", picture(i))
        return place.open("o")

    def test_absence_is_absence(self, source: Source) -> None:
        """An image has all of its columns: nothing is ever missing."""
        assert all(value for row in rows_of(source.batches()) for value in row)

    def test_a_row_is_what_a_request_would_send(self, source: Source) -> None:
        """The bytes as a data URL, and what the file holds."""
        first = rows_of(source.batches())[0]
        assert source.names == ("image", "width", "height", "mode", "label")
        assert first[0] is not None
        assert first[0].startswith("data:image/png;base64,")
        assert first[1:] == ("5", "4", "L", "cat")
        assert image_of(first[0]).size == (5, 4)


def test_broken_images_are_told_and_left_out(place: Place) -> None:
    """With counts and names; what is no image at all, too."""
    place.write("p/cat/1.png", picture(1))
    place.write("p/cat/2.png", picture(1)[:-20])
    place.write("p/cat/3.png", b"")
    place.write("p/cat/notes.doc", b"x")
    source = place.open("p", file_column="file")
    assert [row[-1] for row in rows_of(source.batches())] == ["cat/1.png"]
    assert source.warnings == (
        "1 files are no images in the folder of a class, and are left out (cat/notes.doc)",
        "2 files cannot be read, and are left out (cat/2.png, cat/3.png)",
    )


def test_a_folder_of_broken_images_alone_has_no_rows(place: Place) -> None:
    """And says so."""
    place.write("p/cat/1.png", b"x")
    with pytest.raises(SourceError, match="has no rows"):
        rows_of(place.open("p").batches())
