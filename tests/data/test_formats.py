"""Numbers and dates are read by the evidence of the whole column."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.decoder import EncodedColumn
from penstock.data.evidence import Evidence
from penstock.data.formats import date_format, number_format
from penstock.data.writing import Written


def evidence(values: list[str]) -> Evidence:
    return Evidence.of(EncodedColumn.of(values), np.arange(len(values)))


@pytest.mark.parametrize(
    ("texts", "form", "numbers"),
    [
        (["1", "2.5", "-3e2"], (".", ""), [1, 2.5, -300]),
        (["1,5", "2", "-0,25"], (",", ""), [1.5, 2, -0.25]),
        (["1.234,5", "7"], (",", "."), [1234.5, 7]),
        (["1,234.5", "7"], (".", ","), [1234.5, 7]),
        (["1 234,5", "7"], (",", " "), [1234.5, 7]),
        (["1'234", "7"], (".", "'"), [1234, 7]),
        (["1,234", "5,678"], (".", ","), [1234, 5678]),
    ],
)
def test_a_number_format_fits_all_values(texts: list[str], form: tuple[str, str], numbers: list[float]) -> None:
    """Decimal commas, thousands points, spaces and quotes."""
    found = number_format(texts)
    assert found is not None
    assert (found.decimal, found.thousands) == form
    assert found.numbers.tolist() == numbers


@pytest.mark.parametrize("texts", [["1", "x"], ["nan"], ["1_000"], ["0x1f"], ["1e999"], ["1.2.3", "4"], ["$5", "$6"]])
def test_what_is_no_number_is_none(texts: list[str]) -> None:
    """No inf, no hex, no underscores, no units."""
    assert number_format(texts) is None


def test_an_ambiguous_comma_is_told() -> None:
    """Three digits behind every comma: thousands, but it could be otherwise."""
    found = number_format(["1,234", "5,678"])
    assert found is not None
    assert "where they are decimal marks, say it" in found.why


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["2026-11-20", "2025-01-02"], ("iso",)),
        (["2026-11-20T10:00:00Z", "2026-11-20 10:00:00.123+02:00"], ("iso",)),
        (["31/12/2025", "01/02/2026"], ("%d/%m/%Y",)),
        (["12/31/2025", "01/02/2026"], ("%m/%d/%Y",)),
        (["31.12.2025", "01.02.2026"], ("%d.%m.%Y",)),
        (["31.12.25 23:59", "01.02.26 00:00"], ("%d.%m.%y %H:%M",)),
        (["2025/12/31", "2026/02/01"], ("%Y/%m/%d",)),
        (["31 Dec 2025", "1 Feb 2026"], ("%d %b %Y",)),
        (["12/31/2025 11:59 PM", "01/02/2026 12:00 AM"], ("%m/%d/%Y %I:%M %p",)),
        (["2026-11-20", "2026-11-21", "21/11/2026"], ("iso", "%d/%m/%Y")),
    ],
)
def test_date_formats_are_found(values: list[str], formats: tuple[str, ...]) -> None:
    """Also two in one column."""
    found = date_format(evidence(values), "when")
    assert found is not None
    assert found.formats == formats


def test_day_and_month_are_told_apart_by_the_order_of_the_rows() -> None:
    """Every value reads both ways, but only one way do rows follow each other in time."""
    days = [f"{day:02}/{month:02}/2025" for month in range(1, 13) for day in range(1, 13)]
    found = date_format(evidence(days), "when")
    assert found is not None
    assert found.formats == ("%d/%m/%Y",)
    assert "follow each other" in found.warnings[0]


@pytest.mark.parametrize("separator", "/.-")
@pytest.mark.parametrize(("pattern", "days"), [("%d{0}%m{0}%Y", "01"), ("%m{0}%d{0}%Y", "05")])
def test_a_day_that_never_varies_is_the_day(separator: str, pattern: str, days: str) -> None:
    """A table of a row a month is not one of the first days of a January, however close those would lie."""
    form = pattern.format(separator)
    dates = [form.replace("%d", days).replace("%m", f"{month:02}").replace("%Y", "2025") for month in range(1, 13)]
    found = date_format(evidence(dates), "when")
    assert found is not None
    assert (found.formats, found.leaning) == ((form,), True)
    assert found.swapped == (pattern.replace("%d", "%x").replace("%m", "%d").replace("%x", "%m").format(separator),)
    assert "the day of the month is then always the same" in found.warnings[0]


def test_dates_that_read_both_ways_are_told() -> None:
    """Taken by the separator, with a warning."""
    found = date_format(evidence(["01/02/2025", "02/01/2025"]), "when")
    assert found is not None
    assert "cannot be told apart" in found.warnings[0]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["20251231", "20260101"], "amount"),
        (["12:30", "13:45"], "time"),
        (["2025", "2026"], "year"),
        (["A1-2-33"], "x"),
    ],
)
def test_what_is_no_date_is_none(values: list[str], name: str) -> None:
    """Eight digits are a date only where the name speaks of time."""
    assert date_format(evidence(values), name) is None


def test_eight_digits_are_a_date_where_the_name_says_so() -> None:
    """As written by many databases."""
    found = date_format(evidence(["20251231", "20260101"]), "order_date")
    assert found is not None
    assert found.formats == ("%Y%m%d",)


def test_what_is_said_of_dates_is_taken_as_it_is() -> None:
    """Nothing is guessed then, and nothing warned of; what would settle a guess stands in its warning."""
    values = evidence(["01/02/2025", "02/01/2025"])
    found = date_format(values, "sold at")
    assert found is not None
    assert 'formats."sold at" = "%m/%d/%Y" under [data]' in found.warnings[0]
    told = date_format(values, "sold at", Written(formats=("%d/%m/%Y",)))
    assert told is not None
    assert (told.formats, told.swapped, told.warnings) == (("%d/%m/%Y",), (), ())
    mixed = evidence(["2026-01-02T10:00:00Z", "2026-01-02 11:00"])
    assert "[data] timezone" in date_format(mixed, "at").warnings[0]  # type: ignore[union-attr]
    assert date_format(mixed, "at", Written(timezone="Europe/Berlin")).warnings == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("texts", "said", "numbers"),
    [
        (["1,234", "5,678"], Written(decimal=","), [1.234, 5.678]),
        (["1,234", "5,678"], Written(thousands=","), [1234.0, 5678.0]),
        (["1.234", "5.678"], Written(decimal=","), [1234.0, 5678.0]),
        (["7", "8"], Written(decimal=","), [7.0, 8.0]),
        (["1.5", "2"], Written(decimal=","), None),
        (["1.234", "5"], Written(decimal=",", thousands=""), None),
        (["1_000", "2_000,5"], Written(decimal=",", thousands="_"), [1000.0, 2000.5]),
        (["1.5", "2"], Written(decimal="."), [1.5, 2.0]),
    ],
)
def test_marks_of_numbers_that_are_said_decide(texts: list[str], said: Written, numbers: list[float] | None) -> None:
    """Of the others none is tried."""
    found = number_format(texts, said)
    assert (None if found is None else found.numbers.tolist()) == numbers
    assert found is None or said.decimal in ("", found.decimal)
    assert found is None or said.thousands in (None, found.thousands)
