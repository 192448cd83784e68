"""A folder is written all at once, and only in the place of an earlier export of its form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from penstock.errors import BadParameter, ExportError
from penstock.packaging.exports.exporter import MARK, Shipment, export


class Note:
    """A form of export with one file."""

    name: ClassVar[str] = "note"
    takes_key: ClassVar[bool] = True

    def __init__(self, text: str = "a") -> None:
        self.text = text

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        (folder / "note.txt").write_text(self.text, encoding="utf-8")
        if self.text == "broken":
            raise ExportError("it cannot be had", why="this is a test", way_out="try another")
        return ["read {folder}/note.txt"]


def test_the_folder_says_what_it_holds(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Model, version, digest of the bundle; the hints name the folder."""
    done = export(Note(), shipment(), tmp_path / "out")
    said = json.loads((tmp_path / "out" / MARK).read_bytes())
    assert (said["kind"], said["model"], said["version"]) == ("note", "toy", 3)
    assert said["bundle"] == shipment().bundle.digest
    assert done.files == (MARK, "note.txt")
    assert done.hints == (f"read {tmp_path / 'out'}/note.txt",)


def test_a_newer_export_takes_the_place_of_an_earlier_one(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Nothing of the earlier one stays behind, beside it or within it."""
    export(Note("a"), shipment(), tmp_path / "out")
    (tmp_path / "out" / "left over").touch()
    export(Note("b"), shipment(), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [MARK, "note.txt"]
    assert (tmp_path / "out" / "note.txt").read_text() == "b"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_export_that_fails_leaves_what_was_there(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """The earlier one is whole, and no half of the new one lies about."""
    export(Note("a"), shipment(), tmp_path / "out")
    with pytest.raises(ExportError):
        export(Note("broken"), shipment(), tmp_path / "out")
    assert (tmp_path / "out" / "note.txt").read_text() == "a"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("other", ["file", "folder", "export"])
def test_what_is_no_export_of_that_form_is_not_replaced(
    shipment: Callable[..., Shipment], tmp_path: Path, other: str
) -> None:
    """A file, somebody's folder, an export of another form."""
    out = tmp_path / "out"
    if other == "file":
        out.write_text("mine", encoding="utf-8")
    else:
        out.mkdir()
        (out / (MARK if other == "export" else "mine.txt")).write_text('{"kind": "wheel"}', encoding="utf-8")
    with pytest.raises(BadParameter, match="is there already"):
        export(Note(), shipment(), out)
    assert out.exists()
