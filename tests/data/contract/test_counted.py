"""A folder that grows is held against a contract by its new files alone, and what is told is what reading all of them tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.contract.test_check import NOW, VALUES, contracts

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec, EncodedColumn
from penstock.data.contract import counted
from penstock.data.contract.check import Checked, Checker, check_source
from penstock.data.contract.counted import Counted, check_grown
from penstock.data.contract.parse import parse_contract
from penstock.data.contract.reading import Reading
from penstock.data.contract.seen import SeenValues
from penstock.data.contract.unsealed import everything
from penstock.data.contract.values import Values
from penstock.data.source import Batch
from penstock.data.sources.file import some
from penstock.errors import SourceError, StoreFull

Rows = list[tuple[str | None, ...]]
HOW: dict[str, Any] = {
    "now": NOW,
    "key": b"secret",
    "readings": {"b": Reading(ColumnSpec("b", Kind.NUMERIC, decimal=",", thousands="."), said=True)},
}


class Folder:
    """Files of rows, and which were read."""

    def __init__(self, files: dict[str, Rows], names: tuple[str, ...] = ("a", "b", "c")) -> None:
        self.files, self.names, self.read = files, names, list[str]()
        self.why, self.options, self.origin = (), dict[str, Any](), dict[str, Any]()

    @property
    def contents(self) -> dict[str, str]:
        return {name: repr(rows) for name, rows in self.files.items()}

    def digest(self) -> str:
        return repr(self.contents)

    def part(self, names: frozenset[str]) -> Folder:
        within = Folder({name: rows for name, rows in self.files.items() if name in names}, self.names)
        within.read = self.read
        return within

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        return some(self._batches(), "in", self.names)

    def _batches(self) -> Iterator[Batch]:
        for name, file in self.files.items():
            self.read.append(name)
            if file:
                yield Batch.of({n: EncodedColumn.of([row[i] for row in file]) for i, n in enumerate(self.names)})


def untold(what: str) -> None:
    raise AssertionError(what)


def grown(text: str, folder: Folder, kept: Path, *, of: str = "1", **how: Any) -> Checked:
    """By what is kept, which may not differ from reading everything."""
    folder.read.clear()
    contract = parse_contract(text)
    found = check_grown(contract, folder, everything, kept, of, told=untold, **{**HOW, **how})
    read = [*folder.read]
    assert found == check_source(contract, folder, everything, **{**HOW, **how})
    folder.read[:] = read
    return found


@st.composite
def agreements(draw: st.DrawFn) -> str:
    """Contracts, some with a rule between columns and a bound of rows."""
    text = draw(contracts()) + "[columns.c]\n[table]\nrows_at_most = 20\n"
    if parse_contract(text).columns["a"].kind is Kind.NUMERIC:
        text += f'[rules.r]\nthat = "a {draw(st.sampled_from(["<", "!="]))} 1"\nexceptions = 0.4\n'
    return text


@settings(max_examples=60, deadline=None)
@given(agreements(), st.lists(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=8), min_size=1, max_size=5))
def test_files_one_after_the_other_are_told_as_all_of_them(
    tmp_path_factory: pytest.TempPathFactory, text: str, files: list[Rows]
) -> None:
    """Random contracts and files, some of them empty; where nothing is broken each file is read once."""
    kept = tmp_path_factory.mktemp("kept") / "counts"
    folder = Folder({"0": [("1", "1", "x"), *files[0]]})
    passed = grown(text, folder, kept).passed
    for number, rows in enumerate(files[1:], 1):
        folder.files[str(number)] = rows
        before, passed = passed, grown(text, folder, kept).passed
        if before and passed and rows:
            assert folder.read == [str(number)]


TEXT = """
[columns.a]
kind = "numeric"
unique = true
missing_at_most = 0.5
exceptions = 0.2
[columns.b]
kind = "datetime"
newest_within = "2d"
"""
FIRST: Rows = [
    ("1", "2026-11-29"),
    ("2", "2026-11-28"),
    (None, None),
    ("x", "2026-11-01"),
    *((str(i), "2026-11-02") for i in range(10, 20)),
]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "counts"


def folder_of(*files: Rows) -> Folder:
    return Folder({str(number): rows for number, rows in enumerate(files)}, ("a", "b"))


def test_a_value_of_a_known_file_is_no_new_one(kept: Path) -> None:
    """By its keyed hash; and what is told names the rows of all files."""
    folder = folder_of(FIRST)
    assert grown(TEXT, folder, kept, readings={}).passed
    folder.files["1"] = [("30", None), ("31", None)]
    assert grown(TEXT, folder, kept, readings={}).passed
    assert folder.read == ["1"]
    folder.files["2"] = [(str(i), None) for i in range(10, 16)]
    (breach,) = grown(TEXT, folder, kept, readings={}).breaches
    assert (breach.id, breach.rows, breach.of) == ("contract-unique", 6, 22)
    assert breach.examples[0] == (17, "'10'")
    assert folder.read == ["2", "0", "1", "2"]
    del folder.files["2"]
    folder.files["3"] = [("40", None)]
    assert grown(TEXT, folder, kept, readings={}).passed
    assert folder.read == ["3"], "what was counted before the breach is kept"


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        ("contract-kind", "x"),
        ("contract-range", "900"),
        ("contract-missing", None),
        ("contract-unique", "5"),
        ("contract-rule", "60"),
        ("contract-reading", "1.5"),
    ],
)
def test_shares_are_of_all_rows(kept: Path, rule: str, bad: str | None) -> None:
    """What was allowed of the known rows counts with what is in the new ones, which alone would be allowed as well."""
    text = """
