"""Rows held against a contract: every rule, whatever the batches, and nothing shown that is sealed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec, EncodedColumn
from penstock.data.contract.breach import Breach, merged
from penstock.data.contract.check import RULES, Checked, Checker, broken_rules, check_source, explain_rule
from penstock.data.contract.edit import apply_edits
from penstock.data.contract.parse import parse_contract
from penstock.data.contract.personal import Personal
from penstock.data.contract.reading import Reading
from penstock.data.contract.unsealed import MayShow, everything, nothing
from penstock.data.source import Batch
from penstock.data.sources.file import FileSource
from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.opening import open_source
from penstock.errors import NotFound, SourceError
from penstock.objects.tabular import ReadOptions

NOW = datetime(2026, 11, 30, tzinfo=UTC)
Table = Mapping[str, list[str | None]]


def held(text: str, table: Table, *, at_a_time: int = 1000, may_show: MayShow = everything, **how: Any) -> Checked:
    """A table held against the text of a contract, in batches."""
    checker = Checker(parse_contract(text), list(table), may_show, now=NOW, **how)
    rows = len(next(iter(table.values())))
    for start in range(0, rows, at_a_time):
        part = {name: EncodedColumn.of(values[start : start + at_a_time]) for name, values in table.items()}
        checker.add(Batch.of(part))
    return checker.result()


def broken(text: str, table: Table, **how: Any) -> Breach:
    (breach,) = held(text, table, **how).breaches
    return breach


def test_what_cannot_be_read_breaks_the_kind() -> None:
    """Counted, shown with its row, and accepted as a marker, as exceptions or as another kind."""
    numbers = [str(i) for i in range(100)]
    text = '[columns.a]\nkind = "numeric"\n'
    found = broken(text, {"a": [*numbers, "12,5"]})
    assert (found.id, found.rows, found.of, found.examples) == ("contract-kind", 1, 101, ((101, "'12,5'"),))
    assert found.edit == {("columns", "a", "exceptions"): 0.0100}
    assert broken(text, {"a": [*numbers, "n/a"]}).edit == {("columns", "a", "missing"): ["n/a"]}
    assert (broken(text, {"a": ["x", "y", "3"]}).edit or {})["columns", "a", "kind"] == "categorical"


def test_markers_of_missing_values_are_accepted_with_the_share_that_is_missing_then() -> None:
    """In one edit, also where sealed rows say the same; what only sealed rows say is no marker."""
    text = '[columns.a]\nkind = "numeric"\nmissing_at_most = 0\n'
    table: Table = {"a": ["n/a", "n/a", None, *map(str, range(7))]}
    for may_show in (everything, lambda batch, at: at != 0, lambda batch, at: at != 2):
        edit = merged(held(text, table, may_show=may_show).breaches)
        assert edit == {("columns", "a", "missing"): ["n/a"], ("columns", "a", "missing_at_most"): 0.3}
        assert held(apply_edits(text, edit, "why"), table, may_show=may_show).passed
    (found, _) = held(text, {"a": ["n/a", "NaN", None, "1"]}, may_show=lambda batch, at: at != 0).breaches
    assert ("columns", "a", "missing") not in (found.edit or {})


EURO = [f"{i},{i % 10}" for i in range(1, 60)]


@pytest.mark.parametrize(
    ("declared", "values", "edit", "data"),
    [
        ('kind = "numeric"', [*EURO, "7"], {"decimal": ","}, ('decimal.a = ","',)),
        ('kind = "numeric"', ["1.234,5", "-2.000,25"], {"decimal": ",", "thousands": "."}, ('decimal.a = ","', 'thousands.a = "."')),
        ('kind = "numeric"\ndecimal = ","', ["1.5", "2.25", "7"], {"decimal": "."}, ('decimal.a = "."',)),
        ('kind = "datetime"', ["31.12.2025", "2026-01-02"], {"formats": ["iso", "%d.%m.%Y"]}, ('formats.a = ["iso", "%d.%m.%Y"]',)),
        ('kind = "datetime"\nformats = ["%m/%d/%Y"]', ["12/11/2025", "31/12/2025"], {"formats": ["%d/%m/%Y"]}, ('formats.a = ["%d/%m/%Y"]',)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("may_show", [everything, nothing])
def test_values_of_the_kind_that_are_written_otherwise_are_accepted_as_that(
    declared: str, values: list[str | None], edit: dict[str, Any], data: tuple[str, ...], may_show: MayShow
) -> None:
    """Not as texts, which would lose every number; of rows that are sealed, too; and the line of [data] is told."""
    text = f"[columns.a]\n{declared}\n"
    found = broken(text, {"a": values}, may_show=may_show)
    assert found.edit == {("columns", "a", key): value for key, value in edit.items()}
    assert found.data == data
    assert held(apply_edits(text, found.edit or {}), {"a": values}).passed


def test_another_way_of_writing_is_told_by_different_values_however_often_they_come() -> None:
    """Fifteen whole numbers in each batch are fifteen, beside which six with a comma are no exceptions."""
    rows: list[str | None] = [str(i) for i in range(15)] * 70
    found = broken('[columns.a]\nkind = "numeric"\n', {"a": [*rows, *EURO[:6]]}, at_a_time=15)
    assert found.data == ('decimal.a = ","',)


def test_numbers_that_are_written_in_several_ways_are_accepted_by_no_line() -> None:
    """One mark reads only some of them, and as texts all of them would be lost: the file has to be put right."""
    found = broken('[columns.a]\nkind = "numeric"\n', {"a": [*EURO, "0.25", "1.75"]})
    assert (found.edit, found.data) == (None, ())
    assert "several ways" in found.why


def test_what_the_contract_reads_and_the_data_set_cannot_is_told() -> None:
    """By the values themselves: a reading that differs in words alone is none. What [data] says is what the contract is edited to."""
    text = '[columns.a]\nkind = "numeric"\ndecimal = ","\n'
    before = {"a": Reading(ColumnSpec("a", Kind.NUMERIC), said=False)}
    found = broken(text, {"a": EURO}, readings=before)
    assert (found.id, found.rows, found.edit, found.data) == ("contract-reading", 59, None, ('decimal.a = ","',))
    assert held(text, {"a": ["1", "2", None]}, readings=before).passed
    told = {"a": Reading(ColumnSpec("a", Kind.NUMERIC), said=True)}
    assert broken(text, {"a": EURO}, readings=told).edit == {("columns", "a", "decimal"): "."}
    codes = broken('[columns.a]\nkind = "categorical"\n', {"a": ["x", "y"]}, readings=before)
    assert codes.data == ('kinds.a = "categorical"',)
    one = {"a": Reading(ColumnSpec("a", Kind.NUMERIC, decimal=",", thousands="."), said=False)}
    assert broken('[columns.a]\nkind = "numeric"\n', {"a": ["1.234"]}, readings=one).rows == 1  # 1234 or 1.234
    less = {"a": Reading(ColumnSpec("a", Kind.NUMERIC, thousands=" ", origin=2**60), said=False)}
    assert held('[columns.a]\nkind = "numeric"\n', {"a": [str(2**60 + i) for i in range(40)]}, readings=less).passed


def test_what_breaks_in_a_folder_is_told_with_its_file_and_its_row_there(tmp_path: Path) -> None:
    """In the text and in JSON; of one file the row is enough. Where batches end does not matter."""
    for name, values in (("a", ["1", "2"]), ("b", ["3", "x", "4"]), ("c", ["y"])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["v,w", *(f"{v},1" for v in values)]) + "\n")
    contract = parse_contract('[columns.v]\nkind = "numeric"\n[columns.w]\n')
    for place in (".", "*.csv"):
        source = open_source(SourceSettings(place, ReadOptions()), Around(root=tmp_path))
        (found,) = check_source(contract, source, everything, now=NOW).breaches
        assert "b.csv row 2: 'x'; c.csv row 1: 'y'" in found.to_text()[1]
        first, _ = found.to_json()["examples"]
        assert first == {"row": 4, "value": "'x'", "file": "b.csv", "row_of_file": 2}
    (alone,) = check_source(contract, FileSource(tmp_path / "c.csv"), everything, now=NOW).breaches
    assert "row 1: 'y'" in alone.to_text()[1]


def test_what_lies_beyond_breaks_the_range() -> None:
    """Numbers and instants; the edit is the extreme that was seen."""
    found = broken('[columns.a]\nkind = "numeric"\nat_least = 0\nat_most = 10\n', {"a": ["5", "-2.5", "11", "7"]})
    assert (found.id, found.rows, found.share) == ("contract-range", 2, 0.5)
    assert found.edit == {("columns", "a", "at_least"): -2.5, ("columns", "a", "at_most"): 11.0}
    assert found.examples == ((2, "'-2.5'"), (3, "'11'"))
    days = broken('[columns.a]\nkind = "datetime"\nat_least = 2020-01-01\n', {"a": ["2019-06-01", "2021-01-01"]})
    assert "at_least = 2019-06-01" in days.to_json()["accept"]


def test_values_that_are_not_listed() -> None:
    """New ones are named with their rows, and written beside the old ones in the same type."""
    found = broken('[columns.a]\nkind = "categorical"\nvalues = ["x", "y"]\n', {"a": ["x", "z", "z", "q", None]})
    assert "'z' (2)" in found.why
    assert found.edit == {("columns", "a", "values"): ["x", "y", "q", "z"]}
    numbers = broken('[columns.a]\nkind = "categorical"\nvalues = [1, 2]\n', {"a": ["1.0", "2", "3"]})
    assert numbers.edit == {("columns", "a", "values"): [1, 2, 3]}


def test_whole_numbers_lengths_and_patterns() -> None:
    """Each has its id."""
    assert broken('[columns.a]\nkind = "numeric"\nwhole = true\n', {"a": ["1", "1.5"]}).id == "contract-whole"
    long = broken('[columns.a]\nkind = "text"\nlength_at_most = 3\nlength_at_least = 2\n', {"a": ["abcd", "a", "ab"]})
    assert long.edit == {("columns", "a", "length_at_least"): 1, ("columns", "a", "length_at_most"): 4}
    form = broken('[columns.a]\nkind = "identifier"\npattern = "R[0-9]+"\n', {"a": ["R1", "r2", "R3x"]})
    assert (form.id, form.rows) == ("contract-pattern", 2)


def test_missing_values_by_their_share() -> None:
    """Empty, null and markers; at the share itself it holds."""
    text = '[columns.a]\nkind = "numeric"\nmissing = ["?"]\nmissing_at_most = 0.5\n'
    assert held(text, {"a": ["1", "?", None, "2"]}).passed
    found = broken(text, {"a": ["1", "?", None, " "]})
    assert (found.id, found.rows) == ("contract-missing", 3)
    assert found.edit == {("columns", "a", "missing_at_most"): 0.75}


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 100])
def test_a_value_that_came_before(at_a_time: int) -> None:
    """Whether it came in the same batch or long ago; missing ones are no values."""
    found = broken(
        '[columns.a]\nkind = "identifier"\nunique = true\n',
        {"a": ["x", "y", None, "x", None, "y", "x"]},
        at_a_time=at_a_time,
    )
    assert (found.id, found.rows) == ("contract-unique", 3)
    assert [row for row, _ in found.examples] == [4, 6, 7]


def test_the_newest_row_and_the_number_of_rows() -> None:
    """Of a whole file; not of rows that are a part of one."""
    text = '[table]\nrows_at_least = 5\n[columns.a]\nkind = "datetime"\nnewest_within = "2d"\n'
    table: Table = {"a": ["2026-11-20", "2026-11-21"]}
    found = {breach.id: breach for breach in held(text, table).breaches}
    assert found["contract-rows"].edit == {("table", "rows_at_least"): 2}
    assert found["contract-fresh"].edit == {("columns", "a", "newest_within"): "9d"}
    assert held(text, table, part_of_file=True).passed
    assert held('[columns.a]\nkind = "datetime"\nnewest_within = "10d"\n', table).passed
    assert "no row has" in broken('[columns.a]\nkind = "datetime"\nnewest_within = "10d"\n', {"a": [None]}).why


def test_columns_that_are_absent_or_new() -> None:
    """Unless they are optional, allowed, or not asked for."""
    text = '[columns.a]\nkind = "numeric"\n[columns.b]\n'
    ids = [(breach.id, breach.about) for breach in held(text, {"a": ["1"], "c": ["1"]}).breaches]
    assert ids == [("contract-absent-column", "b"), ("contract-new-column", "c")]
    assert held(text, {"a": ["1"], "c d": ["1"]}).breaches[1].to_json()["accept"] == ['[columns."c d"]']
    renamed = held("[columns.a]\n[columns.the_age]\n", {"a": ["1"], "The Age": ["1"]}).breaches[0]
    assert "'The Age' is" in renamed.why
    assert held(text + "optional = true\n[table]\nnew_columns = 'allow'\n", {"a": ["1"], "c": ["1"]}).passed
    assert held(text, {"a": ["1"]}, without=frozenset({"b"})).passed


def test_a_file_whose_first_line_is_a_row_is_refused_and_none_of_its_values_is_told() -> None:
    """They would be columns' names in messages, in the ledger and in the contract itself, sealed and personal ones too."""
    text = '[columns.mail]\nkind = "text"\n[columns.age]\nkind = "numeric"\n'
    with pytest.raises(SourceError, match="none of the 2 columns of the contract") as refused:
        held(text, {"ada@example.org": ["bo@example.org"], "41": ["17"]})
    assert "ada" not in f"{refused.value}"
    assert "--no-header" in refused.value.way_out


