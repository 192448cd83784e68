"""What Arrow reads of a CSV is what DuckDB reads, row by row and bit by bit; what could be read in two ways is left to DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from penstock.bundle.kinds import Kind
from penstock.bundle.numbers import number_reader
from penstock.bundle.raw import Unreadable
from penstock.bundle.specs import ColumnSpec
from penstock.errors import SourceError
from penstock.objects import plain_csv, text_rows
from penstock.objects.duck import Database
from penstock.objects.tabular import Detected, ReadOptions, detect
from penstock.objects.text_rows import text_batches

PIECES = [
    "1",
    "2.5",
    "-",
    " ",
    "\t",
    "é",
    "b",
    '"',
    '""',
    "'",
    ",",
    ",",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\ufeff",
    "#",
    "\\",
]
FIELDS = st.sampled_from(["", "1", "-2.5e3", " 7 ", "x y", "é", "NA", "nan", "inf", "1e999", "0x1", "+3", "\ufeff4"])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes at a time, so that a small file has many pieces."""
    for name in ("LEAST_BYTES", "FIRST_BYTES", "MOST_BYTES"):
        monkeypatch.setattr(plain_csv, name, 24)


@pytest.fixture
def no_duck(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Iterator[pa.RecordBatch]:
        raise AssertionError("DuckDB was asked")

    monkeypatch.setattr(text_rows, "duck_batches", refuse)


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database() as opened:
        yield opened


def read(
    path: Path, detected: Detected, threads: int, database: Database, numbers: tuple[str, ...] = ()
) -> list[list[object]]:
    """The rows; behind them the complaint of the reader, where it has one."""
    rows: list[list[object]] = []
    try:
        for batch in text_batches(path, detected, 7, numbers, database, threads=threads):
            assert batch.num_rows <= 7 or threads != 1
            rows += [list(row.values()) for row in batch.to_pylist()]
    except SourceError as error:
        return [[f"{error}"]]
    return rows


@pytest.mark.usefixtures("small")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.sampled_from(["a,b\n", '"a","b"\n', "\ufeffa,b\n", "a,b\r\n"]),
)
@example("1,2\n\n3,4\n\n", "a,b\n")
@example("1,2\n" * 9 + "3,4,\n5,6\n", "a,b\n")
@example("1,2\n" * 9 + '"3\n4",5\n', "a,b\n")
@example("1,2\n" * 9 + "\ufeff3,4\n", "a,b\n")
@example("1,2\r\n" * 9 + "3,\n4\r\n", "a,b\r\n")
@example("1,2\r\n" * 9 + "3,4", "a,b\r\n")
@example("1,2\n" * 9 + "3\n", "a,b\n")
@example("1," + "x" * 60 + "\n3,4\n", "a,b\n")
def test_rows_and_complaints_are_those_of_duckdb(tmp_path: Path, database: Database, body: str, header: str) -> None:
    """Whatever is written in the file."""
    path = tmp_path / "rows.csv"
    path.write_bytes((header + body).encode())
    try:
        detected = detect(path, ReadOptions(delimiter=","))
    except SourceError:
        return  # it is refused before anybody reads it
    assert read(path, detected, 1, database) == read(path, detected, 2, database)


@pytest.mark.usefixtures("small")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=20))
def test_numbers_are_those_of_the_decoder(tmp_path: Path, database: Database, rows: list[tuple[str, str]]) -> None:
    """To the last bit; a value that the decoder has to look at comes as text, with all that follow in its column."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n" + b"".join(f"{a},{b}\n".encode() for a, b in rows))
    look = number_reader(ColumnSpec("a", Kind.NUMERIC))
    for got, texts in zip(
        read(path, detect(path, ReadOptions(delimiter=",")), 1, database, ("a", "b")), rows, strict=True
    ):
        for value, text in zip(got, texts, strict=True):
            if isinstance(value, str):
                assert value == text
            else:
                decoded = look(text)  # raises where it is no number
                assert (value is None) == (decoded is None)
                assert value is None or np.float64(value).tobytes() == np.float64(decoded).tobytes()


@pytest.mark.usefixtures("small", "no_duck")
def test_a_column_is_text_from_the_first_value_on_that_is_no_number(tmp_path: Path) -> None:
    """And the others stay numbers."""
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2\n" * 20 + "NA,2\n" + "1,2\n" * 20 + "1,nan\n1,2\n")
    batches = list(text_batches(path, detect(path), 7, ("a", "b"), threads=1))
    assert [f"{batches[0].schema.field(i).type}" for i in (0, 1)] == ["double", "double"]
    types = [(f"{batch.schema.field(0).type}", f"{batch.schema.field(1).type}") for batch in batches]
    assert list(dict.fromkeys(types)) == [("double", "double"), ("string", "double"), ("string", "string")]
    with pytest.raises(Unreadable):
        number_reader(ColumnSpec("a", Kind.NUMERIC))("nan")


@pytest.mark.usefixtures("no_duck")
@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n3,\n", '"a, or c","b"\n1,2\n', "\ufeffa,b\n1,2\n", "a,b\r\n1,2\r\n\r\n3,4", "a,b\n", "a;b\n1;é\n"],
    ids=["plain", "quoted-names", "mark", "windows", "no-rows", "semicolon"],
)
def test_plain_files_are_read_by_arrow_alone(tmp_path: Path, text: str) -> None:
    """Else the faster way would be there for nobody."""
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    rows = [row for batch in text_batches(path, detect(path), threads=1) for row in batch.to_pylist()]
    assert len(rows) == len(text.split()) - 1 - (text.count('"') > 0) * 2


@pytest.mark.usefixtures("small")
def test_duckdb_reads_on_from_the_first_quote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is lost or given twice."""
    path = tmp_path / "rows.csv"
    path.write_text(
        "a,b\n" + "".join(f"{i},x\n" for i in range(50)) + '50,"x\ny"\n' + "".join(f"{i},x\n" for i in range(51, 90))
    )
    found, asked = text_rows.duck_batches, []

    def noted(*given: object, **named: object) -> Iterator[pa.RecordBatch]:
        asked.append(given)
        return found(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(text_rows, "duck_batches", noted)
    rows = [row for batch in text_batches(path, detect(path), 7, ("a",), threads=1) for row in batch.to_pylist()]
    assert [int(row["a"]) for row in rows] == list(range(90))
    assert rows[50]["b"] == "x\ny"
    assert len(asked) == 1


@pytest.mark.parametrize("options", [ReadOptions(header=False), ReadOptions(header=False, quote="none")])
def test_a_file_without_names_gives_its_first_line(tmp_path: Path, options: ReadOptions) -> None:
    """Also where a mark of the encoding stands in front of it."""
    for mark in ("", "\ufeff"):
        path = tmp_path / "rows.csv"
        path.write_text(f"{mark}1,2\n3,4\n")
        detected = detect(path, options)
        rows = [list(row.values()) for batch in text_batches(path, detected, threads=1) for row in batch.to_pylist()]
        assert rows == [["1", "2"], ["3", "4"]]


def test_batches_of_lines_of_about_one_length_are_full(tmp_path: Path) -> None:
    """A piece of one row more than wanted would be two halves: the graph answers them one after the other."""
    path = tmp_path / "table.csv"
    numbers = np.random.default_rng(0).normal(size=(60_000, 4))
    np.savetxt(path, numbers, delimiter=",", header="a,b,c,d", comments="", fmt="%.17g")
    _, _, *usual, _ = (batch.num_rows for batch in text_batches(path, detect(path, ReadOptions()), 8_192, threads=1))
    assert min(usual) > 7_500
