"""Files by name appear whole or not at all, in a folder and in a bucket alike."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import BinaryIO

import pytest
from tests.objects.test_remote import s3  # noqa: F401 - a fixture

from penstock.errors import DeclarationError, StoreError
from penstock.objects.named import BucketFiles, FolderFiles, NamedFiles, open_named


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> NamedFiles:
    if request.param == "folder":
        return open_named(str(tmp_path / "out"))
    request.getfixturevalue("s3")
    return open_named(f"s3://penstock/{uuid.uuid4().hex}/")


def test_a_file_is_written_found_and_replaced(files: NamedFiles) -> None:
    """Its size is told; names may have folders."""
    assert files.size("a/b.csv") is None
    assert files.put("a/b.csv", lambda file: _write(file, b"first")) == 5
    assert files.size("a/b.csv") == 5
    assert files.put("a/b.csv", lambda file: _write(file, b"2nd")) == 3
    files.put("a/é c.csv", lambda file: _write(file, b"x"))
    files.put("b.csv", lambda file: _write(file, b"elsewhere"))
    assert list(files.below("a/")) == [b"2nd", b"x"]
    assert list(files.below("nothing/")) == []


def test_what_fails_half_way_leaves_what_was_there(files: NamedFiles) -> None:
    """Of the new one nothing is seen."""
    files.put("a.csv", lambda file: _write(file, b"first"))

    def fails(file: BinaryIO) -> None:
        file.write(b"half")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        files.put("a.csv", fails)
    assert list(files.below("")) == [b"first"]


def test_a_bucket_that_is_not_there_is_told(s3: str) -> None:  # noqa: F811
    """With what to look at."""
    with pytest.raises(StoreError, match="does not answer as it should"):
        BucketFiles("s3://nothing-here/x").put("a", lambda file: _write(file, b"x"))
    with pytest.raises(StoreError, match="does not answer as it should"):
        list(BucketFiles("s3://nothing-here/x").below("a/"))
    with pytest.raises(DeclarationError, match="names no bucket"):
        open_named("s3://")


def test_what_killed_processes_left_is_swept_after_a_day(tmp_path: Path) -> None:
    """A file that somebody writes now is left."""
    old, young = tmp_path / "a" / ".x.csv.0000.unfinished", tmp_path / ".y.csv.0000.unfinished"
    old.parent.mkdir()
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    FolderFiles(tmp_path).sweep()
    assert (old.exists(), young.exists()) == (False, True)


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    """In words."""
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        FolderFiles(tmp_path / "out").put("a.csv", lambda file: _write(file, b"x"))


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