def test_new_columns_break_one_rule_together() -> None:
    """However many they are; each is told."""
    breaches = held("[columns.a]\n", {"a": ["1"], "b": ["1"], "c": ["1"]}).breaches
    assert len(breaches) == 2
    assert broken_rules(breaches) == 1


@pytest.mark.parametrize(("op", "bad"), [("<", 2), ("<=", 1), ("==", 2), ("!=", 1), (">=", 1), (">", 2)])
def test_two_columns_stand_to_each_other_as_declared(op: str, bad: int) -> None:
    """Rows without one of the two keep every rule."""
    text = f'[columns.a]\nkind = "numeric"\n[columns.b]\nkind = "numeric"\n[rules.r]\nthat = "a {op} b"\n'
    found = broken(text, {"a": ["1", "2", "3", None], "b": ["2", "2", "1", "0"]})
    assert (found.id, found.about, found.rows) == ("contract-rule", "r", bad)


def test_exceptions_let_some_rows_pass() -> None:
    """Up to their share."""
    text = '[columns.a]\nkind = "numeric"\nat_most = 1\nexceptions = 0.25\n'
    assert held(text, {"a": ["0", "0", "0", "9"]}).passed
    assert not held(text, {"a": ["0", "0", "8", "9"]}).passed


def test_what_is_sealed_is_counted_and_not_shown() -> None:
    """No value, no row number, and an edit that tells none."""
    text = '[columns.a]\nkind = "numeric"\nat_most = 1\n[columns.b]\nkind = "categorical"\nvalues = ["x"]\n'
    table: Table = {"a": ["777", "888", "0"], "b": ["secret", "x", "x"]}
    for breach in held(text, table, may_show=nothing).breaches:
        told = str(breach.to_json()) + "".join(breach.to_text())
        assert breach.hidden == breach.rows
        assert breach.examples == ()
        assert not any(value in told for value in ("777", "888", "secret"))
        assert [key[-1] for key in breach.edit or {}] == ["exceptions"]

    def odd_rows(batch: Batch, rows: np.ndarray) -> np.ndarray:
        return rows % 2 == 1

    seen = broken('[columns.a]\nkind = "numeric"\nat_most = 1\n', {"a": ["777", "888", "0"]}, may_show=odd_rows)
    assert (seen.hidden, seen.examples) == (1, ((2, "'888'"),))
    assert seen.edit == {("columns", "a", "at_most"): 888.0}  # the hidden row passes, too: no exception is needed
    more = broken('[columns.a]\nkind = "numeric"\nat_most = 1\n', {"a": ["999", "888", "0"]}, may_show=odd_rows)
    assert more.edit == {("columns", "a", "at_most"): 888.0, ("columns", "a", "exceptions"): 0.34}


