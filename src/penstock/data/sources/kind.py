"""The door through which kinds of sources come: built-in ones and plug-ins alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from penstock.errors import SourceError
from penstock.objects.files import sha256_file

if TYPE_CHECKING:
    from penstock.data.sources.declared import DeclaredSource
    from penstock.data.sources.snapshots import Snapshots
    from penstock.objects.tabular import ReadOptions


class NotFetched(SourceError):
    """Nothing was fetched yet, and nothing may be fetched now."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """A source as it is declared.

    Attributes
    ----------
    place : a file, a glob, a folder or a URL; local ones relative to the project.
    options : how files are read.
    format : ``"images"`` or ``"texts"`` where the folder says so; else None.
    file_column : name of a column that tells each row's file; "" without one.
    query : SQL, where `place` is a database. cursor : its column by which only newer rows are asked for.
    key : column that names a row; with a cursor, a newer row takes the place of an older one of the same key.
    drop : columns of which no value is kept. only : where it is not empty, those of which values are kept.
    """

    place: str
    options: ReadOptions
    format: str | None = None
    file_column: str = ""
    query: str = ""
    cursor: str = ""
    key: str = ""
    drop: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        """``"s3"`` of ``s3://bucket/file.csv``; "" of a path."""
        scheme, separator, _ = self.place.partition("://")
        return scheme.lower() if separator else ""


@dataclass(frozen=True)
class Around:
    """What a source may use of the project around it.

    Attributes
    ----------
    root : the folder that local places are relative to.
    digests : the digests of files, in their order; a ledger remembers those of files that have not changed.
    snapshots : keeps what a database answered, as it cannot be asked again; None where nothing is to be kept.
    scratch : a folder for files that are fetched; they are in the clear while they are read.
    dry : no database is asked: what it answered last is taken.
    pinned : digest of what a database answered before, to read that again; None for asking it.
    """

    root: Path = field(default_factory=Path)
    digests: Callable[[list[Path]], list[str]] = lambda paths: [sha256_file(path) for path in paths]
    remote_digests: RemoteDigests | None = None
    snapshots: Snapshots | None = None
    scratch: Path | None = None
    dry: bool = False
    pinned: str | None = None


class RemoteDigests(Protocol):
    """Remembers the digests of files that are elsewhere, by what their store says of them. A ledger does."""

    def elsewhere(self, url: str, identity: str) -> str | None: ...
    def remember(self, url: str, identity: str, digest: str) -> None: ...


class SourceKind(Protocol):
    """A part of the group ``penstock.sources``: it knows its own sources and opens them.

    Loading it must be cheap: it is asked in every run, also in one that has nothing to do.
    """

    name: ClassVar[str]

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        """Whether this is a source of this kind. No two kinds claim the same one."""
        ...

    def open(self, settings: SourceSettings, around: Around) -> DeclaredSource:
        """The source. Raises `SourceError` where there is nothing, with the way out."""
        ...


def changed(what: str, *, why: str) -> SourceError:
    """The error of a source that is not what it was when its digest was taken."""
    return SourceError(
        f"{what} changed while it was read",
        why=why,
        way_out="wait until whatever writes it is done (or copy it), and start again",
    )


def described(value: Any) -> str:
    """A few of many names, for a message."""
    names = list(value)
    return f"{', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
