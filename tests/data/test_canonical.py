"""Whole columns of canonical texts are those of single values."""

from __future__ import annotations

import math
import random
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.bundle.numbers import number_text
from penstock.data import canonical
from penstock.data.canonical import canonical_text, canonical_texts, number_texts

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