def test_personal_values_are_masked() -> None:
    """Their rows are named, their values are not."""
    found = broken(
        '[columns.a]\nkind = "categorical"\nvalues = ["x"]\n',
        {"a": ["Ada", "x"]},
        personal=Personal(names=frozenset({"a"})),
    )
    assert found.examples == ((1, "***"),)
    assert "Ada" not in str(found.to_json())


def test_what_looks_like_personal_data_is_shown_in_no_column_and_put_into_no_list() -> None:
    """Hits are replaced by their kind; a code of digits stays, and may be accepted."""
    told = broken(
        '[columns.a]\nkind = "categorical"\nvalues = ["x"]\n',
        {"a": ["x", "ada@example.org", "20231130", "call +44 20 7946 0958"]},
    )
    assert [value for _, value in told.examples] == ["'[email]'", "'20231130'", "'call [phone]'"]
    assert told.edit == {("columns", "a", "values"): ["x", "20231130"], ("columns", "a", "exceptions"): 0.5}
    assert told.hidden == 2


def test_a_column_of_another_kind_takes_the_rules_along_that_compare_it() -> None:
    """What accepts the breach leaves a contract that can be read."""
    text = '[columns.a]\nkind = "numeric"\n\n[columns.b]\nkind = "numeric"\n\n[rules."a b"]\nthat = "a <= b"\n'
    table = {"a": ["p", "q", "9", "8"], "b": ["1", "2", "3", "4"]}
    edit = merged(held(text, table).breaches)
    assert edit[("rules", "a b")] is None
    changed = apply_edits(text, edit)
    assert parse_contract(changed).comparisons == ()
    assert held(changed, table).passed


