"""Files that are there in full or not at all: temporary name, fsync, rename."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from penstock.errors import StoreError, StoreFull

CHUNK_BYTES = 1 << 20
UNFINISHED = ".unfinished"
"""Ending of a temporary name. Such a file is no part of any store: whoever was writing it died."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""By which the operating system says that no space is left, or none that this user or this file may have."""


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Turn the operating system's "no space left" into `StoreFull`, naming what was being written."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise StoreFull(
            f"no space left while writing {path.name!r}",
            why=f"{os.strerror(error.errno or 0)}: {path.parent}",
            way_out="free some space there and run the same command again: nothing half-written was kept",
        ) from error


@contextmanager
def atomic_file(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file to write into that takes the name `path` when the block ends, and disappears when the block raises.

    Parameters
    ----------
    mode : who may read and write it, from its first byte on; less what the process masks (umask).

    Raises
    ------
    StoreFull : no space is left; `path` is as it was before.
    """
    unfinished = path.with_name(f".{path.name}.{os.urandom(4).hex()}{UNFINISHED}")
    with naming_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(unfinished, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            with suppress(FileNotFoundError):
                unfinished.unlink()
            raise
        sync_folder(path.parent)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Put `data` at `path`: a reader, or the next start after a crash, sees all of it or what was there before.

    Raises
    ------
    StoreFull : no space is left; `path` is as it was before.
    """
    with atomic_file(path, mode=mode) as file:
        file.write(data)


def asked(path: Path) -> Path:
    """The absolute path of a file that somebody asked to be written. Its folder is never made: its name may be a slip.

    Raises
    ------
    StoreError : there is no such folder, or it is none; or the name is ``-``, which elsewhere stands for stdout.
    """
    if str(path) == "-":
        raise StoreError(
            "- is no file to write to",
            why="a file is written whole or not at all, so it cannot go to stdout",
            way_out="name a file; what --json prints goes to stdout",
        )
    path = path.absolute()
    if not path.parent.is_dir():
        raise StoreError(
            f"{path.name} cannot be written",
            why=f"there is no folder {path.parent}",
            way_out="make the folder first, or name a file in one that is there",
        )
    return path


def write_asked(path: Path, data: bytes) -> None:
    """Write a file that somebody asked for, whole or not at all. Errors: as `asked`, `write_atomic`; StoreError in words."""
    try:
        write_atomic(asked(path), data)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written", why=error.strerror or str(error), way_out="name a file in a folder of yours"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut. (Windows has no such call and does without.)"""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> str:
    """The digest of a file's bytes, read in chunks."""
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def copy_hashing(source: BinaryIO, target: BinaryIO) -> str:
    """Copy all bytes from one open file to another and return their digest."""
    sha256 = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        sha256.update(chunk)
        target.write(chunk)
    return "sha256:" + sha256.hexdigest()
