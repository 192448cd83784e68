"""CSV that is written plainly is read by Arrow, in half the time; DuckDB reads on from the first place that could be read in two ways.

Plain is a piece of a file without a quote, in which every line is a record: it ends as the first lines do and has as many values as there are
columns, or is empty, which both take for nothing. What quotes enclose may hold delimiters and line ends, and what is wrong with a line is
best said by who reads all of them, so the rest is left to DuckDB from there on.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penstock.objects.duck import Layout
from penstock.objects.sniff import records

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_BYTES = 64 * 1024
FIRST_BYTES = 1024 * 1024
MOST_BYTES = 8 * 1024 * 1024
"""Of a file that are read at a time: as many as hold the rows wanted, by the length of the lines before."""
AIM = 0.97
"""Of the rows wanted, as lines differ in length: of one row more than that two halves would be made."""
_ENDS = ("\n", "\r\n")


def may_be_plain(layout: Layout) -> bool:
    """Whether a file as a whole is one to try."""
    return (
        layout.format == "csv"
        and not layout.gz
        and layout.encoding == "utf-8"
        and layout.line_end in _ENDS
        and layout.blank_lines == 0
        and len(layout.names) > 1  # of one column an empty line is a record
        and len((layout.delimiter or "").encode()) == 1
    )


def plain_batches(
    path: Path, layout: Layout, batch_rows: int, numbers: Collection[int] = ()
) -> Generator[pa.RecordBatch, None, int | None]:
    """The rows of a file in order as long as they are plain, columns named by place.

    Parameters
    ----------
    numbers : places of columns that come as float64, null where there is nothing. One in which something else stands comes as text
        from there on.

    Returns
    -------
    int or None
        How many rows were given where somebody else has to read on; None at the end of the file.
    """
    lines = _Lines(layout, numbers)
    given, header = 0, layout.header
    held, wanted = bytearray(FIRST_BYTES), FIRST_BYTES
    kept = 0  # bytes at its front, of a record of which not all was read
    with path.open("rb") as file:
        while read := file.readinto(memoryview(held)[kept:wanted]):
            end, start = kept + read, 0
            cut = held.rfind(b"\n", kept, end) + 1
            if not cut:
                return given  # a record of that length is no usual one
            if header:
                after = _after_header(bytes(held[: held.index(b"\n") + 1]), layout)
                if after is None:
                    return 0
                header, start = False, after
            rest = bytes(held[cut:end])
            if start < cut:
                batch = lines.read(held, start, cut)
                if batch is None:
                    return given
                yield from _parts(batch, batch_rows)
                given += batch.num_rows
                size = int(AIM * batch_rows * (cut - start) / max(1, batch.num_rows))
                wanted = len(rest) + min(MOST_BYTES, max(LEAST_BYTES, size))
                held = _of_size(held, wanted)
            held[: len(rest)], kept = rest, len(rest)
    if kept:
        batch = None if header else lines.read(held, 0, kept)
        if batch is None:
            return given
        yield from _parts(batch, batch_rows)
    return None


def rows_from(batches: Iterable[pa.RecordBatch], first: int) -> Iterator[pa.RecordBatch]:
    """Batches without the rows in front of `first`."""
    for batch in batches:
        if first >= batch.num_rows:
            first -= batch.num_rows
            continue
        yield batch.slice(first) if first else batch
        first = 0


class _Lines:
    """Reads whole lines of one file."""

    def __init__(self, layout: Layout, numbers: Collection[int]) -> None:
        self._names = [f"c{i}" for i in range(len(layout.names))]
        self._numbers = {f"c{i}" for i in numbers}
        self._delimiter, self._quote = layout.delimiter, (layout.quote or "").encode()
        self._end = (layout.line_end or "").encode()

    def read(self, held: bytearray, start: int, end: int) -> pa.RecordBatch | None:
        """The rows of a piece of what is held, or None where it is not plain."""
        import pyarrow as pa

        if not self._is_plain(held, start, end):
            return None
        while True:
            try:
                batch = self._parsed(memoryview(held)[start:end])
            except pa.ArrowInvalid as error:
                spoilt = {
                    f"c{place}"
                    for place in re.findall(r"In CSV column #(\d+): .*CSV conversion error to double", f"{error}")
                }
                if not spoilt & self._numbers:
                    return None
            else:
                spoilt = {name for name in self._numbers if not _is_finite(batch.column(name))}
                if not spoilt:
                    return batch
            self._numbers -= spoilt

    def _is_plain(self, held: bytearray, start: int, end: int) -> bool:
        if self._end == b"\r\n":
            ends = held.count(b"\r\n", start, end)
            ended_alike = held.count(b"\r", start, end) == ends and held.count(b"\n", start, end) == ends
        else:
            ended_alike = held.find(b"\r", start, end) < 0
        return (
            ended_alike
            and not (self._quote and held.find(self._quote, start, end) >= 0)
            and held.find(b"\0", start, end) < 0
            and not held.startswith(
                codecs.BOM_UTF8, start
            )  # Arrow takes the mark at the start of any piece for none of its text
        )

    def _parsed(self, piece: memoryview) -> pa.RecordBatch:
        import pyarrow as pa
        from pyarrow import csv

        types = {name: pa.float64() if name in self._numbers else pa.string() for name in self._names}
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(piece)),
            csv.ReadOptions(use_threads=False, block_size=len(piece) + 1, column_names=self._names),
            csv.ParseOptions(delimiter=self._delimiter, quote_char=False, ignore_empty_lines=True),
            csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True),
        )
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _after_header(line: bytes, layout: Layout) -> int | None:
    """How long the header is, given the first line; None where it may be more than that."""
    text = line.removeprefix(codecs.BOM_UTF8)
    end = (layout.line_end or "").encode()
    if not text.endswith(end) or text.count(b"\r") != end.count(b"\r"):
        return None
    try:
        found, sound = records(text.decode(), layout.delimiter or "", layout.quote or "")
    except UnicodeDecodeError:
        return None
    return len(line) if sound and [len(record) for record in found] == [len(layout.names)] else None


def _of_size(held: bytearray, size: int) -> bytearray:
    """What is held, in about as much memory as is wanted: the same as far as it serves, since fresh memory costs time."""
    return held if size <= len(held) <= 2 * size else bytearray(size)


def _is_finite(numbers: pa.Array) -> bool:
    """Whether there is no infinity and no nan, which Arrow takes for numbers."""
    read = numbers.to_numpy(zero_copy_only=False)
    if numbers.null_count == 0:
        return bool(np.isfinite(read).all())
    return int(np.count_nonzero(np.isfinite(read))) == len(read) - numbers.null_count


def _parts(batch: pa.RecordBatch, most: int) -> Iterator[pa.RecordBatch]:
    """A batch in parts of about one size, at most `most` rows each."""
    parts = -(-batch.num_rows // most)
    for part in range(parts):
        start, end = part * batch.num_rows // parts, (part + 1) * batch.num_rows // parts
        yield batch.slice(start, end - start)