def test_every_rule_documents_itself() -> None:
    """In the order of all checks, under a permanent id."""
    assert len({rule.id for rule in RULES}) == len(RULES) == 14
    for rule in RULES:
        text = explain_rule(rule.id)
        parts = ("What it does", "Why it matters", "Example that fails", "What to do", "Reference")
        places = [text.index(part) for part in parts]
        assert places == sorted(places)
    with pytest.raises(NotFound, match="contract-range"):
        explain_rule("contract-nothing")


VALUES = st.one_of(
    st.none(), st.sampled_from(["0", "1", "2.5", "-7", "x", "zz", "?", "2020-02-02", "2026-11-29", " 1 ", "é"])
)
KEYS = {
    "numeric": [
        "at_least = 0",
        "at_most = 1",
        "whole = true",
        "missing_at_most = 0.1",
        "unique = true",
        "exceptions = 0.1",
    ],
    "datetime": ["at_least = 2021-01-01", "newest_within = '1d'", "missing_at_most = 0", "exceptions = 0.3"],
    "categorical": [
        "values = ['x', '1']",
        "length_at_most = 1",
        "pattern = '[a-z]+'",
        "unique = true",
        "missing = ['?']",
    ],
}


@st.composite
def contracts(draw: st.DrawFn) -> str:
    lines = []
    for name in ("a", "b"):
        kind = draw(st.sampled_from(sorted(KEYS)))
        chosen = draw(st.lists(st.sampled_from(KEYS[kind]), unique=True))
        lines += [f"[columns.{name}]  # mine", f'kind = "{kind}"', *chosen]
    return "\n".join([*lines, ""])


