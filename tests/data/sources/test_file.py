"""Files as sources, held to what is promised of every source; batches."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from penstock.bundle.specs import EncodedColumn
from penstock.data.source import Batch, Changed, Source, in_batches
from penstock.data.sources.file import FileSource
from penstock.errors import SourceError
from penstock.testing.source import SourceContract, rows_of

ROWS = [
    {"id": str(i), "wörd": None if i % 5 == 0 else f"w{i % 3}", "y": "ja\nnein" if i % 2 else '"x"'} for i in range(30)
]


def write(path: Path, rows: list[dict[str, str | None]]) -> Path:
    """The rows in the format that the name says."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=8)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        quoted = [
            [f'"{v.replace(chr(34), chr(34) * 2)}"' if v is not None else "" for v in row.values()] for row in rows
        ]
        text = "\n".join([",".join(rows[0]), *map(",".join, quoted)]) + "\n"
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


class TestFileSource(SourceContract):
    """One file, in each format."""

    @pytest.fixture(params=["t.csv", "t.csv.gz", "t.jsonl", "t.parquet"])
    def source(self, request: pytest.FixtureRequest, tmp_path: Path) -> Source:
        return FileSource(write(tmp_path / request.param, ROWS))

    @pytest.fixture
    def other(self, source: FileSource, tmp_path: Path) -> Source:
        return FileSource(write(tmp_path / f"other{source.path.suffix}", ROWS[1:]))

    def test_the_rows_are_those_of_the_file(self, source: Source) -> None:
        """Every value, with quotes and line ends within it."""
        assert rows_of(source.batches()) == [tuple(row.values()) for row in ROWS]


class TestChanged(SourceContract):
    """A source whose batches are changed on the way in."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        return Changed(FileSource(write(tmp_path / "t.csv", ROWS)), lambda b: b.select(["wörd", "y"]), ("wörd", "y"))

    @pytest.fixture
    def other(self, tmp_path: Path) -> Source:
        return Changed(
            FileSource(write(tmp_path / "o.csv", ROWS[2:])), lambda b: b.select(["wörd", "y"]), ("wörd", "y")
        )


def test_a_source_without_rows_says_so(tmp_path: Path) -> None:
    """With the way out where its one line is a row."""
    (tmp_path / "t.csv").write_text("a,b\n")
    with pytest.raises(SourceError, match="no rows") as caught:
        list(FileSource(tmp_path / "t.csv").batches())
    assert "--no-header" in caught.value.way_out


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """What was read belongs to no one state of it."""
    path = write(tmp_path / "t.csv", ROWS)
    batches = FileSource(path).batches(10)
    next(batches)
    write(path, ROWS[1:])
    with pytest.raises(SourceError, match="changed while it was read"):
        list(batches)


def test_batches_end_where_they_hold_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By their values, or by the bytes of their text."""
    from penstock.data import source as module

    path = write(tmp_path / "t.csv", ROWS)
    monkeypatch.setattr(module, "BATCH_CELLS", 30)
    assert [len(batch) for batch in FileSource(path).batches()] == [10, 10, 10]
    monkeypatch.setattr(module, "BATCH_BYTES", 1)
    assert [len(batch) for batch in FileSource(path).batches()] == [10, 10, 10]
    assert rows_of([Batch.join(list(FileSource(path).batches()))]) == [tuple(row.values()) for row in ROWS]


def test_taken_rows_keep_no_values_of_others() -> None:
    """So that a sample of rows is as small as it looks."""
    batch = Batch.of({"a": EncodedColumn.of(["x", "y", None, "z"]), "b": EncodedColumn.of(["1", "1", "1", "2"])})
    taken = batch.take(np.array([3, 2]))
    assert rows_of([taken]) == [("z", "2"), (None, "1")]
    assert taken.columns["a"].values == ["z"]


def test_joined_batches_have_their_values_in_order_of_appearance() -> None:
    """As if they had been read in one go."""
    parts = [Batch.of({"a": EncodedColumn.of(texts)}) for texts in (["b", "a"], ["c", None, "a"], ["b"])]
    joined = Batch.join(parts)
    assert joined.columns["a"].values == ["b", "a", "c"]
    assert joined.columns["a"].codes.tolist() == [0, 1, 2, -1, 1, 0]


def test_no_text_is_no_batch() -> None:
    """Nothing to yield."""
    assert list(in_batches([])) == []