[columns.a]
kind = "numeric"
at_most = 100
unique = true
missing_at_most = 0.24
exceptions = 0.24
[rules.r]
that = "a <= 50"
exceptions = 0.24
"""
    if rule != "contract-unique":
        text = text.replace("unique = true\n", "")
    if rule == "contract-range":
        text = text.partition("[rules.r]")[0]
    readings = {"a": Reading(ColumnSpec("a", Kind.NUMERIC, decimal=","), said=True)}
    sound: Rows = [(str(i), None) for i in range(10, 18)]
    folder = folder_of([*sound, (bad, None), (bad, None)])
    text += "[columns.b]\n"
    assert grown(text, folder, kept, readings=readings).passed
    folder.files["1"] = [(bad, None), (bad, None)]
    assert [breach.id for breach in grown(text, folder, kept, readings=readings).breaches] == [rule]
    folder.files["1"] = [("21", None), ("20", None)]
    assert grown(text, folder, kept, readings=readings).passed
    assert folder.read == ["1"]


def test_how_old_rows_are_is_asked_without_reading_them(kept: Path) -> None:
    """The newest instant is known; only where it is too old all is read, for what is told."""
    folder = folder_of(FIRST)
    assert grown(TEXT, folder, kept, readings={}).passed
    assert grown(TEXT, folder, kept, readings={}, now=NOW + timedelta(hours=1)).passed
    assert folder.read == []
    (breach,) = grown(TEXT, folder, kept, readings={}, now=NOW + timedelta(days=5)).breaches
    assert breach.id == "contract-fresh"
    assert folder.read == ["0"]


@pytest.mark.parametrize(
    "change", ["changed", "gone", "names", "of", "text", "damaged", "cut", "format", "key", "no file"]
)
def test_where_something_else_is_other_than_before_all_is_read(
    kept: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, the columns, what counts depend on, the ledger; or what was kept is lost."""
    how: dict[str, Any] = {"readings": {}}
    folder = folder_of(FIRST, [("50", None)])
    assert grown(TEXT, folder, kept, readings={}).passed
    folder.files["2"] = [("60", None)]
    of, text = "1", TEXT
    if change == "changed":
        folder.files["1"] = [("51", None)]
    elif change == "gone":
        del folder.files["1"]
    elif change == "names":
        folder.names = ("a", "b", "c")
        folder.files = {name: [(*row, "y") for row in rows] for name, rows in folder.files.items()}
        text = TEXT + "[columns.c]\n"
    elif change in ("of", "text"):
        of, text = "2", TEXT if change == "of" else TEXT.replace("unique = true\n", "")
    elif change == "damaged":
        data = bytearray(kept.read_bytes())
        data[len(data) // 3] ^= 255
        kept.write_bytes(data)
    elif change == "cut":
        kept.write_bytes(kept.read_bytes()[:-40])
    elif change == "format":
        monkeypatch.setattr(counted, "FORMAT", b"of another release")
    elif change == "key":
        how["key"] = b"another ledger's"
    else:
        kept.write_bytes(b"")
    assert grown(text, folder, kept, of=of, **how).passed
    assert folder.read == list(folder.files)
    assert grown(text, folder, kept, of=of, **how).passed
    assert folder.read == []


def test_a_file_without_rows_or_one_that_cannot_be_read_is_told_as_ever(kept: Path, monkeypatch: Any) -> None:
    """Of nothing but empty new files there is nothing to read; an error is that of the whole."""
    folder = folder_of(FIRST)
    assert grown(TEXT, folder, kept, readings={}).passed
    folder.files["1"] = []
    assert grown(TEXT, folder, kept, readings={}).passed

    def torn(self: Folder) -> Iterator[Batch]:
        raise SourceError("torn", why="of", way_out=f"{len(self.files)}")
        yield

    folder.files["2"] = [("70", None)]
    monkeypatch.setattr(Folder, "_batches", torn)
    with pytest.raises(SourceError) as caught:
        grown(TEXT, folder, kept, readings={})
    assert caught.value.way_out == "3"


def test_counts_of_a_file_that_changed_meanwhile_are_not_kept(kept: Path, monkeypatch: Any) -> None:
    """They would be told under the digest that it had."""
    folder = folder_of(FIRST)
    real = Folder._batches

    def while_read(self: Folder) -> Iterator[Batch]:
        yield from real(self)
        self.files["0"] = [*self.files["0"], ("80", None)]

    monkeypatch.setattr(Folder, "_batches", while_read)
    check_grown(parse_contract(TEXT), folder, everything, kept, "1", now=NOW, key=b"k", told=untold)
    assert Counted.load(kept, b"k") is None


def test_what_is_kept_of_values_is_of_no_use_without_the_key() -> None:
    """The same values under another key have no hash in common."""
    values = Values.of(EncodedColumn.of(["1", "2", "2"]), ColumnSpec("a", Kind.IDENTIFIER))
    ours, theirs = SeenValues(b"one"), SeenValues(b"two")
    assert ours.repeated(values).tolist() == theirs.repeated(values).tolist() == [False, False, True]
    assert len(ours.hashes) == 2
    assert not set(ours.hashes.tolist()) & set(theirs.hashes.tolist())


def test_a_value_that_came_before_is_none_for_another_ledger_to_miss(kept: Path) -> None:
    """Its hash under the new key is not among those that were kept under the old one: what was kept is not believed, and not mixed with."""
    folder = folder_of(FIRST)
    assert grown(TEXT, folder, kept, readings={}).passed
    folder.files["1"] = [(str(i), None) for i in range(10, 16)]
    (breach,) = grown(TEXT, folder, kept, readings={}, key=b"another ledger's").breaches
    assert (breach.id, breach.rows) == ("contract-unique", 6)


def test_no_value_is_to_be_read_in_what_is_kept(kept: Path) -> None:
    """The newest instant may be that of a sealed row; what stands in two columns is not seen to be the same."""
    folder = Folder({"0": [("1", "1"), ("2", "2")]}, ("a", "b"))
    text = "[columns.a]\nunique = true\n[columns.b]\nunique = true\n"
    checker = Checker(parse_contract(text), folder.names, everything, **{**HOW, "readings": {}})
    for batch in folder.batches():
        checker.add(batch)
    hashes = {name: set(of.tolist()) for name, of in checker.seen.items()}
    assert {name: len(of) for name, of in hashes.items()} == {"a": 2, "b": 2}
    assert not hashes["a"] & hashes["b"]

    assert grown(TEXT, folder_of(FIRST), kept, readings={}).passed
    held = Counted.load(kept, HOW["key"])
    assert held is not None
    newest = held.counts["columns"]["b"]["newest"]
    assert newest == datetime(2026, 11, 29, tzinfo=UTC).timestamp() * 1e6
    written = kept.read_bytes()
    for plain in (b"newest", str(int(newest)).encode(), b"2026-11-29"):
        assert plain not in written


@pytest.mark.parametrize("why", ["no folder", "a folder of this name", "full"])
def test_a_check_that_passed_has_passed_where_nothing_can_be_kept(
    kept: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the next check reads all files."""
    if why == "no folder":
        kept.parent.write_text("a file in its place")
    elif why == "a folder of this name":
        kept.mkdir(parents=True)
    else:

        def full(path: Path, data: bytes) -> None:
            raise StoreFull("no space left while writing 'counts'", why="a test", way_out="free some")

        monkeypatch.setattr(counted, "write_atomic", full)
    folder, told = folder_of(FIRST), list[str]()
    for _ in range(2):
        folder.read.clear()
        assert check_grown(
            parse_contract(TEXT), folder, everything, kept, "1", told=told.append, **{**HOW, "readings": {}}
        ).passed
        assert folder.read == ["0"]
    assert len(told) == 2
    assert f"not kept in {kept} (" in told[0]
