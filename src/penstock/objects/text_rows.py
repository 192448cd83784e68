"""The rows of a file as text, in bounded memory. DuckDB reads most of them. Values stay text: the decoder gives them types."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import SourceError
from penstock.objects.duck import Database, duck_batches, parquet_batches, read_error
from penstock.objects.plain_csv import may_be_plain, plain_batches, rows_from
from penstock.objects.recode import RECODED, recoded_batches
from penstock.objects.sniff import MIXED
from penstock.objects.tabular import DEFAULTS, Detected, ReadOptions, detect

if TYPE_CHECKING:
    import pyarrow as pa


def open_text_batches(
    path: str | Path, options: ReadOptions = DEFAULTS, batch_rows: int = 50_000
) -> Iterator[pa.RecordBatch]:
    """The rows of a file in order, every column as text (null where the file holds nothing), in bounded memory.

    Raises
    ------
    SourceError : as `detect`; a record is ragged or broken (the message names it); the file changed meanwhile.
    """
    path = Path(path)
    return text_batches(path, detect(path, options), batch_rows)


def text_batches(
    path: Path,
    detected: Detected,
    batch_rows: int = 50_000,
    numbers: Collection[str] = (),
    database: Database | None = None,
    threads: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """As `open_text_batches`, for a file that was looked at already.

    Parameters
    ----------
    numbers : columns that come as float64, NaN or null where there is nothing, if a Parquet file holds them as integers or floats. Those of
        a CSV that one thread reads do, too, as long as only numbers stand in them: a batch may have other types than the one before.
    threads : that read text; default: one for each core. One takes the least memory, and reads what is plain by Arrow.
    database : shared by the readings of many files; None for one that is gone with this reading.
    """
    import duckdb
    import pyarrow as pa

    before = identity_of(path)
    count = 0
    wanted = frozenset(i for i, name in enumerate(detected.names) if name in numbers)
    if detected.format == "parquet":
        found = parquet_batches(path, batch_rows, wanted, database)
    elif detected.encoding in RECODED or detected.line_end == MIXED:
        found = recoded_batches(path, detected, batch_rows)
    elif threads == 1 and may_be_plain(detected):
        found = _plain_first(path, detected, batch_rows, wanted, database)
    else:
        found = duck_batches(path, detected, batch_rows, database, threads=threads)
    try:
        for batch in found:
            count += batch.num_rows
            columns = [c if pa.types.is_float64(c.type) else c.cast(pa.string()) for c in batch.columns]
            yield pa.RecordBatch.from_arrays(columns, names=list(detected.names))
    except (duckdb.Error, pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise read_error(path, detected, error) from error
    if identity_of(path) != before:
        raise changed_while_read(path)
    if count < detected.at_least_rows:
        raise SourceError(
            f"{path}: {count} rows were read, but its first lines alone hold {detected.at_least_rows}",
            why="the reader took the line ends or quotes for something else than they are",
            way_out="write the file again with one kind of line end, or as Parquet; and tell us: this should not happen",
        )


def _plain_first(
    path: Path, detected: Detected, batch_rows: int, numbers: Collection[int], database: Database | None
) -> Iterator[pa.RecordBatch]:
    """Rows by Arrow as far as they are plain, and from there on by DuckDB, which reads the file from its start."""
    given = yield from plain_batches(path, detected, batch_rows, numbers)
    if given is not None:
        yield from rows_from(duck_batches(path, detected, batch_rows, database, threads=1), given)


def read_text(path: str | Path, options: ReadOptions = DEFAULTS) -> pa.Table:
    """A whole file as a table of text columns; see `open_text_batches`."""
    path = Path(path)
    return read_detected(path, detect(path, options))


def read_detected(path: Path, detected: Detected) -> pa.Table:
    """As `read_text`, for a file that was looked at already."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in detected.names])
    return pa.Table.from_batches(text_batches(path, detected), schema=schema)


def gone_while_read(path: Path, error: OSError) -> SourceError:
    """The error of a file that was there when it was looked for, and cannot be looked at now."""
    return SourceError(
        f"{path} cannot be read any more",
        why=f"it was moved, removed or closed to us while it was read ({error.strerror or error})",
        way_out="leave files where they are until they were read, or put it back and start again",
    )


def changed_while_read(path: Path) -> SourceError:
    return SourceError(
        f"{path} changed while it was read",
        why="its content before and after reading differ, so the rows read belong to no one state of the file",
        way_out="wait until whatever writes it is done (or copy the file), and start again",
    )


def identity_of(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written to or replaced. Raises SourceError where it is gone."""
    try:
        status = path.stat()
    except OSError as error:
        raise gone_while_read(path, error) from error
    return status.st_size, status.st_mtime_ns, status.st_ino
