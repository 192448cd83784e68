"""Kinds are inferred as a person would, and each says why."""

from __future__ import annotations

import random

import numpy as np
import pytest

from penstock.bundle.decoder import ColumnSpec, EncodedColumn, Kind
from penstock.data.column_finding import ColumnFinding
from penstock.data.evidence import Evidence
from penstock.data.kinds import infer_column
from penstock.data.writing import Written
from penstock.errors import SchemaMismatch

dice = random.Random(0)
WORDS = ["red", "green", "blue", "call", "me", "later"]


def inferred(values: list[str | None], name: str = "x", **told: object) -> tuple[ColumnSpec, ColumnFinding]:
    evidence = Evidence.of(EncodedColumn.of(values), np.arange(len(values)))
    return infer_column(name, evidence, total_rows=len(values), **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("age", [str(dice.randrange(18, 90)) for _ in range(300)], Kind.NUMERIC),
        ("price", [f"{dice.random():.9f}" for _ in range(300)], Kind.NUMERIC),
        ("stars", [str(dice.randrange(1, 6)) for _ in range(300)], Kind.NUMERIC),
        ("rooms", [f"{dice.randrange(1, 6)}.0" for _ in range(300)], Kind.NUMERIC),
        ("bought", [dice.choice("01") for _ in range(300)], Kind.BINARY),
        ("loan", [dice.choice(["yes", "no"]) for _ in range(300)], Kind.BINARY),
        ("flag", [dice.choice(["TRUE", "False", "true"]) for _ in range(300)], Kind.BINARY),
        ("only", [dice.choice(["X", None]) for _ in range(300)], Kind.BINARY),
        ("job", [dice.choice(WORDS) for _ in range(300)], Kind.CATEGORICAL),
        ("zip", [f"{dice.randrange(100):05}" for _ in range(300)], Kind.CATEGORICAL),
        ("zip_code", [str(dice.randrange(10000, 10100)) for _ in range(300)], Kind.CATEGORICAL),
        ("article", [dice.choice(["1E3", "4E7", "2E5", "9E1"]) for _ in range(300)], Kind.CATEGORICAL),
        ("article", [dice.choice(["1E3", "2A7", "1000"]) for _ in range(300)], Kind.CATEGORICAL),
        ("volts", [dice.choice(["1E3", "12.5", "7e-3", "1000"]) for _ in range(300)], Kind.NUMERIC),
        ("volts", [f"{dice.random() * 1e6:.2E}" for _ in range(300)], Kind.NUMERIC),
        ("note", [" ".join(dice.choices(WORDS, k=9)) for _ in range(300)], Kind.TEXT),
        ("when", [f"2026-01-{i % 28 + 1:02}" for i in range(300)], Kind.DATETIME),
        ("customerId", [str(v) for v in dice.sample(range(10**6), 300)], Kind.IDENTIFIER),
        ("customer", [f"C-{v}" for v in dice.sample(range(10**6), 300)], Kind.IDENTIFIER),
        ("row", [str(i) for i in range(300)], Kind.IDENTIFIER),
        ("order", [str(i + 7) for i in range(300)], Kind.IDENTIFIER),
        ("account", [str(v) for v in dice.sample(range(10**18, 10**18 + 10**6), 300)], Kind.IDENTIFIER),
        ("income", [str(v) for v in dice.sample(range(10**6), 300)], Kind.NUMERIC),
        ("same", ["a"] * 300, Kind.CONSTANT),
        ("zero", ["0", "0.0"] * 150, Kind.CONSTANT),
        ("empty", [None, " "] * 150, Kind.CONSTANT),
    ],
)
def test_a_column_is_what_a_person_would_say(name: str, values: list[str | None], kind: Kind) -> None:
    """And the reason is given."""
    spec, finding = inferred(values, name)
    assert (spec.kind, finding.kind) == (kind, kind)
    assert finding.why


@pytest.mark.parametrize("marker", ["?", "unknown", "NA", "N/A", "nan", "null", "None", "-"])
def test_a_marker_for_nothing_is_found_where_it_occurs(marker: str) -> None:
    """In numbers and in categories; and its rows are told."""
    numbers, finding = inferred([marker] * 10 + [str(i % 50) for i in range(290)])
    assert (numbers.kind, numbers.missing) == (Kind.NUMERIC, (marker,))
    assert f"{marker!r} in 10 rows" in finding.why
    words, _ = inferred([marker] * 10 + [WORDS[i % 6] for i in range(290)])
    assert (words.kind, words.missing) == (Kind.CATEGORICAL, (marker,))


