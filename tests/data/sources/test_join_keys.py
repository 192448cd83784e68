"""Keys of several columns as numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.specs import EncodedColumn
from penstock.data.sources.join_keys import JoinKeys

VALUES = st.sampled_from(["a", "b", "1", "1.0", " 1", "", None, "é"])


def columns_of(rows: list[tuple[str | None, ...]]) -> list[EncodedColumn]:
    return [EncodedColumn.of(list(column)) for column in zip(*rows, strict=True)]


def plain(key: tuple[str | None, ...]) -> tuple[str, ...] | None:
    told = tuple({"1.0": "1", " 1": "1"}.get(value or "", value or "") for value in key)
    return None if "" in told else told


@given(
    right=st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=15),
    left=st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=15),
)
def test_rows_have_the_same_number_where_they_have_the_same_key(
    right: list[tuple[str | None, ...]], left: list[tuple[str | None, ...]]
) -> None:
    """As a dictionary of tuples would have it; -1 of those that are not there."""
    keys, codes = JoinKeys.of(columns_of(right))
    known = {plain(key): int(code) for key, code in zip(right, codes, strict=True)}
    assert known.pop(None, -1) == -1
    assert len(set(known.values())) == len(known)
    assert keys.codes(columns_of(left)).tolist() == [known.get(plain(key), -1) for key in left]
    assert keys.codes(columns_of(right)).tolist() == codes.tolist()


@pytest.mark.parametrize("columns", [2, 5, 8])
def test_numbers_stay_small_however_many_columns_a_key_has(columns: int) -> None:
    """Cardinalities that are multiplied leave 64 bits at five columns of 8,000 values, and then a wrong row is joined."""
    rows = 8_000
    values = [str(n) for n in range(rows)]
    shuffled = [EncodedColumn(values, np.random.default_rng(n).permutation(rows)) for n in range(columns)]
    keys, codes = JoinKeys.of(shuffled)
    assert (codes.min(), codes.max(), len(np.unique(codes))) == (0, rows - 1, rows)
    other = [*shuffled[:-1], EncodedColumn(values, shuffled[-1].codes[::-1])]
    assert (keys.codes(other) == -1).all()


def test_keys_that_are_one_number_only_as_floats_are_not_joined() -> None:
    """Nor names that look like numbers: 1E3 and 1000, 007 and 7; 5.0 is 5."""
    texts = [44 * "1", 43 * "1" + "2", "1E3", "1000", "007", "7", "5"]
    keys, codes = JoinKeys.of([EncodedColumn.of(list(texts))])
    assert len(set(codes.tolist())) == len(texts)
    asked: list[str | None] = [43 * "1" + "2", 43 * "1" + "3", "1e3", "1000.0", "07", "5.0"]
    assert keys.codes([EncodedColumn.of(asked)]).tolist() == [codes[1], -1, -1, codes[3], -1, codes[6]]
