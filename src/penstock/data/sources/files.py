"""Several files as one table: a glob, or a folder that may grow; folders in Hive's form become columns."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.data.sources.file import options_of, some, with_column, with_constants
from penstock.data.sources.kind import Around, SourceSettings, changed, described
from penstock.data.sources.listing import (
    TABLES,
    files_below,
    files_of_glob,
    folder_form,
    is_glob,
    nothing_there,
    partitions_of,
    suffix_of,
)
from penstock.errors import SourceError
from penstock.objects.digests import digest_of_json

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.source import Batch
    from penstock.objects.tabular import Detected


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of several: `name` is what it is called, on every machine; `path` where it lies on this one."""

    name: str
    path: Path

    identity = ""  # size and time are no proof of what a local file holds

    @property
    def constants(self) -> Mapping[str, str | None]:
        return partitions_of(self.name)

    @property
    def place(self) -> Path | None:
        return self.path

    @contextmanager
    def fetched(self) -> Iterator[Path]:
        yield self.path


class Glob:
    """The kind of a path with wildcards: ``data/raw/*.csv``, ``data/**/*.parquet``."""

    name = "glob"

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        return not settings.scheme and is_glob(settings.place) and not (around.root / settings.place).exists()

    def open(self, settings: SourceSettings, around: Around) -> TableFiles:
        root = around.root

        def entries() -> list[Entry]:
            found = files_of_glob(root, settings.place)
            return [Entry(_relative(path, root), path) for path in found]

        if not entries():
            raise nothing_there(settings.place, f"check the pattern; it is looked for from {root}")
        return TableFiles(settings, around, entries)


class Folder:
    """The kind of a folder of tables, at any depth. New files in it are new rows."""

    name = "folder"

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        folder = around.root / settings.place
        if settings.scheme or settings.format is not None or not folder.is_dir():
            return False
        return settings.options.format is not None or folder_form(folder) in ("tables", "")

    def open(self, settings: SourceSettings, around: Around) -> TableFiles:
        folder = around.root / settings.place
        wanted = settings.options.format

        def entries() -> list[Entry]:
            names = files_below(folder)
            return [Entry(n, folder / n) for n in names if wanted is not None or suffix_of(n) in TABLES]

        if not entries():
            others = list(files_below(folder))
            raise nothing_there(
                f"the folder {settings.place}",
                f'it holds {described(others)}: say format = "texts" or "images" where each file is a row, or "csv" where '
                "they are tables"
                if others
                else "put CSV, JSON lines or Parquet files into it",
            )
        return TableFiles(settings, around, entries)


