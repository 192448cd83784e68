"""Parquet read page by page, so that memory does not depend on how large its row groups are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PIECE_BYTES = 8 * 1024 * 1024
PIECE_ROWS = 4096
"""At most so much is unpacked at a time, by the sizes that the file states; texts that repeat are larger than they state."""
PAGE_BYTES = 1024 * 1024


def is_plain(schema: pa.Schema) -> bool:
    """Whether DuckDB takes every column for the same type when it comes from Arrow as when DuckDB reads the file itself.

    Left out are types that Arrow restores from notes of its own (durations, categories), instants of other units than
    microseconds, and everything nested.
    """
    import pyarrow.types as kinds

    def plain(kind: pa.DataType) -> bool:
        if kinds.is_timestamp(kind):
            return bool(kind.unit == "us" and kind.tz in (None, "UTC"))
        of = (kinds.is_string, kinds.is_boolean, kinds.is_integer, kinds.is_float32, kinds.is_float64, kinds.is_date32)
        return any(check(kind) for check in of)

    return all(plain(field.type) for field in schema)


def open_pages(path: Path) -> pq.ParquetFile:
    """A file of which no more than a page of each column is in memory."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, pre_buffer=False, buffer_size=PAGE_BYTES)


def pieces(file: pq.ParquetFile) -> pa.RecordBatchReader:
    """The rows in order, columns named by place."""
    import pyarrow as pa

    fields = [pa.field(f"c{i}", field.type) for i, field in enumerate(file.schema_arrow)]
    schema = pa.schema(fields)

    def read() -> Iterator[pa.RecordBatch]:
        for batch in file.iter_batches(batch_size=piece_rows(file.metadata), use_threads=False):
            batch.validate(full=True)  # DuckDB believes that texts from Arrow are UTF-8
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, read())


def numbers_and_texts(path: Path, numbers: Collection[int]) -> Iterator[pa.RecordBatch] | None:
    """The rows as they are stored, numbers as float64; None where a column is neither a text nor a number in one of these places."""
    import pyarrow as pa
    import pyarrow.types as kinds

    file = open_pages(path)

    def fits(place: int, kind: pa.DataType) -> bool:
        number = kinds.is_integer(kind) or kinds.is_float32(kind) or kinds.is_float64(kind)
        return kinds.is_string(kind) or (number and place in numbers)

    if len(file.schema_arrow) == 0 or not all(fits(i, field.type) for i, field in enumerate(file.schema_arrow)):
        return None

    def read() -> Iterator[pa.RecordBatch]:
        for batch in pieces(file):
            columns = [c if kinds.is_string(c.type) else c.cast(pa.float64(), safe=False) for c in batch.columns]
            yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

    return read()


def piece_rows(metadata: pq.FileMetaData) -> int:
    """How many rows are unpacked at a time: by the widest row group."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(PIECE_ROWS, int(PIECE_BYTES / max(1.0, widest))))
