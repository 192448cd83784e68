"""What the kinds of sources open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from penstock.data.source import Source


class DeclaredSource(Source, Protocol):
    """A source that a declaration names, with what a run tells of it beside its rows."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at; complete once `batches` was read to its end. No credentials, no values of rows."""
        ...

    @property
    def contents(self) -> Mapping[str, str]:
        """What the source consists of: name of a file -> its digest. Empty where it is one thing."""
        ...

    @property
    def kept(self) -> str | None:
        """Digest under which the rows themselves are kept, where the place cannot be asked for them again; else None."""
        ...


@runtime_checkable
class InTables(Protocol):
    """A source that consists of tables in files, and gives them one by one as well: what a batch job answers file by file."""

    def tables(self) -> Sequence[TableFile]:
        """The files as they are now, in the order of their names."""
        ...


class TableFile(Protocol):
    """One of them.

    Attributes
    ----------
    name : relative to the folder or bucket, with ``/``. constants : columns that the names of its folders say.
    identity : what its store says of its content without reading it; "" where that is no proof.
    place : its path on this machine; None where it is elsewhere.
    """

    @property
    def name(self) -> str: ...
    @property
    def constants(self) -> Mapping[str, str | None]: ...
    @property
    def identity(self) -> str: ...
    @property
    def place(self) -> Path | None: ...

    def fetched(self) -> AbstractContextManager[Path]:
        """The file on this machine, for as long as it is read."""
        ...