@settings(max_examples=40, deadline=None)
@given(
    contracts(),
    st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=30),
    st.integers(1, 8),
    st.integers(0, 2**30 - 1),
)
def test_what_is_accepted_is_kept(text: str, rows: list[tuple[str | None, ...]], at_a_time: int, sealed: int) -> None:
    """For random contracts and rows, some sealed: the batches do not matter, and after all edits nothing is broken."""
    table = {name: [row[i] for row in rows] for i, name in enumerate(("a", "b", "c"))}
    hidden = [bool(sealed >> i & 1) for i in range(len(rows))]
    place = {tuple(row): hide for row, hide in zip(rows, hidden, strict=True)}  # rows that are alike share their fate

    def may_show(batch: Batch, at: np.ndarray) -> np.ndarray:
        columns = batch.columns
        texts = [[None if c < 0 else columns[n].values[c] for c in columns[n].codes.tolist()] for n in columns]
        return np.array([not place[tuple(column[i] for column in texts)] for i in at.tolist()], dtype=bool)

    first = held(text, table, at_a_time=at_a_time, may_show=may_show)
    assert first.breaches == held(text, table, at_a_time=100, may_show=may_show).breaches
    for _ in range(3):  # another kind may ask anew
        now = held(text, table, may_show=may_show)
        assert all(breach.edit or breach.id == "contract-fresh" for breach in now.breaches)
        text = apply_edits(text, merged(now.breaches), "accepted")
        assert text.count("# mine") == 2
    assert [breach.id for breach in held(text, table, may_show=may_show).breaches if breach.edit] == []
