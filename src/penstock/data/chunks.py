"""Typed rows as Parquet and back. Columns are stored by position, so that no name gets in the way."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.decoder import ColumnSpec, Frame, Kind
from penstock.errors import DamagedStore

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 65_536
CHUNK_BYTES = 64 * 1024 * 1024
SEALED_BYTES = 16 * 1024 * 1024
"""What is put together of rows stays under both: of a chunk, and of a chunk of an envelope, as several of these are filled at a
time. Counted are eight bytes a value, and those of its text."""
SMALL_ROWS = CHUNK_ROWS // 4
"""Chunks with fewer rows than these are packed, where a version has a parent."""
_TARGET = "y"
_PACKED = b"\x28\xb5\x2f\xfd"  # how a frame of Zstandard begins
_PACKED_LEVEL = 9


def split_rows(frame: Frame, y: np.ndarray) -> Iterator[tuple[Frame, np.ndarray]]:
    """The rows in chunks of `CHUNK_ROWS`."""
    for start in range(0, frame.n_rows, CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        yield frame.take(rows), y[rows]


def to_table(frame: Frame, y: np.ndarray, specs: Sequence[ColumnSpec]) -> pa.Table:
    """Rows as an Arrow table: the columns of `specs` in their order, then the target."""
    return table_of([typed_values(frame.columns[spec.name], spec.kind) for spec in specs], y)


def table_of(arrays: Sequence[pa.Array], y: np.ndarray) -> pa.Table:
    """As `to_table`, of columns as `typed_values` makes them."""
    import pyarrow as pa

    names = [f"c{i}" for i in range(len(arrays))]
    return pa.table([*arrays, pa.array(y)], names=[*names, _TARGET])


def typed_values(values: np.ndarray, kind: Kind) -> pa.Array:
    """Decoded values of a kind as they are stored."""
    import pyarrow as pa

    return pa.array(values, type=_type(kind))


def table_bytes(table: pa.Table) -> bytes:
    """A chunk as Parquet. Equal rows give equal bytes, whatever they were put together from."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table.combine_chunks(), buffer, compression="zstd", compression_level=1, store_schema=False)
    return buffer.getvalue()


def packed(data: bytes) -> bytes:
    """A chunk made smaller once more: of few rows, what Parquet says of each column (some 200 bytes) is more than the rows are."""
    import pyarrow as pa

    return bytes(pa.Codec("zstd", compression_level=_PACKED_LEVEL).compress(data, asbytes=True))


def bytes_table(data: bytes) -> pa.Table:
    """The table of `table_bytes`, packed or not."""
    import pyarrow.parquet as pq

    return pq.read_table(_opened(data), use_threads=False)


def to_bytes(frame: Frame, y: np.ndarray, specs: Sequence[ColumnSpec]) -> bytes:
    """As `table_bytes`."""
    return table_bytes(to_table(frame, y, specs))


def from_bytes(data: bytes, specs: Sequence[ColumnSpec]) -> tuple[Frame, np.ndarray]:
    """The rows of `to_bytes`, packed or not.

    Raises
    ------
    DamagedStore : the chunk does not have the columns that the decoder declares.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    strings = [f"c{i}" for i, spec in enumerate(specs) if _type(spec.kind) == pa.string()]
    table = pq.read_table(_opened(data), read_dictionary=strings, use_threads=False)
    if table.num_columns != len(specs) + 1:
        raise DamagedStore(
            f"a chunk of rows has {table.num_columns - 1} columns, the decoder declares {len(specs)}",
            why="the chunk and the manifest that names it do not belong together",
            way_out="restore the object store from a copy, or ingest the source again",
        )
    columns = {spec.name: _decoded(table.column(f"c{i}"), spec) for i, spec in enumerate(specs)}
    y = table.column(_TARGET).to_numpy()
    return Frame(columns, {spec.name: spec.kind for spec in specs}, table.num_rows), y


def columns_of(data: bytes, specs: Mapping[int, ColumnSpec]) -> dict[str, np.ndarray]:
    """Some columns, by position, of the rows of `to_bytes`; nothing else is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"c{i}" for i in specs]
    strings = [f"c{i}" for i, spec in specs.items() if _type(spec.kind) == pa.string()]
    table = pq.read_table(_opened(data), columns=names, read_dictionary=strings, use_threads=False)
    return {spec.name: _decoded(table.column(f"c{i}"), spec) for i, spec in specs.items()}


def _decoded(column: pa.ChunkedArray, spec: ColumnSpec) -> np.ndarray:
    """The values of a stored column as a frame has them, shape (n,)."""
    import pyarrow as pa

    array = column.combine_chunks()
    if pa.types.is_dictionary(array.type):
        values = np.array([*array.dictionary.to_pylist(), None], dtype=object)
        texts: np.ndarray = values[array.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        return texts
    if spec.kind in (Kind.NUMERIC, Kind.DATETIME):
        numbers: np.ndarray = array.to_numpy(zero_copy_only=False)
        return numbers
    return np.array(array.to_pylist(), dtype=object)


def target_of(data: bytes) -> np.ndarray:
    """The target of the rows of `to_bytes`; nothing else is read."""
    import pyarrow.parquet as pq

    values: np.ndarray = pq.read_table(_opened(data), columns=[_TARGET], use_threads=False).column(_TARGET).to_numpy()
    return values


def distinct_texts(data: bytes, columns: Sequence[int]) -> list[set[str | None]]:
    """The distinct values of some columns of text, by position, of the rows of `to_bytes`; nothing else is read."""
    import pyarrow.parquet as pq

    names = [f"c{i}" for i in columns]
    table = pq.read_table(_opened(data), columns=names, read_dictionary=names, use_threads=False)
    return [set(table.column(name).unique().to_pylist()) for name in names]


def empty(specs: Sequence[ColumnSpec], *, classification: bool) -> tuple[Frame, np.ndarray]:
    """No rows, in the right types."""
    types: dict[Kind, type] = {Kind.NUMERIC: np.float64, Kind.DATETIME: np.int64}
    columns: dict[str, np.ndarray] = {spec.name: np.empty(0, dtype=types.get(spec.kind, object)) for spec in specs}
    y = np.empty(0, dtype=np.int64 if classification else np.float64)
    return Frame(columns, {spec.name: spec.kind for spec in specs}, 0), y


def _opened(data: bytes) -> Any:
    import pyarrow as pa

    reader = pa.BufferReader(data)
    return pa.BufferReader(pa.CompressedInputStream(reader, "zstd").read()) if data.startswith(_PACKED) else reader


def _type(kind: Kind) -> object:
    import pyarrow as pa

    return {Kind.NUMERIC: pa.float64(), Kind.DATETIME: pa.int64()}.get(kind, pa.string())
