"""Objects in a local folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import final

from penstock.objects.digests import digest_of, hex_of
from penstock.objects.files import UNFINISHED, atomic_file, copy_hashing, sha256_file, write_atomic
from penstock.objects.store import Stored, changed_while_read, damaged_object, no_object

YOUNG_S = 60.0
"""An object that was put within this time is not marked again as young."""


@final
class LocalStore:
    """An `ObjectStore` in a folder of this machine: one file per object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def path_of(self, digest: str) -> Path:
        """Where an object lies, or would lie."""
        name = hex_of(digest)
        return self.folder / name[:2] / name[2:]

    def put(self, data: bytes) -> str:
        digest = digest_of(data)
        path = self.path_of(digest)
        if not _taken(path, len(data)):
            write_atomic(path, data)
        return digest

    def put_file(self, path: Path) -> str:
        digest = sha256_file(path)
        target = self.path_of(digest)
        if not _taken(target, path.stat().st_size):
            with open(path, "rb") as source, atomic_file(target) as file:
                if copy_hashing(source, file) != digest:
                    raise changed_while_read(path)
        return digest

    def get(self, digest: str) -> bytes:
        try:
            data = self.path_of(digest).read_bytes()
        except FileNotFoundError:
            raise no_object(digest, self.url) from None
        if digest_of(data) != digest:
            raise damaged_object(digest, self.url)
        return data

    def get_file(self, digest: str, path: Path) -> None:
        stored = self.path_of(digest)
        if not stored.is_file():
            raise no_object(digest, self.url)
        with open(stored, "rb") as source, atomic_file(path) as file:
            if copy_hashing(source, file) != digest:
                raise damaged_object(digest, self.url)

    def has(self, digest: str) -> bool:
        return self.path_of(digest).is_file()

    def stat(self, digest: str) -> Stored:
        try:
            status = self.path_of(digest).stat()
        except FileNotFoundError:
            raise no_object(digest, self.url) from None
        return Stored(status.st_size, time.time() - status.st_mtime)

    def check(self, digest: str) -> None:
        try:
            found = sha256_file(self.path_of(digest))
        except FileNotFoundError:
            raise no_object(digest, self.url) from None
        if found != digest:
            raise damaged_object(digest, self.url)

    def renew(self, digest: str) -> bool:
        path = self.path_of(digest)
        try:
            return _taken(path, path.stat().st_size)
        except FileNotFoundError:
            return False

    def delete(self, digest: str) -> None:
        self.path_of(digest).unlink(missing_ok=True)

    def collect(self, digest: str, *, older_than_s: float) -> bool:
        path = self.path_of(digest)
        aside = path.with_name(f".{path.name}.{os.urandom(4).hex()}{UNFINISHED}")
        try:
            if time.time() - path.stat().st_mtime < older_than_s:
                return False
            os.rename(path, aside)  # from here on whoever puts it finds nothing, and writes it
        except FileNotFoundError:
            return False
        if time.time() - aside.stat().st_mtime < older_than_s and not path.exists():  # put just before it was moved
            os.rename(aside, path)
            return False
        aside.unlink()
        return True

    def digests(self) -> Iterator[str]:
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            if len(path.name) == 62:
                yield f"sha256:{path.parent.name}{path.name}"

    def sweep(self, *, older_than_s: float = 86_400.0) -> tuple[int, int]:
        """Remove what processes that died left unfinished; gives the number of files, and the bytes that they took.

        A younger file may belong to a process that is still writing.
        """
        files, freed_bytes = 0, 0
        for path in self.folder.glob(f"[0-9a-f][0-9a-f]/.*{UNFINISHED}"):
            with suppress(FileNotFoundError):
                status = path.stat()
                if time.time() - status.st_mtime >= older_than_s:
                    path.unlink()
                    files, freed_bytes = files + 1, freed_bytes + status.st_size
        return files, freed_bytes


def _taken(path: Path, size_bytes: int) -> bool:
    """Whether the object is stored already, which makes it young. One of the wrong length is damaged: putting it again heals it."""
    try:
        status = path.stat()
        if status.st_size != size_bytes:
            return False
        if time.time() - status.st_mtime > YOUNG_S:
            os.utime(path)
    except FileNotFoundError:
        return False
    return True
