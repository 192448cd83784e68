"""CSV that DuckDB refuses: bytes 0x80 to 0x9f (Windows files are full of them), and lines that end in different ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.objects.duck import MAX_VALUE_BYTES, Layout

if TYPE_CHECKING:
    import pyarrow as pa

RECODED = frozenset({"latin-1", "cp1252"})


def recoded_batches(path: Path, layout: Layout, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """As `penstock.objects.duck.duck_batches`: the same rows for the same characters."""
    import pyarrow as pa
    from pyarrow import csv

    names = [f"c{i}" for i in range(len(layout.names))]
    with pa.input_stream(path, compression="gzip" if layout.gz else None) as source:
        batches = csv.open_csv(
            source,
            read_options=csv.ReadOptions(
                encoding=layout.encoding,
                column_names=names,
                skip_rows=layout.blank_lines,
                skip_rows_after_names=int(layout.header),
                block_size=MAX_VALUE_BYTES // 8,
                use_threads=False,  # only then do its complaints name the row
            ),
            parse_options=csv.ParseOptions(
                delimiter=layout.delimiter,
                quote_char=layout.quote or False,
                newlines_in_values=bool(layout.quote),
                ignore_empty_lines=len(names) > 1,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
        for batch in batches:
            for start in range(0, batch.num_rows, batch_rows):
                yield batch.slice(start, batch_rows)
