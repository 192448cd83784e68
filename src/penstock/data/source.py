"""What a data set is read from: a table that gives its rows as text, in batches, as often as it is asked.

Reading, dealing and decoding know nothing else of a source, so that a file, a folder of files, a query or a join are all
read in the same bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from penstock.bundle.specs import EncodedColumn
from penstock.data.texts import Texts

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_CELLS = 4_000_000
BATCH_BYTES = 32 * 1024 * 1024
"""A batch holds as many rows as stay under both: values (rows x columns), and bytes of their text."""


class Source(Protocol):
    """A table that can be read from its beginning as often as needed.

    It holds no rows itself: what `batches` yields is dropped by the reader before the next batch is asked for, and nothing
    of it is written to the disk by the source (rows that will be sealed are among them). Every source passes the tests of
    `penstock.testing.source.SourceContract`.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in their order: unique, not empty, in Unicode's form NFC, without white space at their ends.

        Known without reading the rows. Raises SourceError where the source is missing or malformed.
        """
        ...

    @property
    def why(self) -> tuple[str, ...]:
        """What was guessed of the source's form and from what: sentences for people."""
        ...

    @property
    def options(self) -> dict[str, Any]:
        """JSON: all that decides, beside the content, which rows come of it (how a file is read, the query, the keys of a
        join). It goes into the version's identity: no path, no host, no password; and the same as long as it means the same.
        """
        ...

    @property
    def origin(self) -> dict[str, Any]:
        """JSON: where the rows come from, for people and for the record (``{"path": "data/raw/bank.csv"}``); no secrets.

        It does not go into the version's identity: a moved file is the same source.
        """
        ...

    def digest(self) -> str:
        """Digest of the content as it is now, ``sha256:...``; looked at anew in each call.

        As long as it and `options` are the same, `batches` yields the same rows in the same order.
        """
        ...

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        """All rows, from the first, in the order of the source; each call begins anew, also while another one is under way.

        Every batch has the columns `names` and at least one row. `rows`: at most so many in a batch; None: as many as stay
        under `BATCH_CELLS` and `BATCH_BYTES`. What is made of the rows does not depend on where batches end.

        Raises
        ------
        SourceError : there is no row at all, a row is malformed (the message says where), or the content changed since
            this reading began, where that can be seen.
        """
        ...


@runtime_checkable
class OfFiles(Protocol):
    """A source that knows which of its rows is whose: what is said of a row can name the file that somebody has to put right."""

    def file_of_row(self, row: int) -> tuple[str, int] | None:
        """The file of a row (from 0 on) of the last reading, and its number in that file, from 0 on; None where that is not known."""
        ...


@runtime_checkable
class Growing(Protocol):
    """A source of several files, some of which can be read by themselves."""

    @property
    def contents(self) -> Mapping[str, str]:
        """Name of each file -> its digest, in the order in which they are read."""
        ...

    def part(self, names: frozenset[str]) -> Source:
        """The rows of these files, with the columns of all."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source, every column as dictionary-encoded text.

    Attributes
    ----------
    table : Arrow record batch of ``dictionary<int32, string>`` columns; null where the source holds nothing.

    >>> batch = Batch.of({"age": EncodedColumn.of(["41", None, "41"])})
    >>> len(batch), batch.names, batch.columns["age"].values, batch.columns["age"].codes.tolist()
    (3, ('age',), ['41'], [0, -1, 0])
    """

    table: pa.RecordBatch

    @classmethod
    def of(cls, columns: Mapping[str, EncodedColumn]) -> Batch:
        """Encoded columns of one length, at least one."""
        import pyarrow as pa

        arrays = [_arrow(column) for column in columns.values()]
        return cls(pa.RecordBatch.from_arrays(arrays, names=list(columns)))

    @classmethod
    def encode(cls, texts: pa.RecordBatch | pa.Table) -> Batch:
        """Columns of plain text."""
        import pyarrow as pa

        return cls(pa.RecordBatch.from_arrays(list(map(_encode, texts.columns)), names=texts.schema.names))

    @classmethod
    def join(cls, batches: Sequence[Batch]) -> Batch:
        """The rows of batches of one source (at least one), one below the other; distinct values in order of appearance."""
        import pyarrow as pa

        return _whole(pa.Table.from_batches([batch.table for batch in batches]))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.table.schema.names)

    @property
    def columns(self) -> Mapping[str, EncodedColumn]:
        """Name -> values and codes. A column is unpacked each time it is asked for, and kept by nobody."""
        return _Columns(self.table)

    def take(self, rows: np.ndarray) -> Batch:
        """These rows (positions, int64), with the distinct values that they have."""
        import pyarrow as pa

        arrays = []
        for column in self.table.columns:
            indices, dictionary = column.indices.take(pa.array(rows)), column.dictionary
            if len(rows) < len(dictionary):
                used = indices.dictionary_encode()
                indices, dictionary = used.indices, dictionary.take(used.dictionary)
            arrays.append(pa.DictionaryArray.from_arrays(indices, dictionary))
        return Batch(pa.RecordBatch.from_arrays(arrays, names=self.table.schema.names))

    def select(self, names: Sequence[str]) -> Batch:
        """These columns, in this order."""
        return Batch(self.table.select(list(names)))


