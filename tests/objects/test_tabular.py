"""Tables in files: every dialect reads the same, and what cannot be read says why and the way out."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import BadParameter, SourceError
from penstock.objects.tabular import ReadOptions, detect
from penstock.objects.text_rows import open_text_batches, read_text


def write(tmp_path: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(path: Path, **options: object) -> dict[str, list[str | None]]:
    return read_text(path, ReadOptions(**options)).to_pydict()  # type: ignore[arg-type]


EXPECTED = {"age": ["41", None], "job type": ["admin.", "blue, collar"], "emp.var": ["1.5", "-2"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'age,job type,emp.var\n41,admin.,1.5\n,"blue, collar",-2\n'),
        ("bom.csv", '\ufeffage,job type,emp.var\n41,admin.,1.5\n,"blue, collar",-2\n'),
        ("quoted_bom.csv", '\ufeff"age","job type","emp.var"\n"41","admin.","1.5"\n"","blue, collar","-2"\n'),
        ("crlf.csv", 'age,job type,emp.var\r\n41,admin.,1.5\r\n,"blue, collar",-2\r\n'),
        ("mac.csv", 'age,job type,emp.var\r41,admin.,1.5\r,"blue, collar",-2\r'),
        ("no_last_newline.csv", 'age,job type,emp.var\n41,admin.,1.5\n,"blue, collar",-2'),
        ("spaces_around_names.csv", ' age ,job type, emp.var\n41,admin.,1.5\n,"blue, collar",-2\n'),
        ("mixed_line_ends.csv", 'age,job type,emp.var\n41,admin.,1.5\r\n,"blue, collar",-2\r'),
        ("semicolon.csv", "age;job type;emp.var\n41;admin.;1.5\n;blue, collar;-2\n"),
        ("a.tsv", "age\tjob type\temp.var\n41\tadmin.\t1.5\n\tblue, collar\t-2\n"),
        ("pipe.txt", "age|job type|emp.var\n41|admin.|1.5\n|blue, collar|-2\n"),
        ("blank_lines.csv", '\n\nage,job type,emp.var\n41,admin.,1.5\n\n,"blue, collar",-2\n\n\n'),
        ("a.jsonl", '{"age":41,"job type":"admin.","emp.var":1.5}\n{"job type":"blue, collar","emp.var":-2}\n'),
        (
            "a.json",
            '[{"age":41,"job type":"admin.","emp.var":1.5},\n{"age":null,"job type":"blue, collar","emp.var":-2}]',
        ),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_every_dialect_reads_to_the_same_table(tmp_path: Path, name: str, content: str, zipped: bool) -> None:
    """Byte order mark, line ends, delimiters, JSON and gzip make no difference to names and values."""
    body = content.encode()
    path = write(tmp_path, gzip.compress(body) if zipped else body, name + (".gz" if zipped else ""))
    assert rows(path) == EXPECTED


def test_parquet_is_read_as_text_with_nan_as_nothing(tmp_path: Path) -> None:
    """Whole numbers stay whole, floats take their shortest form, instants carry their zone."""
    import datetime as dt

    at = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)
    table = pa.table({"i": [1, None], "x": [0.1, float("nan")], "s": ["é", ""], "b": [True, None], "at": [at, None]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert rows(tmp_path / "t.parquet") == {
        "i": ["1", None],
        "x": ["0.1", None],
        "s": ["é", ""],
        "b": ["true", None],
        "at": ["2026-11-20 10:00:00+00", None],
    }


def test_names_are_kept_but_for_white_space_and_unicode_form(tmp_path: Path) -> None:
    """Dots and inner spaces stay; a decomposed letter becomes the composed one; case tells names apart."""
    assert list(rows(write(tmp_path, "emp.var rate,cafe\u0301,a,A\n1,2,3,4\n"))) == [
        "emp.var rate",
        "caf\u00e9",
        "a",
        "A",
    ]


def test_an_unnamed_first_column_that_counts_is_the_index(tmp_path: Path) -> None:
    """As pandas writes it."""
    assert list(rows(write(tmp_path, ",x\n0,a\n1,b\n2,c\n"))) == ["index", "x"]


def test_any_other_unnamed_column_is_named_by_its_place(tmp_path: Path) -> None:
    """So that it can be spoken of."""
    assert list(rows(write(tmp_path, ",x,\n7,a,1\n3,b,1\n"))) == ["column_1", "x", "column_3"]


def test_without_a_header_columns_are_numbered_or_named_by_the_user(tmp_path: Path) -> None:
    """`--no-header` and `--columns`."""
    path = write(tmp_path, "1,a\n2,b\n")
    assert rows(path, header=False) == {"c1": ["1", "2"], "c2": ["a", "b"]}
    assert rows(path, header=False, columns=("n", "letter")) == {"n": ["1", "2"], "letter": ["a", "b"]}


def test_unbalanced_quotes_read_as_letters(tmp_path: Path) -> None:
    """Found from the first lines, and settable."""
    path = write(tmp_path, 'ham\t"Hello you\nspam\tsay 5" or more\nham\tok\n', "sms.tsv")
    expected = {"c1": ["ham", "spam", "ham"], "c2": ['"Hello you', 'say 5" or more', "ok"]}
    assert rows(path, header=False) == expected
    assert rows(path, header=False, quote="none") == expected


def test_quoted_values_hold_line_ends_quotes_and_delimiters(tmp_path: Path) -> None:
    """Two quotes inside a quoted value are one."""
    path = write(tmp_path, 'a,b\n"x\ny","say ""hi"", now"\n1,2\n')
    assert rows(path) == {"a": ["x\ny", "1"], "b": ['say "hi", now', "2"]}


def test_one_column_of_text_is_not_split_at_its_commas(tmp_path: Path) -> None:
    """There is no delimiter in the header, so there is none."""
    assert rows(write(tmp_path, "text\nhello, you\nno comma\n")) == {"text": ["hello, you", "no comma"]}


def test_two_thousand_columns_read(tmp_path: Path) -> None:
    """Wide tables are everyday sizes."""
    names = [f"feature {i}" for i in range(2000)]
    path = write(tmp_path, ",".join(names) + "\n" + (",".join(["1"] * 2000) + "\n") * 20)
    table = read_text(path)
    assert table.column_names == names
    assert table.num_rows == 20


def test_batches_keep_order_and_bound_their_rows(tmp_path: Path) -> None:
    """The streamed rows are those of the whole table."""
    path = write(tmp_path, "n\n" + "\n".join(map(str, range(10_000))))
    batches = list(open_text_batches(path, ReadOptions(), batch_rows=3000))
    assert max(batch.num_rows for batch in batches) <= 4096
    assert [v for batch in batches for v in batch.column(0).to_pylist()] == list(map(str, range(10_000)))


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    """Whether that will do is for the caller to say."""
    table = read_text(write(tmp_path, "a,b\n"))
    assert (table.num_rows, table.column_names) == (0, ["a", "b"])


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("latin-1", b"name\ncaf\xe9 \x9f\n"), ("cp1252", b"name\n\x80 5 \x93x\x94\n"), ("utf-16", None)],
)
def test_other_encodings_read_when_named(tmp_path: Path, encoding: str, body: bytes | None) -> None:
    """Latin-1, the Windows code page and UTF-16."""
    body = "name\ncafé\n".encode("utf-16") if body is None else body
    assert rows(write(tmp_path, body), encoding=encoding) == {"name": [body.decode(encoding).split("\n")[1]]}


@pytest.mark.parametrize("zipped", [False, True])
def test_a_named_encoding_changes_nothing_else(tmp_path: Path, zipped: bool) -> None:
    """Quotes, line ends, nothing, a header: as in UTF-8."""
    body = b'\na,"b c"\r\n"x\ny","say ""hi"", now"\r\n,""\r\n\r\n1,2\r\n'
    path = write(tmp_path, gzip.compress(body) if zipped else body)
    assert (
        rows(path, encoding="latin-1") == rows(path) == {"a": ["x\ny", None, "1"], "b c": ['say "hi", now', None, "2"]}
    )
    with pytest.raises(SourceError, match="record 3 has 3 values where 2"):
        rows(write(tmp_path, "a,b\n1,2\n3,4,5\n"), encoding="latin-1")


def test_what_was_detected_is_told_and_reads_the_same_again(tmp_path: Path) -> None:
    """Nothing is guessed silently, and the guess can be pinned."""
    path = write(tmp_path, "a;b\n1,5;x\n")
    found = detect(path)
    assert found.why == ("delimiter ';': every line has 2 fields",)
    assert found.options == ReadOptions("csv", ";", '"', True, None, "utf-8")
    assert read_text(path, found.options) == read_text(path)


def test_options_survive_json() -> None:
    """They are part of a data-set version's digest."""
    options = ReadOptions("csv", ";", "none", False, ("a", "b"), "latin-1")
    assert ReadOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


