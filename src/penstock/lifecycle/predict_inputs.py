"""What a batch job reads, from any place that a source may have: the one door of sources, file by file where it consists of files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.errors import BadParameter
from penstock.lifecycle.predict_tables import QueryPart, SourcePart, asked_for
from penstock.serving.batch.inputs import FileInput, Input, Part, is_open_for_writing, state_of

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.source import Batch, Source
    from penstock.data.sources.declared import DeclaredSource, TableFile
    from penstock.objects.tabular import ReadOptions


@dataclass(frozen=True)
class Found:
    """The tables of a place.

    Attributes
    ----------
    parts : at least one. single : the place names just this one, rather than all that lie there.
    base : the folder or prefix that the names of the parts are relative to; "" where there is none.
    """

    parts: Sequence[Part]
    single: bool
    base: str = ""
    warnings: Sequence[str] = ()


def find_inputs(place: str, options: ReadOptions, *, query: str = "", scratch: Path | None = None) -> Found:
    """The tables of a place: a file, a folder or glob at any depth, a bucket, a table or query of a database, or what a plug-in knows.

    Raises
    ------
    SourceError : there is nothing, or it cannot be read. BadParameter : a query without a database, or a database without one.
    """
    from penstock.project.sections.data import is_database

    if is_database(place):
        return Found([QueryPart(place, *asked_for(place, query))], single=True)
    if query:
        raise BadParameter(
            f"--query has nothing to ask: {place!r} is no database",
            why="SQL is asked of sqlite:/// and postgresql://",
            way_out="leave --query out",
        )
    source = _opened(place, options, scratch)
    tables = _tables_of(source)
    if tables is None:
        path = Path(place)
        if "://" in place or not path.is_file():
            return Found([SourcePart(source, place)], single=True)
        return Found([_LocalFile(path, path.name, options)], single=True)
    base = base_of(place)
    parts = [TablePart(table, table.name.removeprefix(base) or table.name, options) for table in tables]
    single = "://" in place and len(parts) == 1 and parts[0].table.name == place.partition("://")[2].partition("/")[2]
    if single:
        parts = [TablePart(parts[0].table, place.rpartition("/")[2], options)]
    return Found(parts, single, base, _left_out(place))


def watched(place: str, options: ReadOptions, *, scratch: Path | None = None) -> Callable[[], Sequence[Part]]:
    """What looks which files lie in a place; none is no error, as they are waited for.

    Raises
    ------
    BadParameter : it cannot be followed.
    """
    from penstock.data.sources.listing import NothingThere, is_glob

    bucket_folder = "://" in place and place.endswith("/")
    if not (Path(place).is_dir() or is_glob(place) or bucket_folder):
        raise BadParameter(
            f"{place!r} cannot be watched",
            why="what is followed is a folder, a glob, or a prefix of a bucket that ends with /",
            way_out="name the folder that new files come into",
        )
    base = base_of(place)

    def look() -> Sequence[Part]:
        try:
            tables = _tables_of(_opened(place, options, scratch))
        except NothingThere:
            return ()
        if tables is None:
            raise BadParameter(
                f"{place!r} cannot be watched",
                why="its files are no tables: a folder of texts or images is answered as one table",
                way_out="leave --watch out",
            )
        return [TablePart(table, table.name.removeprefix(base) or table.name, options) for table in tables]

    return look


def base_of(place: str) -> str:
    """The part of a place that the names of its files begin with, and that their answers need not repeat.

    >>> [base_of(p) for p in ("in", "in/*.csv", "in/**/x.csv", "s3://bucket/in/", "s3://bucket/in/*/a.csv")]
    ['', 'in/', 'in/', 'in/', 'in/']
    """
    from penstock.data.sources.listing import is_glob

    rest = place.partition("://")[2].partition("/")[2] if "://" in place else place
    if is_glob(rest):
        return re.split(r"[*?\[]", rest, maxsplit=1)[0].rpartition("/")[0] + "/" if "/" in rest else ""
    return rest if "://" in place and rest.endswith("/") else ""


def as_source(given: Input) -> Source:
    """A table that is to be answered, as what looks at sources reads it."""
    return _AsSource(given)  # type: ignore[return-value]  # names and batches are all that is asked of it


# ---------------------------------------------------------------- files


@final
@dataclass(frozen=True)
class TablePart:
    """A file of a folder, glob or bucket."""

    table: TableFile
    name: str
    options: ReadOptions

    @property
    def identity(self) -> str:
        return self.table.identity

    @property
    def place(self) -> Path | None:
        return self.table.place

    def state(self) -> str:
        path = self.table.place
        return self.table.identity if path is None else state_of(path)

    def is_open(self) -> bool:
        path = self.table.place
        return path is not None and is_open_for_writing(path)

    @contextmanager
    def opened(self) -> Iterator[Input]:
        with self.table.fetched() as path:
            yield FileInput(path, self.options, self.name, self.table.constants)


@final
@dataclass(frozen=True)
class _LocalFile:
    place: Path
    name: str
    options: ReadOptions

    identity = ""

    def state(self) -> str:
        return state_of(self.place)

    def is_open(self) -> bool:
        return is_open_for_writing(self.place)

    @contextmanager
    def opened(self) -> Iterator[Input]:
        yield FileInput(self.place, self.options, self.name)


@dataclass(frozen=True)
class _AsSource:
    given: Input

    @property
    def names(self) -> tuple[str, ...]:
        return self.given.names

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        from penstock.data.source import Batch

        for batch in self.given.batches():
            yield Batch.encode(batch) if not _is_encoded(batch) else Batch(batch)


def _is_encoded(batch: pa.RecordBatch) -> bool:
    import pyarrow as pa

    return batch.num_columns > 0 and pa.types.is_dictionary(batch.schema.types[0])


def _opened(place: str, options: ReadOptions, scratch: Path | None) -> DeclaredSource:
    from penstock.data.sources.kind import Around, SourceSettings
    from penstock.data.sources.opening import open_source

    return open_source(SourceSettings(place, options), Around(root=Path(), scratch=scratch))


def _tables_of(source: DeclaredSource) -> Sequence[TableFile] | None:
    from penstock.data.sources.declared import InTables

    return source.tables() if isinstance(source, InTables) else None


def _left_out(place: str) -> list[str]:
    """Files of a folder that are no tables."""
    from penstock.data.sources.listing import TABLES, files_below, suffix_of

    folder = Path(place)
    if "://" in place or not folder.is_dir():
        return []
    return [f"{n}: no table by its ending: left out" for n in files_below(folder) if suffix_of(n) not in TABLES]


def places_of(parts: Sequence[Part]) -> Mapping[str, Path]:
    """The local files among them, by name."""
    found: dict[str, Path] = {}
    for part in parts:
        place: Any = getattr(part, "place", None)
        if place is not None:
            found[part.name] = place
    return found


def refuse_to_read_answers(place: str, base: str, output: str) -> None:
    """Refuse an output among what is read: its answers would be rows the next time, or take the place of rows.

    Raises
    ------
    BadParameter : the output is the folder or prefix that is answered, or lies in it.
    """
    from penstock.data.sources.listing import is_glob
    from penstock.objects.named import is_bucket

    inside, rest = False, ""
    if is_bucket(place) and is_bucket(output):
        scheme, _, path = place.partition("://")
        root = f"{scheme}://{path.partition('/')[0]}/{base}"
        deep = place.endswith("/") or "**" in place
        same = is_glob(path) and output.rstrip("/") == root.rstrip("/")
        inside = same or (output.startswith(root) and deep)
        rest = "" if same else output.removeprefix(root)
    elif "://" not in place and "://" not in output:
        folder = (Path(place) if Path(place).is_dir() else Path(base)).resolve()
        target = Path(output).resolve()
        if Path(place).is_dir() or is_glob(place):
            deep = Path(place).is_dir() or "**" in place
            inside = target == folder or (deep and target.is_relative_to(folder))
            rest = target.relative_to(folder).as_posix() if inside and target != folder else ""
    if inside and not rest.startswith((".", "_")):
        raise BadParameter(
            f"the output {output} lies among what is read",
            why=f"all tables of {place} are answered, and its answers would be among them the next time",
            way_out="write to a place beside it; or below a folder whose name begins with _, which is left out",
        )
