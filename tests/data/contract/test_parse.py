"""The text of a contract: what it means, and how its mistakes are told."""

from __future__ import annotations

import pytest

from penstock.bundle.kinds import Kind
from penstock.data.contract.contract import instant_text, microseconds_of
from penstock.data.contract.parse import COLUMN_KEYS, parse_contract
from penstock.errors import ContractError

WHOLE = """
[table]
new_columns = "allow"
rows_at_least = 10

[columns."emp.var"]
kind = "numeric"
decimal = ","
at_least = -1.5
at_most = 7
exceptions = 0.01

[columns.day]
kind = "datetime"
at_least = 2020-01-01
newest_within = "2d"

[columns.flag]
kind = "binary"
values = [true, false]

[columns.code]
kind = "categorical"
values = [1, 2.5]

[rules.order]
that = "emp.var < 3"
exceptions = 0.5
"""


def test_all_of_it_is_read() -> None:
    """Kinds, bounds, dates, durations, labels and comparisons."""
    contract = parse_contract(WHOLE)
    assert contract.new_columns
    assert (contract.rows_at_least, contract.rows_at_most) == (10, None)
    rate, day = contract.columns["emp.var"], contract.columns["day"]
    assert (rate.kind, rate.at_least, rate.at_most, rate.exceptions) == (Kind.NUMERIC, -1.5, 7, 0.01)
    assert instant_text(day.at_least or 0) == "2020-01-01"
    assert (day.newest_within_s, contract.freshness_s) == (172_800, 172_800)
    assert contract.columns["flag"].value_texts == {"true", "false"}
    assert contract.columns["flag"].spec.boolean_text
    assert contract.columns["code"].value_texts == {"1", "2.5"}
    assert contract.columns["code"].spec.numeric_text
    (rule,) = contract.comparisons
    assert (rule.left, rule.op, rule.right, rule.exceptions) == ("emp.var", "<", 3.0, 0.5)


def test_nothing_asks_for_nothing() -> None:
    """An empty file is a contract."""
    assert parse_contract("").columns == {}


WRONG = [
    ("[columns.age]\nkind = 'numeric'\nat_mots = 3\n", 3, 1, "did you mean|write 'at_most'"),
    ("[tabel]\n", 1, 2, "write 'table'"),
    ("[columns.age]\nkind = 'number'\n", 2, 1, "numeric"),
    ("[columns.age]\nat_most = 3\n", 2, 1, "without a kind"),
    ("[columns.age]\nkind = 'text'\nat_most = 3\n", 3, 1, "says nothing of a column of kind text"),
    ("[columns.age]\nkind = 'numeric'\nat_most = 2020-01-01\n", 3, 1, "a number"),
    ("[columns.age]\nkind = 'datetime'\nat_most = 3\n", 3, 1, "2026-11-20"),
    ("[columns.age]\nkind = 'numeric'\nat_least = 4\nat_most = 3\n", 4, 1, "lies below"),
    ("[columns.age]\nmissing_at_most = 2\n", 2, 1, "share from 0 to 1"),
    ("[columns.age]\nkind='text'\npattern = '('\n", 3, 1, "no regular expression"),
    ("[columns.age]\nkind='datetime'\nnewest_within = 'soon'\n", 3, 1, "30d"),
    ("[columns.age]\nkind='datetime'\ntimezone = 'Mars/Olympus'\n", 1, 10, "Mars"),
    ("[columns.age]\nkind='numeric'\ndecimal = ','\nthousands = ','\n", 1, 10, "differ"),
    ("[columns.age]\nkind='categorical'\nvalues = []\n", 3, 1, "list"),
    ("[columns.age]\nkind='numeric'\n[rules.a]\nthat = 'age < agee'\n", 4, 1, "write 'age'"),
    ("[columns.age]\nkind='numeric'\n[rules.a]\nthat = 'age'\n", 4, 1, "compares nothing"),
    ("[columns.age]\nkind='text'\n[rules.a]\nthat = 'age < 3'\n", 4, 1, "two numbers"),
    (
        "[columns.age]\nkind='numeric'\n[columns.day]\nkind='datetime'\n[rules.a]\nthat = 'age < day'\n",
        6,
        1,
        "two numbers",
    ),
    ("[table]\nnew_columns = 'no'\n", 2, 1, "refuse"),
    ("[table]\nrows_at_least = -1\n", 2, 1, "at least 0"),
    ("columns = 3\n", 1, 1, "no table"),
    ("[columns]\nage = 3\n", 2, 1, "no table"),
]


@pytest.mark.parametrize(("text", "line", "column", "says"), WRONG)
def test_a_mistake_is_told_with_its_place(text: str, line: int, column: int, says: str) -> None:
    """Line, column, what was expected, and the nearest name."""
    with pytest.raises(ContractError, match=says) as caught:
        parse_contract(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert f"line {line}, column {column}" in caught.value.what


def test_what_is_no_toml_names_its_line() -> None:
    """The reader's own words, in ours."""
    with pytest.raises(ContractError, match="line 2"):
        parse_contract("[table]\nnew_columns = \n")


@pytest.mark.parametrize("key", COLUMN_KEYS)
def test_no_key_takes_anything(key: str) -> None:
    """Each key refuses a value of a wrong type."""
    kind = "datetime" if Kind.NUMERIC not in COLUMN_KEYS[key][1] and Kind.DATETIME in COLUMN_KEYS[key][1] else "numeric"
    kind = kind if Kind(kind) in COLUMN_KEYS[key][1] else "categorical"
    text = "[columns.a]\n" + ("" if key == "kind" else f'kind = "{kind}"\n') + f"{key} = {{ a = 1 }}\n"
    with pytest.raises(ContractError, match=key):
        parse_contract(text)


def test_instants_are_written_as_they_are_read() -> None:
    """A bound survives the way into the file and back."""
    import tomllib

    for microseconds in (0, -86_400_000_000, 1_700_000_000_123_456):
        read = tomllib.loads(f"v = {instant_text(microseconds)}")["v"]
        from datetime import datetime

        instant = read if isinstance(read, datetime) else datetime(read.year, read.month, read.day)
        assert microseconds_of(instant) == microseconds
