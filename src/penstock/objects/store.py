"""What every object store does, and how one is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from penstock.errors import DamagedStore, DeclarationError, NotFound, SourceError

REMOTE_SCHEMES = frozenset({"s3", "gs", "az", "memory"})


class Stored(NamedTuple):
    """What a store knows of an object without reading it (no dataclass: they take long to load). `age_s`: seconds since it was last put, by the store's own clock."""

    size_bytes: int
    age_s: float


class ObjectStore(Protocol):
    """Bytes, addressed by the SHA-256 of their content.

    Duties of every store, which `penstock.testing.object_store.ObjectStoreContract` tests:

    - The same bytes give the same digest, whichever store holds them; storing them again changes nothing.
    - A digest is readable only once its write has finished, and from then on by everyone. A process that dies while
      writing leaves nothing that can be read.
    - What is read is what was written: bytes that no longer match their digest raise `DamagedStore`, always.
    - One instance may be used by several threads, and one place by several processes, at once.
    - Objects have the same layout everywhere (``ab/cdef...`` under the store's root, the hex digits of the digest cut
      after the second), so that a folder copied to a bucket is the same store.
    """

    @property
    def url(self) -> str:
        """Where the objects are: `open_store(store.url)` opens the same place (but for ``memory://``)."""
        ...

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest. They are durable when this returns.

        Raises
        ------
        StoreFull : no space is left; nothing was stored.
        StoreError : the place cannot be reached or refuses.
        """
        ...

    def put_file(self, path: Path) -> str:
        """Store a file's bytes, without holding them all in memory, and return their digest.

        Raises
        ------
        SourceError : another process changed the file while it was being stored; nothing was stored.
        StoreFull, StoreError : as `put`.
        """
        ...

    def get(self, digest: str) -> bytes:
        """The bytes of an object, checked against its digest.

        Raises
        ------
        NotFound : nothing is stored under `digest`; the message names it.
        DamagedStore : what is stored there is something else.
        """
        ...

    def get_file(self, digest: str, path: Path) -> None:
        """Write an object to the file `path`, atomically, checked against its digest. Errors: as `get`; `StoreFull`."""
        ...

    def has(self, digest: str) -> bool:
        """Whether an object is stored. Cheap: its bytes are not read."""
        ...

    def check(self, digest: str) -> None:
        """Read an object, without holding it all in memory, and raise as `get` does where it is not what it must be."""
        ...

    def stat(self, digest: str) -> Stored:
        """Size and age of an object. NotFound : nothing is stored under `digest`."""
        ...

    def renew(self, digest: str) -> bool:
        """Make an object young, as putting it again does, so that it is not collected from under who counts on it.

        A store may take up to half an hour of age for young. False : it is not stored, or must be put to be young.
        """
        ...

    def delete(self, digest: str) -> None:
        """Remove an object; one that is absent is no error."""
        ...

    def collect(self, digest: str, *, older_than_s: float) -> bool:
        """Remove an object unless it was put within the last so many seconds; whether it was removed.

        Safe beside a process that puts the same bytes at this moment: either it is not removed, or that process stores it anew.
        """
        ...

    def digests(self) -> Iterator[str]:
        """The digest of every finished object, in any order."""
        ...


def open_store(url_or_path: str | Path) -> ObjectStore:
    """Open the store at a local folder, or at an ``s3://``, ``gs://``, ``az://``, ``file://`` or ``memory://`` URL.

    Credentials and endpoints come from the usual environment variables (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``).

    Raises
    ------
    DeclarationError : the URL has a scheme that no store knows, or lacks what the store needs.

    >>> store = open_store("memory://")
    >>> store.get(store.put(b"model"))
    b'model'
    """
    text = str(url_or_path)
    scheme, separator, _ = text.partition("://")
    if not separator or scheme == "file":
        from penstock.objects.local import LocalStore

        return LocalStore(Path(unquote(urlsplit(text).path)) if separator else Path(text))
    if scheme in REMOTE_SCHEMES:
        from penstock.objects.remote import RemoteStore

        return RemoteStore.open(text)
    raise DeclarationError(
        f"{text!r} is no place for objects",
        why=f"the scheme {scheme!r} is unknown",
        way_out="give a folder, or a URL that starts with s3://, gs:// or az://",
    )


def no_object(digest: str, url: str) -> NotFound:
    """The error of a digest under which a store has nothing."""
    return NotFound(
        f"object {digest} is not stored in {url}",
        why="it was deleted, or the ledger that names it belongs to another store",
        way_out="run the command that made it again, or set PENSTOCK_OBJECTS to the store that has it",
    )


def damaged_object(digest: str, url: str) -> DamagedStore:
    """The error of stored bytes that are not those of their digest."""
    return DamagedStore(
        f"object {digest} in {url} is damaged",
        why="its bytes do not match its digest any more",
        way_out="delete it and run the command that made it again, or restore it from a copy of the store",
    )


def changed_while_read(path: Path) -> SourceError:
    """The error of a file that was written to while it was being stored."""
    return SourceError(
        f"{path.name!r} changed while it was being read",
        why="another process is still writing into it",
        way_out="wait until it is complete and run the same command again",
    )
