"""Parquet page by page: the texts are those that DuckDB gives of the file, in memory that row groups do not decide."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import SourceError
from penstock.objects import duck, parquet
from penstock.objects.text_rows import read_text

UTC = dt.UTC
PLAIN = {
    "text": pa.array(["a", None, "", "汉字 🙂 مرحبا", 'x"y\nz', "NULL"]),
    "bool": pa.array([True, None, False, True, True, False]),
    "int64": pa.array([2**53 + 1, None, -(2**63), 2**63 - 1, 0, 7]),
    "uint64": pa.array([2**64 - 1, None, 0, 1, 2, 3], pa.uint64()),
    "int8": pa.array([-128, None, 127, 0, 1, 2], pa.int8()),
    "double": pa.array([0.1, None, float("nan"), float("inf"), -0.0, 1e300]),
    "single": pa.array([0.1, None, float("nan"), float("-inf"), 1.0, 1e-30], pa.float32()),
    "date": pa.array([dt.date(2026, 1, 2), None, dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1970, 1, 1), None]),
    "instant": pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 678), None] * 3, pa.timestamp("us")),
    "zoned": pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None] * 3, pa.timestamp("us", "UTC")),
}
OTHER = {
    "decimal": pa.array([Decimal("1.50"), None] * 3, pa.decimal128(10, 2)),
    "nanoseconds": pa.array([1, None] * 3, pa.timestamp("ns")),
    "category": pa.array(["a", None] * 3).dictionary_encode(),
    "list": pa.array([[1, 2], None] * 3),
    "time": pa.array([dt.time(1, 2, 3), None] * 3, pa.time64("us")),
    "duration": pa.array([dt.timedelta(seconds=5), None] * 3, pa.duration("us")),
    "berlin": pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None] * 3, pa.timestamp("us", "Europe/Berlin")),
}


@pytest.mark.parametrize("name", [*PLAIN, *OTHER])
def test_the_texts_are_those_of_duckdb(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({name: {**PLAIN, **OTHER}[name], "y": list("ababab")}), path)
    assert parquet.is_plain(parquet.open_pages(path).schema_arrow) == (name in PLAIN)
    ours = read_text(path)
    monkeypatch.setattr(parquet, "is_plain", lambda schema: False)
    assert ours.equals(read_text(path))
    assert ours.column(name).null_count >= 1


def test_rows_come_in_order_whatever_the_row_groups_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that differ in capitals only, and quotes in them, are no matter."""
    path = tmp_path / "t.parquet"
    numbers = np.arange(5000)
    pq.write_table(pa.table({"a": numbers, "A": numbers, 'q"': numbers}), path, row_group_size=777)
    monkeypatch.setattr(parquet, "PIECE_BYTES", 3000)
    assert 1 < parquet.piece_rows(pq.ParquetFile(path).metadata) < 777
    table = read_text(path)
    assert table.schema.names == ["a", "A", 'q"']
    assert [table.column(i).to_pylist() for i in range(3)] == [list(map(str, numbers.tolist()))] * 3


def test_a_text_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], dtype=np.int32)), pa.py_buffer(b"a\xff"))
    pq.write_table(pa.table({"a": broken}), path)
    with pytest.raises(SourceError):
        read_text(path)


def test_a_file_without_rows_has_none(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), path)
    assert len(list(duck.parquet_batches(path, 10))) == 0


class _Layout:
    format = "parquet"