class _Columns(Mapping[str, EncodedColumn]):
    def __init__(self, table: pa.RecordBatch) -> None:
        self._table = table
        self._places = {name: i for i, name in enumerate(table.schema.names)}

    def __getitem__(self, name: str) -> EncodedColumn:
        return encoded(self._table.column(self._places[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True)
class Changed:
    """A source whose batches are changed as they are read, before anything looks at them.

    Attributes
    ----------
    change : called with each batch; gives as many rows, the same for the same rows wherever a batch ends.
    names : the columns that it leaves.
    """

    source: Source
    change: Callable[[Batch], Batch]
    names: tuple[str, ...]

    @property
    def why(self) -> tuple[str, ...]:
        return self.source.why

    @property
    def options(self) -> dict[str, Any]:
        return self.source.options

    @property
    def origin(self) -> dict[str, Any]:
        return self.source.origin

    def digest(self) -> str:
        return self.source.digest()

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        return map(self.change, self.source.batches(rows))


def joined_columns(source: Source) -> frozenset[str]:
    """Columns of other sources that were joined to the rows. They are no part of what makes a row the row that it is: another
    value in the other source moves no row."""
    within = getattr(source, "source", None) or getattr(source, "train", None)
    return frozenset(getattr(source, "joined", ())) | (frozenset() if within is None else joined_columns(within))


def in_batches(texts: Iterable[pa.RecordBatch], rows: int | None = None) -> Iterator[Batch]:
    """Record batches of text, of whatever size they come in, as the batches of `Source.batches`."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    held = size = 0
    limit: int | None = rows
    for text in texts:
        if limit is None:
            limit = max(1, BATCH_CELLS // max(1, text.num_columns))
        start = 0
        while start < text.num_rows:
            part = text.slice(start, limit - held)
            start += part.num_rows
            waiting.append(part)
            held += part.num_rows
            size += part.nbytes
            if held == limit or (rows is None and size >= BATCH_BYTES):
                yield Batch.encode(pa.Table.from_batches(waiting))
                waiting, held, size = [], 0, 0
    if waiting:
        yield Batch.encode(pa.Table.from_batches(waiting))


def _encode(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Plain text, in whatever chunks, as values and codes."""
    import pyarrow as pa

    found = column.dictionary_encode()
    if isinstance(found, pa.Array):
        return found
    chunks = found.chunks
    if chunks and all(chunk.dictionary.equals(chunks[0].dictionary) for chunk in chunks[1:]):
        # As Arrow does it: the chunks share one. To unify them would hash the whole of it once for each chunk.
        return pa.DictionaryArray.from_arrays(pa.concat_arrays([c.indices for c in chunks]), chunks[0].dictionary)
    return found.unify_dictionaries().combine_chunks()


def _whole(table: pa.Table) -> Batch:
    """A table of dictionary-encoded columns, in whatever chunks, as one batch."""
    import pyarrow as pa

    one = table.unify_dictionaries().combine_chunks()
    return Batch(pa.RecordBatch.from_arrays([column.chunk(0) for column in one.columns], names=table.schema.names))


def encoded(column: pa.DictionaryArray) -> EncodedColumn:
    """A dictionary-encoded Arrow column as values and codes, -1 where null."""
    indices = column.indices if column.null_count == 0 else column.indices.fill_null(-1)
    codes = indices.to_numpy(zero_copy_only=False)
    return EncodedColumn(Texts(column.dictionary), codes.astype(np.int32, copy=False))


def _arrow(column: EncodedColumn) -> pa.DictionaryArray:
    import pyarrow as pa

    codes = np.asarray(column.codes, dtype=np.int32)
    values = (
        column.values.array if isinstance(column.values, Texts) else pa.array(list(column.values), type=pa.string())
    )
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), values)
