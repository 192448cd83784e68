"""Answers into a file, by its ending."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from penstock.errors import BadParameter

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".csv", ".csv.gz", ".parquet")
GROUP_ROWS = 65_536
"""Rows of a row group of Parquet, about."""


def checked(output: str) -> str:
    """The name of an output file.

    Raises
    ------
    BadParameter : its ending says nothing that can be written.
    """
    if output.lower().endswith(ENDINGS):
        return output
    name = output.rstrip("/").rpartition("/")[2]
    raise BadParameter(
        f"the output {name!r} has an ending that is not known",
        why=f"the ending says what is written: {', '.join(ENDINGS)}",
        way_out=f"write {name.rpartition('.')[0] or name or 'answers'}.csv",
    )


def write_batches(file: BinaryIO, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """All batches into an open file, in the form that `name` ends in. No batch makes an empty table."""
    if name.lower().endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        repeated = [field.name for field in schema if not pa.types.is_floating(field.type) and field.name != "row"]
        with pq.ParquetWriter(
            file, schema, use_dictionary=repeated
        ) as writer:  # numbers that differ gain nothing by it
            waiting: list[pa.RecordBatch] = []
            for batch in batches:
                waiting.append(batch)
                if sum(some.num_rows for some in waiting) >= GROUP_ROWS:
                    writer.write_table(_table(waiting))
                    waiting = []
            if waiting:
                writer.write_table(_table(waiting))
    elif name.lower().endswith(".gz"):
        import gzip

        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as zipped:
            _csv(cast("BinaryIO", zipped), schema, batches)
    else:
        _csv(file, schema, batches)


def _table(batches: list[pa.RecordBatch]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches(batches)


def _csv(file: BinaryIO, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    import pyarrow.csv as pacsv

    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(schema.names)
    file.write(header.getvalue().encode())
    options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in batches:
        pacsv.write_csv(batch, file, options)
