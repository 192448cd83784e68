"""Several files as one table: globs, folders that grow, folders in Hive's form."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.sources.conftest import table

from penstock.data.source import Source
from penstock.data.sources.declared import InTables
from penstock.data.sources.files import united
from penstock.data.sources.listing import partitions_of
from penstock.errors import DeclarationError, SourceError
from penstock.objects import duck
from penstock.testing.source import SourceContract, rows_of

if TYPE_CHECKING:
    from tests.data.sources.conftest import Place


class TestGlob(SourceContract):
    """Files of three forms behind one pattern."""

    @pytest.fixture
    def source(self, place: Place) -> Source:
        place.write("raw/a.csv", table(range(10)))
        place.write("raw/b.csv.gz", gzip.compress(table(range(10, 20)).encode()))
        place.write("raw/c.jsonl", "\n".join(json.dumps({"id": i, "name": None, "y": 1}) for i in range(20, 30)))
        return place.open("raw/*")

    @pytest.fixture
    def other(self, place: Place, source: Source) -> Source:
        place.write("else/a.csv", table(range(40)))
        return place.open("else/*.csv")

    def test_the_rows_are_those_of_all_files_in_the_order_of_their_names(self, source: Source) -> None:
        """Whatever form each is in."""
        assert [row[0] for row in rows_of(source.batches(4))] == [str(i) for i in range(30)]


class TestPartitions(SourceContract):
    """A Parquet data set as other tools write it."""

    @pytest.fixture
    def source(self, place: Place) -> Source:
        for year in (2023, 2024):
            folder = place.root / "set" / f"year={year}" / "town=S%C3%A3o Paulo"
            folder.mkdir(parents=True)
            rows = [{"x": i + 0.5, "y": None if i % 7 == 0 else "yes"} for i in range(15)]
            pq.write_table(pa.Table.from_pylist(rows), folder / "part-0.parquet", row_group_size=4)
        place.write("set/_SUCCESS", "")
        place.write("set/.part-0.parquet.crc", "no table")
        return place.open("set")

    @pytest.fixture
    def other(self, place: Place, source: Source) -> Source:
        place.write("o/year=1/a.csv", "x,y\n" + "1,2\n" * 25)
        return place.open("o")

    def test_folders_become_columns(self, source: Source) -> None:
        """Behind those of the files, with what URL escapes stand for."""
        assert source.names == ("x", "y", "year", "town")
        assert {row[2:] for row in rows_of(source.batches())} == {("2023", "São Paulo"), ("2024", "São Paulo")}


def test_a_partition_without_a_value_is_missing() -> None:
    """As Hive writes it."""
    assert partitions_of("day=__HIVE_DEFAULT_PARTITION__/x.parquet") == {"day": None}


def test_columns_are_matched_by_name_and_what_is_missing_is_told(place: Place) -> None:
    """Another order is no difference; a column that files lack is missing there."""
    place.write("a.csv", "x,y\n1,2\n")
    place.write("b.csv", "y,x\n4,3\n")
    place.write("c.csv", "z,x,y\n7,5,6\n")
    source = place.open("[abc].csv", file_column="file")
    assert source.names == ("x", "y", "z", "file")
    assert rows_of(source.batches()) == [
        ("1", "2", None, "a.csv"), ("3", "4", None, "b.csv"), ("5", "6", "7", "c.csv")
    ]  # fmt: skip
    assert source.warnings == ("column 'z' is in 1 of 3 files (not in a.csv): it is missing in the others",)
    assert source.contents.keys() == {"a.csv", "b.csv", "c.csv"}


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([("a.csv", ("Age", "y")), ("b.csv", ("age", "y"))], "'age' of b.csv is called 'Age' in a.csv"),
        ([("a.csv", ("age_years", "y")), ("b.csv", ("age years", "y"))], "is called 'age_years'"),
        ([("a.csv", ("x", "y")), ("b.csv", ("17", "3.5"))], "header = false"),
        ([("a.csv", ("x", "y")), ("b.csv", ("X", "Y"))], "write the names alike"),
    ],
)
def test_headers_that_do_not_fit_are_refused_by_name(headers: list[tuple[str, tuple[str, ...]]], words: str) -> None:
    """The file, what it has, what the others have, and the way out."""
    with pytest.raises(SourceError) as caught:
        united(headers)
    assert words in str(caught.value)
    assert "b.csv" in str(caught.value)


def test_a_folder_that_grows_has_another_digest_and_more_rows(place: Place) -> None:
    """Known files are not read again for it; a file that is renamed is another state."""
    place.write("in/1.csv", table(range(3)))
    source = place.open("in")
    first = source.digest()
    place.write("in/2.csv", table(range(3, 6)))
    grown = place.open("in")
    assert grown.digest() != first
    assert len(rows_of(grown.batches())) == 6
    (place.root / "in" / "2.csv").unlink()
    assert place.open("in").digest() == first


def test_files_in_the_folders_of_hidden_tools_are_no_rows(place: Place) -> None:
    """Nor are files that begin with a dot or an underscore."""
    place.write("in/1.csv", table(range(3)))
    place.write("in/.ipynb_checkpoints/1.csv", table(range(3)))
    place.write("in/_old.csv", table(range(3)))
    assert list(place.open("in").contents) == ["1.csv"]


def test_a_file_that_vanishes_while_the_folder_is_read_is_told(place: Place) -> None:
    """Not a traceback of the reader."""
    for i in range(3):
        place.write(f"in/{i}.csv", table(range(3)))
    batches = place.open("in").batches(1)
    next(batches)
    (place.root / "in" / "2.csv").unlink()
    with pytest.raises(SourceError, match=r"2\.csv cannot be read any more"):
        list(batches)


def test_a_file_that_comes_while_the_folder_is_read_is_told(place: Place) -> None:
    """The rows read would belong to no state of the folder."""
    place.write("in/1.csv", table(range(9)))
    batches = place.open("in").batches(1)
    next(batches)
    place.write("in/2.csv", table(range(3)))
    with pytest.raises(SourceError, match="came or went") as caught:
        list(batches)
    assert "2.csv" in caught.value.why


def test_a_half_written_parquet_file_is_named(place: Place) -> None:
    """Among good ones."""
    pq.write_table(pa.table({"x": list(range(1000)), "y": [1] * 1000}), place.root / "a.parquet")
    (place.root / "b.parquet").write_bytes((place.root / "a.parquet").read_bytes()[:-200])
    with pytest.raises(SourceError, match=r"b\.parquet is no Parquet file"):
        _ = place.open("*.parquet").names


def test_a_file_in_another_encoding_is_named_with_its_line(place: Place) -> None:
    """One of several; the others are fine."""
    place.write("a.csv", "x,y\nä,1\n")
    place.write("b.csv", "x,y\nä,1\n".encode("latin-1"))
    with pytest.raises(SourceError, match=r"b\.csv is not UTF-8: line 2") as caught:
        rows_of(place.open("*.csv").batches())
    assert "latin-1" in caught.value.way_out


def test_an_empty_glob_or_folder_says_where_it_looked(place: Place) -> None:
    """And what a folder holds instead of tables."""
    with pytest.raises(SourceError, match=r"\*\.csv names no file"):
        place.open("*.csv")
    place.write("notes/read.txt", "x")
    with pytest.raises(SourceError, match="names no file") as caught:
        place.open("notes")
    assert "read.txt" in str(caught.value)


def test_an_unknown_scheme_is_refused_with_those_that_are_known(place: Place) -> None:
    """Not taken for a path."""
    with pytest.raises(DeclarationError, match="'ftp' is unknown"):
        place.open("ftp://host/file.csv")


def test_a_name_with_brackets_is_a_file_where_there_is_one(place: Place) -> None:
    """What exists is never taken for a pattern."""
    place.write("a[1].csv", table(range(4)))
    assert len(rows_of(place.open("a[1].csv").batches())) == 4


def test_its_files_are_given_one_by_one_as_well(place: Place) -> None:
    """With what their folders say, for who reads them by themselves."""
    place.write("in/year=2024/a.csv", table(range(3)))
    place.write("in/year=2025/b.csv", table(range(3, 5)))
    source = place.open("in")
    assert isinstance(source, InTables)
    assert [(t.name, dict(t.constants)) for t in source.tables()] == [
        ("year=2024/a.csv", {"year": "2024"}), ("year=2025/b.csv", {"year": "2025"})
    ]  # fmt: skip
    with source.tables()[0].fetched() as path:
        assert path == place.root / "in" / "year=2024" / "a.csv"
    assert not isinstance(place.open("in/year=2024/a.csv"), InTables)


def test_many_files_are_read_by_one_database(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening one takes longer than reading a small file. Forms may differ, and each file is read as if it were alone."""
    opened = []
    usual = duck.quiet_connection
    monkeypatch.setattr(duck, "quiet_connection", lambda: opened.append(usual()) or opened[-1])
    rows = [{"a": str(i), "b": f"é{i % 3}", "t": f"2024-01-0{i % 9 + 1}"} for i in range(20)]
    names = []
    for i in range(6):
        part, form = rows[i * 3 : i * 3 + 3], ("csv", "jsonl", "parquet")[i % 3]
        path = place.write(f"d/{i}.{form}", "")
        names.append(f"d/{i}.{form}")
        if form == "csv":
            path.write_text("a,b,t\n" + "".join(",".join(row.values()) + "\n" for row in part), encoding="utf-8")
        elif form == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
        else:
            instants = pa.array([f"{row['t']}T00:00:00Z" for row in part]).cast(pa.timestamp("us", "Europe/Paris"))
            pq.write_table(pa.table({**{n: [row[n] for row in part] for n in "ab"}, "t": instants}), path)
    alone = [row for name in names for row in rows_of(place.open(name).batches())]
    opened.clear()
    together = rows_of(place.open("d").batches())
    assert len(opened) == 2  # one to look at the files, one to read them
    assert together == alone
    assert len(together) == 18
    for connection in opened:
        with pytest.raises(Exception, match="closed"):
            connection.execute("select 1")