def test_a_marker_that_does_not_occur_is_not_declared() -> None:
    """The decoder says what the data need, no more."""
    assert inferred([str(i % 50) for i in range(300)])[0].missing == ()


def test_spaces_alone_count_as_missing_and_are_told() -> None:
    """As the decoder reads them."""
    spec, finding = inferred([" "] * 11 + [str(i % 50) for i in range(289)])
    assert spec.kind is Kind.NUMERIC
    assert "11 hold white space only" in finding.why


def test_none_as_an_answer_is_kept() -> None:
    """Lower case `none` is mostly a category."""
    assert inferred([["none", "some", "many"][i % 3] for i in range(300)])[0].missing == ()


def test_one_odd_text_among_numbers_is_taken_for_missing() -> None:
    """And said so."""
    spec, finding = inferred(["refused"] * 5 + [str(i % 50) for i in range(295)])
    assert (spec.kind, spec.missing) == (Kind.NUMERIC, ("refused",))
    assert "'refused' is no number and taken for missing" in finding.why


@pytest.mark.parametrize(("sentinel", "low"), [("999", 0), ("-999", 0), ("9999", 10), ("-1", 0), ("99999", 0)])
def test_a_sentinel_is_reported_and_never_assumed(sentinel: str, low: int) -> None:
    """The user decides."""
    spec, finding = inferred([sentinel] * 30 + [str(low + i % 50) for i in range(270)])
    assert spec.kind is Kind.NUMERIC
    assert spec.missing == ()
    assert f"{sentinel} in 30 rows may stand for missing" in finding.warnings[0]


@pytest.mark.parametrize("values", [[str(i) for i in range(1, 1000)], [str(i - 150) for i in range(300)]])
def test_a_number_at_the_end_of_its_range_is_no_sentinel(values: list[str]) -> None:
    """999 among 1 to 999, -1 among negatives."""
    assert inferred(values, "amount")[1].warnings == ()


def test_the_users_word_is_taken() -> None:
    """With the format that its values need."""
    assert inferred([str(i % 5) for i in range(300)], kind=Kind.CATEGORICAL)[0].numeric_text
    assert inferred(["01", "02"] * 50, kind=Kind.CATEGORICAL)[0].numeric_text is False
    assert inferred(["1,5", "2,5"] * 50, kind=Kind.NUMERIC)[0].decimal == ","
    assert inferred(["31/12/2025", "01/02/2026"] * 50, kind=Kind.DATETIME)[0].formats == ("%d/%m/%Y",)
    assert inferred(["a", "b", "c"] * 50, kind=Kind.TEXT)[0].kind is Kind.TEXT
    assert inferred(["7", "8", "x"] * 50, missing=("x",))[0].missing == ("x",)
    with pytest.raises(SchemaMismatch, match="no dates"):
        inferred(["a", "b"] * 50, kind=Kind.DATETIME)


def test_values_with_a_unit_are_reported() -> None:
    """So that a column of prices is not taken for categories without a word."""
    spec, finding = inferred([f"${i}.50" for i in range(40)] * 10, "price")
    assert spec.kind is Kind.CATEGORICAL
    assert "look like numbers with a unit" in finding.warnings[-1]


def test_dates_are_read_as_they_are_said_to_be_written() -> None:
    """Pattern and zone; what was guessed says so, and patterns that hardly fit are refused with what the column holds."""
    values: list[str | None] = [f"{i % 12 + 1:02}/{i % 7 + 1:02}/2025" for i in range(100)]
    guessed = inferred(values)
    assert (guessed[0].formats, guessed[1].guessed) == (("%m/%d/%Y",), ("%m/%d/%Y",))
    spec, finding = inferred(values, written=Written(formats=("%d/%m/%Y",), timezone="Europe/Berlin"))
    assert (spec.kind, spec.formats, spec.timezone) == (Kind.DATETIME, ("%d/%m/%Y",), "Europe/Berlin")
    assert (finding.why, finding.guessed, finding.warnings) == ("dates as %d/%m/%Y, as told", (), ())
    with pytest.raises(SchemaMismatch, match="100 of 100 values in 'x' are no dates as %Y-%m-%d") as caught:
        inferred(values, written=Written(formats=("%Y-%m-%d",)))
    assert "'01/01/2025'" in caught.value.why
    other, _ = inferred(
        [f"week {i % 50} of 2025, day 1" for i in range(100)], written=Written(formats=("week %W of %Y, day %w",))
    )
    assert other.kind is Kind.DATETIME


