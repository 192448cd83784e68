"""Files as inputs: constants of their folders, changes that are seen, numbers that come as such."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import SourceError
from penstock.serving.batch.inputs import FileInput, rows_at_once


def test_columns_of_folders_stand_behind_those_of_the_file(tmp_path: Path) -> None:
    """The file's own value wins; a folder without one gives nothing."""
    path = tmp_path / "a.csv"
    path.write_text("age,year\n41,2020\n42,\n")
    given = FileInput(path, constants={"year": "2024", "town": None})
    assert given.names == ("age", "year", "town")
    (batch,) = given.batches()
    assert batch.to_pylist() == [
        {"age": "41", "year": "2020", "town": None}, {"age": "42", "year": None, "town": None}
    ]  # fmt: skip


def test_a_change_after_the_digest_is_seen(tmp_path: Path) -> None:
    """Whatever it was."""
    path = tmp_path / "a.csv"
    path.write_text("age\n41\n")
    given = FileInput(path)
    first = given.digest()
    given.refuse_change()
    path.write_text("age\n42\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        given.refuse_change()
    assert FileInput(path).digest() != first


def test_numbers_of_parquet_come_as_such_where_they_are_asked_for(tmp_path: Path) -> None:
    """As text otherwise; other types always."""
    path = tmp_path / "a.parquet"
    table = pa.table({"whole": [1, None], "half": [0.5, float("nan")], "text": ["1", "2"], "truth": [True, None]})
    pq.write_table(table, path)
    given = FileInput(path)
    (plain,) = given.batches()
    assert plain.to_pylist() == [
        {"whole": "1", "half": "0.5", "text": "1", "truth": "true"},
        {"whole": None, "half": None, "text": "2", "truth": None},
    ]
    (batch,) = given.batches({"whole", "half", "text", "truth"})
    assert [str(kind) for kind in batch.schema.types] == ["double", "double", "string", "string"]
    assert batch.column("whole").to_pylist() == [1.0, None]


@pytest.mark.parametrize(("columns", "rows"), [(1, 8192), (0, 8192), (1000, 2000), (3_000_000, 1)])
def test_wide_tables_are_read_in_fewer_rows(columns: int, rows: int) -> None:
    """At least one."""
    assert rows_at_once(columns) == rows
