"""Whole columns of canonical texts are those of single values."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.bundle.numbers import number_text
from penstock.data import canonical
from penstock.data.canonical import canonical_bytes, canonical_text, key_text, number_bytes


def canonical_texts(values: Sequence[str | None]) -> list[str | None]:
    return [None if text is None else text.decode("utf-8", "surrogatepass") for text in canonical_bytes(values)]


def number_texts(numbers: np.ndarray) -> list[str | None]:
    return [None if text is None else text.decode() for text in number_bytes(numbers)]


ODD = ["0.5", "-0.0", "0.0001", "0.00001", "1e-05", "1.0", "1.50", ".5", "5.", "1e3", "9007199254740993", "007", "inf", "nan",
       " 0.25 ", "123456789012345.6", "1234567890123456.5", "999999999999999.9", "0.1000000000000000055", "-1.5", "+1.5"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(), max_size=8))
@example([1e-4, 1e15, 0.30000000000000004, 5e-324, 1.7976931348623157e308, 2.0**53, -0.0, 1e22])
def test_numbers_of_a_column_are_written_as_single_ones(numbers: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "MANY", 0)
        written = number_texts(np.array(numbers, dtype=np.float64))
    assert written == [None if math.isnan(x) else number_text(x) for x in numbers]


def test_numbers_of_all_sizes_are_written_as_python_writes_them() -> None:
    """A hundred thousand, by their bits: Arrow and Python agree on the shortest digits."""
    draw = random.Random(0)
    numbers = [struct.unpack("<d", struct.pack("<Q", draw.getrandbits(64)))[0] for _ in range(20_000)]
    numbers += [draw.uniform(-1, 1) * 10.0 ** draw.randint(-5, 16) for _ in range(60_000)]
    numbers += [round(draw.uniform(-1e4, 1e4), draw.randint(0, 6)) for _ in range(20_000)]
    numbers = [x for x in numbers if math.isfinite(x)]
    assert number_texts(np.array(numbers)) == list(map(number_text, numbers))
    texts = [repr(x) for x in numbers]
    assert canonical_texts(["0.5", *texts]) == ["0.5", *map(canonical_text, texts)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | st.sampled_from(ODD) | st.text(max_size=6) | st.floats().map(repr), max_size=8))
def test_texts_of_a_column_are_those_of_single_ones(values: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "MANY", 0)
        found = list(canonical_texts(["0.5", *values]))
    assert found == ["0.5", *(None if value is None else canonical_text(value) for value in values)]


def test_texts_that_are_no_unicode_are_no_error() -> None:
    texts = ["0.5", "\ud800"] * canonical.MANY
    assert canonical_texts(texts) == texts


DIGITS = st.text("0123456789", min_size=1, max_size=50)
KEYS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "-", "+"]),
    DIGITS,
    st.just("") | DIGITS.map(".{}".format),
    st.sampled_from(["", "", "", "e-05", "e+16", "E3", "e3"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(KEYS, min_size=2, max_size=6))
@example([44 * "1", 43 * "1" + "2", "1e+43"])
@example(["007", "7", "7.0", "1E3", "1000", "1e+03", "0.1", "0.10000000000000000001"])
def test_two_keys_are_one_only_where_they_are_the_same_number_exactly(texts: list[str]) -> None:
    """At any length; no digit is lost to a float."""
    by_key: dict[str, set[Decimal]] = {}
    for text in texts:
        by_key.setdefault(key_text(text), set()).add(Decimal(text))
        assert key_text(key_text(text)) == key_text(text)
    assert all(len(numbers) == 1 for numbers in by_key.values())


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["1.50", " 1.5", "+1.5"], {"1.5"}),
        (["7", "7.0", "+7", "7."], {"7"}),
        (["007", "07", "7"], {"007", "07", "7"}),
        (["1E3", "1e3", "1000"], {"1E3", "1e3", "1000"}),
        (["1e+16", "10000000000000000"], {"10000000000000000"}),
        (["0.00001", "1e-05"], {"1e-05"}),
        ([44 * "1", 44 * "1" + ".0"], {44 * "1"}),
        (["1" + 400 * "0", "1" + 399 * "0" + "1"], {"1" + 400 * "0", "1" + 399 * "0" + "1"}),
        (["-0", "0.0", "0"], {"0"}),
        (["True", "true"], {"true"}),
        (["caf\u00e9", "cafe\u0301 "], {"caf\u00e9"}),
    ],
)
def test_spellings_of_a_number_are_one_key_and_names_that_look_like_numbers_are_not(
    texts: list[str], names: set[str]
) -> None:
    """5 and 5.0 are written for the same; an article 1E3 is not the article 1000, nor 007 the article 7."""
    assert {key_text(text) for text in texts} == names


NAMES = st.from_regex(r"[A-Za-zäß][\w -]{0,8}", fullmatch=True)


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**19), 10**19).map(str) | NAMES | st.dates().map(str) | st.uuids().map(str))
@example("12.5")
@example("True")
def test_ordinary_keys_are_what_they_were_when_rows_were_dealt_first(text: str) -> None:
    """Plain integers, decimals and texts: else rows of tables that exist would move between parts."""
    assert key_text(text) == canonical_text(text)


def test_whole_numbers_of_any_length_keep_their_digits() -> None:
    """Twenty-one digits and more were rounded to the nearest float: a thousand invoices had one number."""
    texts = [f"3524{n:040d}" for n in range(5)]
    assert [canonical_text(text) for text in texts] == texts
    assert (canonical_text("1" + 21 * "0"), canonical_text(30 * "0" + "7")) == ("1e+21", "7")
