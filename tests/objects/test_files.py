"""Atomic files."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from penstock.errors import StoreFull
from penstock.objects.digests import digest_of
from penstock.objects.files import atomic_file, naming_full_disk, sha256_file, write_atomic


def test_a_file_appears_whole(tmp_path: Path) -> None:
    """Folders on the way are made; an old file is replaced; nothing else stays."""
    path = tmp_path / "serving" / "slots.json"
    write_atomic(path, b"1")
    write_atomic(path, b"22")
    assert path.read_bytes() == b"22"
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_raises_leaves_the_old_file(tmp_path: Path) -> None:
    """Half a file is never seen."""
    path = tmp_path / "slots.json"
    write_atomic(path, b"old")

    def interrupted() -> None:
        with atomic_file(path) as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_content_is_not_seen_before_the_block_ends(tmp_path: Path) -> None:
    """A reader gets all of the old or all of the new."""
    path = tmp_path / "slots.json"
    write_atomic(path, b"old")
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space_has_its_own_error(tmp_path: Path, code: int) -> None:
    """A full disk, a quota, a limit of the process: the way out is the same."""
    with pytest.raises(StoreFull, match=r"(?s)writing 'model'.*free some space"), naming_full_disk(tmp_path / "model"):
        raise OSError(code, "no")


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    """They have another way out."""
    with pytest.raises(PermissionError), naming_full_disk(tmp_path / "model"):
        raise PermissionError(errno.EACCES, "no")


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    """Whatever its size."""
    for size in (0, 1, 3 << 20):
        (tmp_path / "file").write_bytes(b"x" * size)
        assert sha256_file(tmp_path / "file") == digest_of(b"x" * size)
