"""One local file: CSV in all its dialects, JSON lines, JSON or Parquet, also compressed with gzip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.listing import is_glob
from penstock.errors import SourceError
from penstock.objects.files import sha256_file

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.source import Batch
    from penstock.objects.tabular import Detected, ReadOptions

READ_ROWS = 16_384  # asked of the reader at a time: rows of long texts are large
READ_BYTES = 16 * 1024 * 1024  # of rows that are as long as the first ones


class LocalFile:
    """The kind of a path that is neither a folder nor a glob."""

    name = "file"

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        path = around.root / settings.place
        return not settings.scheme and not path.is_dir() and (path.exists() or not is_glob(settings.place))

    def open(self, settings: SourceSettings, around: Around) -> FileSource:
        path = around.root / settings.place
        if path.exists() and not path.is_file():
            raise SourceError(f"{path} is no file", why="it is a device or a socket", way_out="name a file")
        return FileSource(path, settings.options, settings.place, settings.file_column, around.digests)


@final
@dataclass(frozen=True)
class FileSource:
    """The rows of one file. Its digest is that of its bytes.

    Attributes
    ----------
    how : how it is read, as far as that is known. place : what the file is called in messages and records.
    file_column : name of a column that tells the file's name in each row; "" without one.
    digests : of files; default: their bytes are read.
    """

    path: Path
    how: ReadOptions | None = None
    place: str = ""
    file_column: str = ""
    digests: Callable[[list[Path]], list[str]] | None = None

    @cached_property
    def detected(self) -> Detected:
        """How the file is written. It is looked at once; a file that is written anew meanwhile has another digest."""
        from penstock.objects.tabular import DEFAULTS, detect

        return detect(self.path, self.how or DEFAULTS)

    @property
    def names(self) -> tuple[str, ...]:
        return with_column(self.detected.names, self.file_column)

    @property
    def why(self) -> tuple[str, ...]:
        return self.detected.why

    @property
    def options(self) -> dict[str, Any]:
        return options_of(self.how, self.file_column)

    @property
    def origin(self) -> dict[str, Any]:
        return {"path": self.place or str(self.path)}

    @property
    def contents(self) -> Mapping[str, str]:
        return {}

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    @property
    def kept(self) -> str | None:
        return None

    def digest(self) -> str:
        try:
            return sha256_file(self.path) if self.digests is None else self.digests([self.path])[0]
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            self.__dict__.pop("detected", None)
            _ = self.detected  # says best what is wrong with a path
            raise

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        return some(self.batches_if_any(rows), str(self.path), self.names)

    def batches_if_any(self, rows: int | None = None) -> Iterator[Batch]:
        """As `batches`; a file with nothing below its header has none."""
        from penstock.data.source import in_batches

        return in_batches(self._texts(), rows)

    def _texts(self) -> Iterator[pa.RecordBatch]:
        from penstock.objects.text_rows import text_batches

        names = self.names
        for batch in text_batches(self.path, self.detected, self._rows_at_a_time()):
            yield with_constants(batch, names, {self.file_column: self.path.name})

    def _rows_at_a_time(self) -> int:
        """What is asked of the reader: fewer of long rows, of which the first lines show how long they are."""
        from penstock.objects.tabular import SAMPLE_BYTES

        found = self.detected
        if found.format in ("jsonl", "json", "parquet"):  # read by their own bounds
            return READ_ROWS
        return max(1, min(READ_ROWS, READ_BYTES * max(1, found.at_least_rows) // SAMPLE_BYTES))


def read(path: str | Path, options: ReadOptions | None = None) -> Batch:
    """A whole file as one batch, for tables that are small.

    Raises
    ------
    SourceError : it is missing, malformed, without rows, or changes while it is read.
    """
    from penstock.data.source import Batch

    return Batch.join(list(FileSource(Path(path), options).batches()))


def options_of(how: ReadOptions | None, file_column: str) -> dict[str, Any]:
    """What decides which rows come of files: how they are read, and what is not as usual."""
    from penstock.objects.tabular import DEFAULTS

    return {**(how or DEFAULTS).to_json(), **({"file_column": file_column} if file_column else {})}


def some(batches: Iterator[Batch], place: str, names: tuple[str, ...]) -> Iterator[Batch]:
    """The batches; a source without a row is refused."""
    empty = True
    for batch in batches:
        empty = False
        yield batch
    if empty:
        raise SourceError(
            f"{place} has no rows",
            why=f"it holds the names of {len(names)} columns and nothing below them",
            way_out="write the file again; if its one line is a row, say --no-header",
        )


def with_column(names: tuple[str, ...], column: str) -> tuple[str, ...]:
    """The names with one more, if it is asked for; refused where a column has it already."""
    if not column:
        return names
    if column in names:
        raise SourceError(
            f"there is a column {column!r} already",
            why="[data] file_column names it for the file of each row",
            way_out=f'file_column = "{column}_of_row", or another name',
        )
    return (*names, column)


def with_constants(
    batch: pa.RecordBatch, names: tuple[str, ...], constants: Mapping[str, str | None]
) -> pa.RecordBatch:
    """A batch with exactly these columns: its own, else a constant, else null."""
    import pyarrow as pa

    if tuple(batch.schema.names) == names:
        return batch
    own = {name: i for i, name in enumerate(batch.schema.names)}
    columns = [
        batch.column(own[name])
        if name in own
        else pa.repeat(pa.scalar(constants.get(name), pa.string()), batch.num_rows)
        for name in names
    ]
    return pa.RecordBatch.from_arrays(columns, names=list(names))