def test_numbers_are_read_with_the_marks_that_are_said() -> None:
    """Commas before three digits are decimal marks then."""
    values: list[str | None] = [f"{i},{i + 100}" for i in range(1, 200)]
    assert inferred(values)[0].thousands == ","
    spec, finding = inferred(values, written=Written(decimal=","))
    assert (spec.kind, spec.decimal, spec.thousands) == (Kind.NUMERIC, ",", "")
    assert "as told" in finding.why
    assert inferred(["x"] * 50 + ["y"] * 50, kind=Kind.NUMERIC, written=Written(decimal=","))[0].decimal == ","


def test_an_exponent_that_may_be_a_code_is_no_other_way_of_writing_a_number() -> None:
    """Among codes 1E3 is not 1000; where a program writes 1e+03 it is; and where all look like codes, how to read numbers is told."""
    codes, _ = inferred([dice.choice(["1E3", "1000", "5", "7"]) for _ in range(300)], name="type_code")
    assert (codes.kind, codes.numeric_text) == (Kind.CATEGORICAL, False)
    numbers, _ = inferred([dice.choice(["1e+03", "1000", "5", "7"]) for _ in range(300)], name="type_code")
    assert numbers.numeric_text
    _, told = inferred([dice.choice(["1E3", "4E7", "2E5"]) for _ in range(300)])
    assert any('kinds.x = "numeric"' in warning for warning in told.warnings)
    assert inferred(["1E3", "4E7", "2E5"] * 100, kind=Kind.NUMERIC)[0].kind is Kind.NUMERIC


def test_numbers_with_infinities_are_numbers_and_these_are_missing_and_counted() -> None:
    """However few different numbers there are, and however many infinities."""
    spec, finding = inferred(["inf", "-inf", "1.5", "3", "2.5"] * 40)
    assert (spec.kind, spec.missing) == (Kind.NUMERIC, ("-inf", "inf"))
    assert any("'-inf' in 40 rows and 'inf' in 40 rows" in warning for warning in finding.warnings)
    assert inferred(["inf"] * 40 + ["-inf"] * 40)[0].kind is not Kind.NUMERIC


def test_a_quiet_finding_quotes_no_value() -> None:
    """Of a column that may be personal; what quotes none is told as before."""
    found = inferred([("Ada", "Bob", "Eve")[i % 3] for i in range(300)])[1]
    assert "Ada" in found.why
    assert not any(name in str(found.quiet().to_json()) for name in ("Ada", "Bob", "Eve"))
    told = inferred([("TRUE", "False", "true")[i % 3] for i in range(300)])[1]
    assert told.quiet() == told


@pytest.mark.parametrize(
    ("values", "kind", "secrets"),
    [
        ([f"{i}.5" for i in range(300)], Kind.NUMERIC, ["299.5", "0.5"]),
        ([str(4915112345678 + i * i) for i in range(300)], Kind.NUMERIC, ["4915112"]),
        ([str(2**60 + 3 + i % 60) for i in range(300)], Kind.NUMERIC, [str(2**60)[:12]]),
        (["17.25", "18.75"] * 150, Kind.BINARY, ["17.25", "18.75"]),
        (["17.25"] * 300, Kind.CONSTANT, ["17.25"]),
        (["999.0"] * 30 + [f"{i % 50}.0" for i in range(270)], Kind.NUMERIC, ["999"]),
        (["4711E3", "4712E3"] * 150, Kind.CATEGORICAL, ["4711", "4712"]),
        ([f"${i}.50" for i in range(40)] * 10, Kind.CATEGORICAL, ["$0.50"]),
        (["Ada"] * 30 + [f"{i % 50}.5" for i in range(270)], Kind.NUMERIC, ["Ada", "49.5"]),
        (["Ada", "Bob", "Eve"] + [f"{i % 50}.5" for i in range(270)], Kind.CATEGORICAL, ["Ada", "0.5"]),
        ([f"{(1e9 if i % 2 else -1e9) + i * 0.5:.1f}" for i in range(600)], Kind.NUMERIC, ["-1000000000", "1e+09", "1006632960"]),
    ],
    ids=["numbers", "telephones", "origin", "two", "one", "sentinel", "codes", "unit", "marker", "mixed", "lost"],
)  # fmt: skip
def test_a_quiet_finding_tells_no_number_either_and_keeps_its_warnings(
    values: list[str | None], kind: Kind, secrets: list[str]
) -> None:
    """What is to be done is told without the values."""
    spec, found = inferred(values)
    assert spec.kind is kind
    quiet = found.quiet()
    assert len(quiet.warnings) == len(found.warnings)
    assert any(secret in str(found.to_json()) for secret in secrets)
    assert not [secret for secret in secrets if secret in str(quiet.to_json())]
    assert "may be personal" in quiet.why
