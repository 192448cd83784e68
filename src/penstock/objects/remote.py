"""Objects in a bucket: S3, Google Cloud Storage, Azure; or in memory, for tests."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import MemoryStore, from_url

from penstock.errors import DeclarationError, NotFound, StoreError
from penstock.objects import endpoints
from penstock.objects.digests import digest_of, hex_of
from penstock.objects.files import atomic_file, sha256_file
from penstock.objects.store import Stored, changed_while_read, damaged_object, no_object

ONE_REQUEST_BYTES = 64 << 20
"""A file up to this size goes up in one conditional request; a larger one in parts, which appear together."""

PART_BYTES = 8 << 20
"""What is read of a large file at a time."""

YOUNG_S = 1800.0
"""An object that was put within this time is not put again."""

MARK_S = 60.0
"""Seconds after which the mark of a process that collects an object counts for nothing: it died."""

_LOOK_S = 0.2  # between two looks whether a mark is gone


def _parts_of(path: Path, digest: str) -> Iterator[bytes]:
    """The bytes of a file. Where they are not those of the digest the last part is an error, and the upload is given up: what may be
    stored under the digest stays as it is."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            sha256.update(part)
            yield part
    if f"sha256:{sha256.hexdigest()}" != digest:
        raise changed_while_read(path)


