"""Numbers read by Arrow are those that the decoder reads, to the last bit; what only the decoder understands is left to it."""

from __future__ import annotations

import math
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec
from penstock.serving.batch.columns import encoded
from penstock.serving.batch.numbers import may_be_plain, plain_numbers

SPEC = ColumnSpec("x", Kind.NUMERIC, missing=("?", "-999"))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers().map(str)
WRITTEN = st.text("0123456789+-.eE", max_size=24)
ODD = st.sampled_from(
    ["", "?", " 1", "1 ", "nan", "inf", "-Infinity", "0x1p3", "1_000", "1e999", "٣", "-999", "-999.0", "1,5", "."]
)


@given(st.lists(st.none() | NUMBERS | WRITTEN | ODD, min_size=1, max_size=8))
@example(["1e-400"])
@example(["1.7976931348623159e308"])
@example(["nan", None])
def test_what_is_read_is_what_the_decoder_reads(texts: list[str | None]) -> None:
    """Or nothing is read, and the decoder is asked."""
    column = pa.array(texts, pa.string())
    decoded, problems = Decoder((SPEC,), None).decode_columns({"x": encoded(column)})
    for given_as in (column, column.dictionary_encode()):
        numbers = plain_numbers(given_as, SPEC)
        if numbers is None:
            continue
        assert not problems
        assert [_bits(n) for n in numbers] == [_bits(n) for n in decoded["x"]]


def test_plain_numbers_are_read_here() -> None:
    """Else the fast way would be tested by nothing."""
    numbers = plain_numbers(pa.array(["1", "", "?", None, "-2.5e3", "-999"]), SPEC)
    assert numbers is not None
    np.testing.assert_array_equal(numbers, [1, math.nan, math.nan, math.nan, -2500, math.nan])


@pytest.mark.parametrize("values", [[1.5, None, math.nan], [1.5, math.inf]])
def test_stored_doubles_are_taken_and_infinity_is_left_to_the_decoder(values: list[float | None]) -> None:
    """Which refuses it."""
    numbers = plain_numbers(pa.array(values, pa.float64()), SPEC)
    if math.inf in values:
        assert numbers is None
    else:
        np.testing.assert_array_equal(numbers, [1.5, math.nan, math.nan])


@pytest.mark.parametrize("more", [{"decimal": ","}, {"thousands": ","}])
def test_marks_of_another_country_are_the_decoders(more: dict[str, str]) -> None:
    """`1,5` is no number to Arrow, and `1.500` another one."""
    assert not may_be_plain(ColumnSpec("x", Kind.NUMERIC, **more))


def _bits(number: float) -> bytes:
    return b"nan" if math.isnan(number) else struct.pack("d", number)
