"""Folders of texts, a folder per class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.data.source import Source
from penstock.errors import SourceError
from penstock.testing.source import SourceContract, rows_of

if TYPE_CHECKING:
    from tests.data.sources.conftest import Place


class TestTexts(SourceContract):
    """Two classes, one of them with folders within."""

    @pytest.fixture
    def source(self, place: Place) -> Source:
        for i in range(12):
            place.write(f"r/pos/{i % 2}/{i:02}.txt", f"gut 👍 {i}\nzweite Zeile" if i % 5 else " \n")
            place.write(f"r/neg/{i:02}.md", f"شيء {i}")
        return place.open("r")

    @pytest.fixture
    def other(self, place: Place, source: Source) -> Source:
        for i in range(20):
            place.write(f"o/a/{i}.txt", f"{i}")
        return place.open("o")

    def test_the_label_is_the_first_folder(self, source: Source) -> None:
        """And the text is what the file holds."""
        rows = rows_of(source.batches())
        assert rows[0] == ("شيء 0", "neg")
        assert ("gut 👍 7\nzweite Zeile", "pos") in rows
        assert (None, "pos") in rows  # a file without a text


def test_files_that_are_no_texts_of_a_class_are_told_and_left_out(place: Place) -> None:
    """A readme beside the classes, a picture among the texts."""
    place.write("r/README.txt", "how this was made")
    place.write("r/a/1.txt", "x")
    place.write("r/a/1.png", b"\x89PNG")
    source = place.open("r", file_column="file")
    assert rows_of(source.batches()) == [("x", "a", "a/1.txt")]
    assert source.warnings == ("2 files are no texts in the folder of a class, and are left out (README.txt, a/1.png)",)


def test_files_of_any_name_are_texts_where_that_is_said(place: Place) -> None:
    """As in 20 newsgroups, whose files are numbers."""
    place.write("news/sci.med/58043", "From: x\n")
    assert rows_of(place.open("news", format="texts").batches()) == [("From: x\n", "sci.med")]


def test_a_text_in_another_encoding_is_named(place: Place) -> None:
    """With line and byte; the encoding can be said."""
    place.write("r/a/1.txt", "fine")
    place.write("r/a/2.txt", "line\ncaf\xe9".encode("latin-1"))
    with pytest.raises(SourceError, match=r"2\.txt is not UTF-8: line 2, byte 9"):
        rows_of(place.open("r").batches())
    assert ("line\ncafé", "a") in rows_of(place.open("r", encoding="latin-1").batches())


def test_a_folder_of_tables_with_a_text_beside_is_a_folder_of_tables(place: Place) -> None:
    """The readme of a data set does not change what it is."""
    place.write("t/notes/readme.txt", "x")
    place.write("t/a.csv", "x,y\n1,2\n")
    assert place.open("t").names == ("x", "y")


def test_a_text_that_vanishes_is_told(place: Place) -> None:
    """Between the listing and the reading."""
    place.write("r/a/1.txt", "x")
    place.write("r/a/2.txt", "y")
    source = place.open("r")
    assert source.why == ("2 texts in 1 classes, a folder each: a",)
    (place.root / "r" / "a" / "2.txt").unlink()
    with pytest.raises(SourceError, match=r"a/2\.txt changed while it was read"):
        rows_of(source.batches())