@pytest.mark.parametrize(
    ("content", "options", "what", "way_out"),
    [
        (b"", {}, "is empty", "write the file"),
        (b"\n \r\n", {}, "is empty", "write the file"),
        (b"a,b\n1,2\n3,4,5\n", {}, "record 3 has 3 values where 2", "mend that line"),
        (b"a,b\n1,2\n3\n", {}, "record 3 has 1 values where 2", "mend that line"),
        (b"a,b\n1,2\n3,\xff\n", {}, "is not UTF-8: line 3, byte 10", "--encoding latin-1"),
        (b"a,b\n1,2\n" + b"1,2\n" * 60000 + b"3,\xe9\n", {}, "line 60003, byte 240010", "--encoding latin-1"),
        ("a\nb\n".encode("utf-16"), {}, "is not UTF-8: line 1, byte 0", "--encoding utf-16"),
        (b"a,b,a\n1,2,3\n", {}, "two columns of one name", "--columns 'a,b,a_2'"),
        (b"a,b, a \n1,2,3\n", {}, "two columns of one name", "--columns 'a,b,a_2'"),
        (b"1,2,1\n4,5,6\n", {}, "two columns of one name", "--no-header"),
        (b"42,no,no\n17,no,yes\n", {}, "two columns of one name", "--no-header"),
        (b"a,b\n1,2\n", {"columns": ("x",)}, "1 names are given for the 2 columns", "give 2 names"),
        (b'a,b\n"x" y,2\n3,4\n', {"quote": '"'}, "does not end properly", "--quote none"),
        (b"a,b\n" + b"1,2\n" * 60000 + b"3,4\r\n" * 10, {}, "ends its lines in different ways", "sed"),
        (b'{"a":1}\n{"a":\n', {}, "broken JSON", "mend"),
        (b'{"a":1}\n[2]\n', {}, "entry 2 is no JSON object but array", "mend"),
        (b"{}\n{}\n", {}, "has no columns", "check"),
        (gzip.compress(b"a,b\n" + os.urandom(9000).hex().encode())[:-900], {}, "cannot be unzipped", "fetch"),
        (b"PK\x03\x04 and so on", {}, "is an Excel or zip file", "CSV"),
        (b"PAR1 and nothing else", {}, "is no Parquet file", "write the file"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_the_way_out(
    tmp_path: Path, content: bytes, options: dict[str, object], what: str, way_out: str
) -> None:
    """What happened, why, and what to do."""
    with pytest.raises(SourceError) as caught:
        rows(write(tmp_path, content), **options)
    assert what in caught.value.what
    assert way_out in caught.value.way_out


def test_a_torn_line_is_shown_on_the_terminal_alone(tmp_path: Path) -> None:
    """It may hold what is personal, or lie in a test row: what is kept of the error does not quote it."""
    with pytest.raises(SourceError) as caught:
        rows(write(tmp_path, b"a,b\n1,2\nada@example.org,4,5\n"))
    assert "ada@example.org,4,5" in caught.value.on_terminal()
    assert "ada" not in str(caught.value)
    assert "ada" not in str(caught.value.to_json())


def test_a_missing_file_names_the_nearest_and_a_folder_its_files(tmp_path: Path) -> None:
    """The way out is a path to paste."""
    path = write(tmp_path, "a\n1\n", "customers.csv")
    with pytest.raises(SourceError, match=r"did you mean .*customers\.csv"):
        rows(tmp_path / "customer.csv")
    with pytest.raises(SourceError, match="is a folder") as caught:
        rows(tmp_path)
    assert str(path) in caught.value.way_out


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """Rows of two states never end up in one table."""
    path = write(tmp_path, "n\n" + "1\n" * 200_000)
    batches = open_text_batches(path, ReadOptions(), batch_rows=1000)
    next(batches)
    with path.open("a") as file:
        file.write("2\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        list(batches)


@pytest.mark.parametrize(
    "options", [{"format": "xlsx"}, {"delimiter": ";;"}, {"quote": "nothing"}, {"encoding": "klingon"}]
)
def test_an_option_out_of_bounds_is_refused(options: dict[str, str]) -> None:
    """With the values allowed."""
    with pytest.raises(BadParameter, match="not understood"):
        ReadOptions(**options)  # type: ignore[arg-type]


cells = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\n\"',;\t "), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=20), st.sampled_from(",;\t|"))
def test_what_the_csv_module_writes_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], delimiter: str
) -> None:
    """Any text survives the round trip; an empty one comes back as nothing."""
    import csv

    path = tmp_path_factory.mktemp("roundtrip") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(["left", "right"])
        writer.writerows(table)
    read = rows(path, delimiter=delimiter, quote='"')
    assert read == {"left": [a or None for a, _ in table], "right": [b or None for _, b in table]}