@final
class RemoteStore:
    """An `ObjectStore` behind obstore. A write is conditional (put if absent), so the first writer of a digest wins.

    A bucket cannot delete on a condition. So who collects an object says so first, by a mark beside it, and then looks again whether
    it is still old; and who writes an old object over, which makes it young, looks for such a mark afterwards: either the one sees
    that it is young, or the other sees the mark, waits until it is gone, and writes again what is gone too.
    """

    def __init__(self, bucket: Any, url: str) -> None:
        self._bucket = bucket
        self._url = url

    @classmethod
    def open(cls, url: str) -> RemoteStore:
        """The store at ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix`` or ``memory://``.

        ``memory://`` opens a new, empty store each time.
        """
        if url.startswith("memory://"):
            return cls(MemoryStore(), "memory://")
        try:
            return cls(from_url(url), url)
        except (BaseError, ValueError) as error:
            raise DeclarationError(
                f"the object store {url!r} cannot be opened",
                why=_first_line(error),
                way_out=f"give {urlsplit(url).scheme}://<bucket>/<prefix> and set the provider's environment variables",
            ) from error

    @property
    def url(self) -> str:
        return self._url

    def put(self, data: bytes) -> str:
        digest = digest_of(data)
        with self._telling(digest):
            self._create(digest, data)
        return digest

    def put_file(self, path: Path) -> str:
        digest = sha256_file(path)
        with self._telling(digest):
            if path.stat().st_size <= ONE_REQUEST_BYTES:
                data = path.read_bytes()
                if digest_of(data) != digest:
                    raise changed_while_read(path)
                self._create(digest, data)
            elif not self.renew(digest):
                self._write_over(
                    digest,
                    lambda: obstore.put(self._bucket, _key(digest), _parts_of(path, digest), use_multipart=True),
                )
        return digest

    def get(self, digest: str) -> bytes:
        with self._telling(digest):
            data = bytes(obstore.get(self._bucket, _key(digest)).bytes())
        if digest_of(data) != digest:
            raise damaged_object(digest, self.url)
        return data

    def get_file(self, digest: str, path: Path) -> None:
        with self._telling(digest):
            found = obstore.get(self._bucket, _key(digest))
            with atomic_file(path) as file:
                for chunk in found.stream():
                    file.write(chunk)
                file.flush()
                if sha256_file(Path(file.name)) != digest:
                    raise damaged_object(digest, self.url)

    def has(self, digest: str) -> bool:
        key = _key(digest)
        try:
            with self._telling(digest, absent=False):
                obstore.head(self._bucket, key)
        except FileNotFoundError:
            return False
        return True

    def stat(self, digest: str) -> Stored:
        with self._telling(digest):
            found = obstore.head(self._bucket, _key(digest))
        return Stored(found["size"], (datetime.now(UTC) - found["last_modified"]).total_seconds())

    def check(self, digest: str) -> None:
        sha256 = hashlib.sha256()
        with self._telling(digest):
            for chunk in obstore.get(self._bucket, _key(digest)).stream():
                sha256.update(chunk)
        if f"sha256:{sha256.hexdigest()}" != digest:
            raise damaged_object(digest, self.url)

    def renew(self, digest: str) -> bool:
        """Whether it is stored, and was put not long ago."""
        try:
            return self.stat(digest).age_s < YOUNG_S
        except NotFound:
            return False

    def collect(self, digest: str, *, older_than_s: float) -> bool:
        try:
            if self.stat(digest).age_s < older_than_s:
                return False
            began = time.monotonic()
            with self._telling(digest):
                obstore.put(self._bucket, _mark(digest), b"", use_multipart=False)
            try:
                if self.stat(digest).age_s < older_than_s or time.monotonic() - began > MARK_S / 2:
                    return False  # it was put in between, or the mark may count for nothing before it is deleted
                self.delete(digest)
            finally:
                self._remove(_mark(digest), digest)
        except NotFound:
            return False
        return True

    def delete(self, digest: str) -> None:
        self._remove(_key(digest), digest)

    def digests(self) -> Iterator[str]:
        with self._telling("of any digest"):
            for page in obstore.list(self._bucket):
                for entry in page:
                    folder, _, name = entry["path"].partition("/")
                    if len(folder) == 2 and len(name) == 62:
                        yield f"sha256:{folder}{name}"

    def _create(self, digest: str, data: bytes) -> None:
        """Write unless it is there. One that is there and old is written over with the same bytes, which makes it young."""
        try:
            obstore.put(self._bucket, _key(digest), data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            if not self.renew(digest):
                self._write_over(digest, lambda: obstore.put(self._bucket, _key(digest), data, use_multipart=False))

    def _write_over(self, digest: str, write: Callable[[], object]) -> None:
        """Write an object that is there and old, and again where a process that collects it was faster."""
        write()
        while True:
            try:
                mark = obstore.head(self._bucket, _mark(digest))
            except FileNotFoundError:
                if self.has(digest):
                    return
                write()
                continue
            if (datetime.now(UTC) - mark["last_modified"]).total_seconds() > MARK_S:
                self._remove(_mark(digest), digest)
            else:
                time.sleep(_LOOK_S)

    def _remove(self, key: str, digest: str) -> None:
        try:
            with self._telling(digest, absent=False):
                obstore.delete(self._bucket, key)
        except FileNotFoundError:
            return

    @contextmanager
    def _telling(self, digest: str, *, absent: bool = True) -> Iterator[None]:
        """Map the provider's errors onto our tree; with `absent` false, an absent object stays a FileNotFoundError."""
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise self._refused(error, "create the bucket, or correct its name in PENSTOCK_OBJECTS") from error
            if absent:
                raise no_object(digest, self.url) from None
            raise
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise self._refused(error, "give these credentials the right to read and write there") from error
        except BaseError as error:
            raise self._refused(error, "check the network, the endpoint and the credentials, then try again") from error

    def _refused(self, error: Exception, way_out: str) -> StoreError:
        what = f"the object store {self.url} does not answer as it should"
        return StoreError(what, why=_first_line(error), way_out=endpoints.way_out(error, way_out))


def _key(digest: str) -> str:
    name = hex_of(digest)
    return f"{name[:2]}/{name[2:]}"


def _mark(digest: str) -> str:
    """Where a process says that it collects the object; no name of an object."""
    return f"{_key(digest)}.collected"


def _first_line(error: Exception) -> str:
    """What a provider says, without its stack of debug lines."""
    return next(iter(str(error).splitlines()), type(error).__name__)