@final
class TableFiles:
    """The rows of several files, one after the other in the order of their names.

    Columns are matched by name, in whatever order a file has them. A column that some files lack is missing there, which is
    told; names that differ only in capitals or spaces are refused, as they are meant to be one.
    """

    def __init__(self, settings: SourceSettings, around: Around, entries: Callable[[], list[Entry]]) -> None:
        self._settings = settings
        self._around = around
        self._begins: list[tuple[int, str]] = []  # of the last reading: number of each file's first row
        self._list = entries

    @cached_property
    def entries(self) -> list[Entry]:
        return self._list()

    def tables(self) -> list[Entry]:
        return self._list()

    @property
    def options(self) -> dict[str, Any]:
        return options_of(self._settings.options, self._settings.file_column)

    @property
    def origin(self) -> dict[str, Any]:
        return {"path": self._settings.place, "files": len(self.entries)}

    @property
    def contents(self) -> Mapping[str, str]:
        entries = self._list()
        try:
            digests = self._around.digests([entry.path for entry in entries])
        except FileNotFoundError as error:
            raise _gone(error) from error
        return {entry.name: digest for entry, digest in zip(entries, digests, strict=True)}

    @property
    def kept(self) -> str | None:
        return None

    def digest(self) -> str:
        return digest_of_files(self.contents)

    @cached_property
    def detected(self) -> list[Detected]:
        from penstock.objects.duck import Database
        from penstock.objects.tabular import detect

        found: list[Detected] = []
        with Database() as database:
            for entry in self.entries:
                try:
                    found.append(detect(entry.path, self._settings.options, database))
                except SourceError as error:
                    if not entry.path.exists():
                        raise _gone(FileNotFoundError(2, "", str(entry.path))) from error
                    raise
        return found

    @cached_property
    def _partitions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for entry in self.entries for name in partitions_of(entry.name)))

    @cached_property
    def _united(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return united([(e.name, d.names) for e, d in zip(self.entries, self.detected, strict=True)])

    @cached_property
    def names(self) -> tuple[str, ...]:
        names, _ = self._united
        twice = [name for name in self._partitions if name in names]
        if twice:
            raise SourceError(
                f"{twice[0]!r} is a column of the files and the name of a folder ({self.entries[0].name})",
                why="a folder called column=value gives each row below it that value",
                way_out="rename the folder, or write the files without that column",
            )
        return with_column((*names, *self._partitions), self._settings.file_column)

    @property
    def why(self) -> tuple[str, ...]:
        files = f"{len(self.entries)} file{'s' if len(self.entries) > 1 else ''}"
        parts = (f"columns of the folders: {', '.join(self._partitions)}",) if self._partitions else ()
        return (files, *parts, *(f"{self.entries[0].name}: {why}" for why in self.detected[0].why))

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._united[1]

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        return self.batches_of(None, rows)

    def file_of_row(self, row: int) -> tuple[str, int] | None:
        """As `OfFiles`."""
        at = bisect_right(self._begins, row, key=lambda one: one[0]) - 1
        return None if at < 0 else (self._begins[at][1], row - self._begins[at][0])

    def part(self, names: frozenset[str]) -> PartOfFiles:
        """The rows of some of the files, with the columns of all."""
        return PartOfFiles(self, names)

    def batches_of(self, files: frozenset[str] | None, rows: int | None = None) -> Iterator[Batch]:
        """As `batches`, of files of these names alone; None: of all."""
        from penstock.data.source import in_batches

        return some(in_batches(self._texts(files), rows), self._settings.place, self.names)

    def _texts(self, files: frozenset[str] | None) -> Iterator[pa.RecordBatch]:
        from penstock.objects.duck import Database
        from penstock.objects.text_rows import text_batches

        names, rows = self.names, 0
        self._begins = []
        with Database() as database:
            for entry, detected in zip(self.entries, self.detected, strict=True):
                if files is not None and entry.name not in files:
                    continue
                constants = {**partitions_of(entry.name), self._settings.file_column: entry.name}
                self._begins.append((rows, entry.name))
                try:
                    for batch in text_batches(entry.path, detected, database=database):
                        rows += batch.num_rows
                        yield with_constants(batch, names, constants)
                except FileNotFoundError as error:
                    raise _gone(error) from error
        now, before = ([entry.name for entry in entries] for entries in (self._list(), self.entries))
        if now != before:
            odd = sorted(set(now) ^ set(before))
            raise changed(self._settings.place, why=f"files came or went meanwhile: {described(odd)}")


@final
@dataclass(frozen=True)
class PartOfFiles:
    """Some of the files of a source, as a source of its own."""

    of: TableFiles
    files: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        return self.of.names

    @property
    def why(self) -> tuple[str, ...]:
        return self.of.why

    @property
    def options(self) -> dict[str, Any]:
        return self.of.options

    @property
    def origin(self) -> dict[str, Any]:
        return {**self.of.origin, "files": len(self.files)}

    def digest(self) -> str:
        return digest_of_files({name: digest for name, digest in self.of.contents.items() if name in self.files})

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        return self.of.batches_of(self.files, rows)


def digest_of_files(contents: Mapping[str, str]) -> str:
    """One digest of several files: their names and digests."""
    return digest_of_json({"kind": "files", "files": dict(contents)})


def united(headers: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All columns of several files, in the order in which they first appear, and what is to be said about them.

    >>> united([("a.csv", ("x", "y")), ("b.csv", ("y", "z"))])[0]
    ('x', 'y', 'z')

    Raises
    ------
    SourceError : names are alike but for capitals, spaces or underscores; or a file has no column of the first one.
    """
    first_file: dict[str, str] = {}
    spelled: dict[str, str] = {}
    count: dict[str, int] = {}
    for file, names in headers:
        if first_file and not any(name in first_file for name in names):
            there, here = described(headers[0][1]), described(names)
            alike = any(_plain(name) in spelled for name in names)
            raise SourceError(
                f"{file} has none of the columns of the files before it",
                why=f"its columns are {here}; those of {headers[0][0]} are {there}",
                way_out="write the names alike"
                if alike
                else "give it the same header; if no file has one, say header = false (--no-header); or leave it out of the source",
            )
        for name in names:
            other = spelled.setdefault(_plain(name), name)
            if other != name:
                raise SourceError(
                    f"column {name!r} of {file} is called {other!r} in {first_file[other]}",
                    why="names must be the same in all files for their values to stand in one column",
                    way_out=f"rename it to {other!r} in {file}",
                )
            first_file.setdefault(name, file)
            count[name] = count.get(name, 0) + 1
    warnings = []
    for name, files in count.items():
        if files < len(headers):
            lacking = next(file for file, have in headers if name not in have)
            near = difflib.get_close_matches(name, [n for n in count if n != name], 1, 0.85)
            hint = f"; is it the same as {near[0]!r}?" if near and count[near[0]] < len(headers) else ""
            warnings.append(
                f"column {name!r} is in {files} of {len(headers)} files (not in {lacking}): it is missing in the others{hint}"
            )
    return tuple(count), tuple(warnings)


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum()) or name


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _gone(error: FileNotFoundError) -> SourceError:
    return changed(str(error.filename), why="the file is gone since the folder was listed")
