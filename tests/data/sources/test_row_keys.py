"""Newer rows find those whose place they take by 16 bytes a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.sources.row_keys import RowKeys, by_chunk, from_bytes, replaced_by, replaced_within, to_bytes

KEYS = st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "b", "é", "1", "\ud800"])), max_size=12)


def hashed(keys: list[str | None], secret: bytes = b"s") -> np.ndarray:
    found = RowKeys(secret)
    for key in keys:
        found.add(key)
    return from_bytes(to_bytes(found.array()))


@given(old=KEYS, new=KEYS)
def test_what_is_replaced_is_what_the_keys_themselves_say(old: list[str | None], new: list[str | None]) -> None:
    """Of several rows of a key the last one stays; rows without a key replace nothing, and nothing replaces them."""
    expected = [i for i, key in enumerate(old) if key is not None and key in new]
    assert replaced_by(hashed(old), hashed(new)).tolist() == expected
    expected = [i for i, key in enumerate(new) if key is not None and key in new[i + 1 :]]
    assert replaced_within(hashed(new)).tolist() == expected


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5), data=st.data())
def test_positions_are_told_by_chunk(sizes: list[int], data: st.DataObject) -> None:
    """Each row is named once, in its chunk."""
    positions = sorted(data.draw(st.sets(st.integers(0, sum(sizes) - 1))))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).tolist()
    told = by_chunk(np.array(positions, dtype=np.int64), sizes)
    assert [start + i for start, chunk in zip(starts, told, strict=True) for i in chunk] == positions


def test_keys_are_hashed_under_a_secret() -> None:
    """Whoever has none cannot try keys."""
    assert not np.array_equal(hashed(["a"], b"one"), hashed(["a"], b"two"))


@pytest.mark.parametrize("keys", [[], [None], [None, None]])
def test_no_key_at_all(keys: list[str | None]) -> None:
    assert replaced_by(hashed(["a"]), hashed(keys)).tolist() == []
    assert replaced_within(hashed(keys)).tolist() == []
