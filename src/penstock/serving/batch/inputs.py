"""What a batch job reads: tables that give their rows as text, in bounded memory, as often as they are asked."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.objects.tabular import Detected, ReadOptions

READ_ROWS = 8_192
READ_CELLS = 2_000_000
"""Rows that are read at a time stay under both: rows, and values (rows x columns)."""


class Input(Protocol):
    """One table to be answered."""

    @property
    def name(self) -> str:
        """What it is called in messages and in the record of what is done: the same on every machine."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns. Raises SourceError where it is missing or malformed."""
        ...

    def batches(self, numbers: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        """Its rows in order, each call from the first on. Columns are text (plain, or encoded by a dictionary), null where
        there is nothing.

        Parameters
        ----------
        numbers : columns that may come as float64 instead, NaN for nothing, where they are stored as numbers.
        """
        ...

    def digest(self) -> str:
        """Digest of its content; "" where it cannot be told without reading it, so that it counts as new each time."""
        ...

    def refuse_change(self) -> None:
        """Raise SourceError where it is not what it was when its digest was asked for."""
        ...


class Part(Protocol):
    """A file of several, which is answered by itself."""

    @property
    def name(self) -> str:
        """As `Input.name`: a path relative to the place, with ``/``."""
        ...

    @property
    def identity(self) -> str:
        """What its store says of its content, without reading it; "" where a store says nothing that can be relied upon."""
        ...

    def state(self) -> str:
        """What changes when it is written to; "" when it is gone. Cheap: a watched folder is asked often."""
        ...

    def is_open(self) -> bool:
        """Whether a process has it open for writing, as far as the system tells."""
        ...

    def opened(self) -> AbstractContextManager[Input]:
        """The file on this machine, for as long as it is read."""
        ...


@final
@dataclass(frozen=True)
class FileInput:
    """A local file: CSV, TSV, JSON lines, JSON or Parquet, also gzipped.

    Attributes
    ----------
    called : its name in messages; default: that of the file. constants : columns that have one value in all its rows, as the
        folders ``year=2024`` above a file say.
    """

    path: Path
    how: ReadOptions | None = None
    called: str = ""
    constants: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.called or self.path.name

    @cached_property
    def detected(self) -> Detected:
        from penstock.objects.tabular import DEFAULTS, detect

        return detect(self.path, self.how or DEFAULTS)

    @property
    def names(self) -> tuple[str, ...]:
        own = self.detected.names
        return (*own, *(name for name in self.constants if name not in own))

    def batches(self, numbers: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        from penstock.objects.text_rows import text_batches

        own = len(self.detected.names)
        constants = {name: self.constants[name] for name in self.names[own:]}
        rows = rows_at_once(len(self.names))
        for batch in text_batches(self.path, self.detected, rows, numbers, threads=1):  # the others answer
            yield _with(batch, constants) if constants else batch

    def digest(self) -> str:
        from penstock.objects.files import sha256_file
        from penstock.objects.text_rows import gone_while_read, identity_of

        _ = self.detected  # says best what is wrong with a path
        self.__dict__["_was"] = identity_of(self.path)
        try:
            return sha256_file(self.path)
        except OSError as error:
            raise gone_while_read(self.path, error) from error

    def refuse_change(self) -> None:
        from penstock.objects.text_rows import changed_while_read, identity_of

        was = self.__dict__.get("_was")
        if was is not None and identity_of(self.path) != was:
            raise changed_while_read(self.path)


@final
@dataclass(frozen=True)
class FilePart:
    """A local file of several."""

    path: Path
    name: str
    how: ReadOptions | None = None
    constants: Mapping[str, str | None] = field(default_factory=dict)

    identity = ""  # size and time are no proof of what a file holds

    @property
    def place(self) -> Path:
        """Where it lies, as parts that are local files say it: no answers go there."""
        return self.path

    def state(self) -> str:
        return state_of(self.path)

    def is_open(self) -> bool:
        return is_open_for_writing(self.path)

    @contextmanager
    def opened(self) -> Iterator[Input]:
        yield FileInput(self.path, self.how, self.name, self.constants)


def rows_at_once(columns: int) -> int:
    """How many rows of so many columns are read at a time."""
    return max(1, min(READ_ROWS, READ_CELLS // max(1, columns)))


def is_open_for_writing(path: Path) -> bool:
    """Whether a process writes to a file just now: a lease on it is refused then. False where the system does not tell.

    Linux grants leases on local files to their owner. Whoever opens the file while the lease is held (a moment) has SIGIO sent
    to us, which the caller must ignore.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        return False
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # another's file, or a file system without leases
        return False
    finally:
        os.close(descriptor)
    return False


def _with(batch: pa.RecordBatch, constants: Mapping[str, str | None]) -> pa.RecordBatch:
    import pyarrow as pa

    more = [pa.repeat(pa.scalar(value, pa.string()), batch.num_rows) for value in constants.values()]
    return pa.RecordBatch.from_arrays([*batch.columns, *more], names=[*batch.schema.names, *constants])


def state_of(path: Path) -> str:
    """What changes when a local file is written to; "" when it is gone, or not to be seen."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
