"""Files by their names, whole or not at all, in a folder or in a bucket: where results go that people pick up."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast, final

from penstock.errors import DeclarationError, StoreError
from penstock.objects.endpoints import way_out
from penstock.objects.files import UNFINISHED, atomic_file, naming_full_disk

SCHEMES = ("s3", "gs", "az")
STALE_S = 86_400.0
Fill = Callable[[BinaryIO], None]


class NamedFiles(Protocol):
    """Files below one place, by relative names with ``/``."""

    @property
    def url(self) -> str:
        """The place, as people write it."""
        ...

    def put(self, name: str, fill: Fill) -> int:
        """Write a file in the place of what has the name; its size in bytes.

        Whoever looks sees the old file or the new one, never a part: also where `fill` raises, or the process is killed.

        Raises
        ------
        StoreFull, StoreError : it cannot be written; what was there stays.
        """
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        ...

    def below(self, prefix: str) -> Iterator[bytes]:
        """What the files hold whose names begin with a prefix (a folder, ending in ``/``)."""
        ...


def is_bucket(place: str) -> bool:
    """Whether a place is a URL of a bucket.

    >>> is_bucket("s3://answers/today/"), is_bucket("answers")
    (True, False)
    """
    return place.partition("://")[0].lower() in SCHEMES and "://" in place


def open_named(place: str) -> NamedFiles:
    """Files below a folder, which need not be there yet, or below an ``s3://``, ``gs://`` or ``az://`` URL."""
    return BucketFiles(place) if is_bucket(place) else FolderFiles(Path(place))


@final
class FolderFiles:
    """Files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = str(folder)

    def sweep(self) -> None:
        """Remove what processes that were killed left unfinished; a job of today may still be writing."""
        for path in self._folder.rglob(f".*{UNFINISHED}"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()

    def path(self, name: str) -> Path:
        return self._folder / name

    def put(self, name: str, fill: Fill) -> int:
        path = self.path(name)
        try:
            with atomic_file(path) as file:
                fill(file)
                return file.tell()
        except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
            raise StoreError(
                f"{path} cannot be written", why=error.strerror or str(error), way_out="name another file or folder"
            ) from error

    def size(self, name: str) -> int | None:
        try:
            return self.path(name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def below(self, prefix: str) -> Iterator[bytes]:
        folder = self.path(prefix)
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if not path.name.startswith("."):
                yield path.read_bytes()


@final
class BucketFiles:
    """Files below a prefix of a bucket; credentials come from the usual environment variables."""

    def __init__(self, url: str) -> None:
        self.url = url
        scheme, _, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        self._prefix = prefix.rstrip("/") + "/" if prefix.rstrip("/") else ""
        self._root = f"{scheme}://{bucket}"
        if not bucket:
            raise DeclarationError(
                f"{url!r} names no bucket", why="behind :// comes its name", way_out=f"write {scheme}://bucket/prefix/"
            )

    def put(self, name: str, fill: Fill) -> int:
        """As `NamedFiles.put`; the file is made on this machine first, so that it goes up in one piece or in parts that appear
        together."""
        import obstore

        with tempfile.TemporaryDirectory(prefix="penstock-put-") as scratch:
            path = Path(scratch) / "file"
            with naming_full_disk(path), path.open("wb") as file:
                fill(cast("BinaryIO", file))
            size = path.stat().st_size
            with self._telling():
                obstore.put(self._bucket(), self._prefix + name, path)
        return size

    def size(self, name: str) -> int | None:
        import obstore

        with self._telling():
            try:
                return int(obstore.head(self._bucket(), self._prefix + name)["size"])
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def below(self, prefix: str) -> Iterator[bytes]:
        import obstore

        with self._telling():
            bucket = self._bucket()
            found = [meta["path"] for page in obstore.list(bucket, prefix=self._prefix + prefix) for meta in page]
            for key in sorted(found):
                yield bytes(obstore.get(bucket, key).bytes())

    def _bucket(self) -> Any:
        if not hasattr(self, "_opened"):
            from obstore.store import from_url

            self._opened = from_url(self._root)
        return self._opened

    @contextmanager
    def _telling(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError, ValueError) as error:
            raise StoreError(
                f"{self.url} does not answer as it should",
                why=next(iter(str(error).splitlines()), type(error).__name__),
                way_out=way_out(
                    error,
                    "check the name of the bucket, the network, and the credentials (AWS_*, GOOGLE_*, AZURE_* in the environment)",
                ),
            ) from error
