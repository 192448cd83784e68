"""Chunks that follow those of the version before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data import chunks, cuts
from penstock.data.cuts import Cutter, followed
from penstock.objects.store import ObjectStore, open_store


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """Chunks of 64 rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_ROWS", 64)
        patch.setattr(cuts, "LOOK_ROWS", 64)
        patch.setattr(chunks, "SMALL_ROWS", 16)
        yield


def table(numbers: list[int]) -> pa.Table:
    """Rows that are alike where their numbers are, with missing values and NaN among them."""
    texts = pa.array([None if n % 5 == 0 else f"t{n % 7}" for n in numbers], type=pa.string())
    floats = np.array([np.nan if n % 3 == 0 else n for n in numbers], dtype=np.float64)
    return pa.table({"c0": texts, "c1": pa.array(floats), "y": pa.array(np.array(numbers, dtype=np.int64))})


def store(objects: ObjectStore, numbers: list[int], like: list[dict[str, Any]], step: int = 37) -> list[dict[str, Any]]:
    cutter = Cutter(objects, followed(like), chunks.table_bytes, chunks.bytes_table)
    for start in range(0, len(numbers), step):
        cutter.add(table(numbers[start : start + step]))
    return cutter.close()


def read(objects: ObjectStore, stored: list[dict[str, Any]]) -> list[int]:
    tables = [chunks.bytes_table(objects.get(chunk["object"])) for chunk in stored]
    assert [t.num_rows for t in tables] == [chunk["rows"] for chunk in stored]
    return list(itertools.chain.from_iterable(t.column("y").to_pylist() for t in tables))


def new_rows(stored: list[dict[str, Any]], before: list[dict[str, Any]]) -> int:
    """Rows in chunks that the parent does not have."""
    known = {chunk["object"] for chunk in before}
    return sum(chunk["rows"] for chunk in stored if chunk["object"] not in known)


ROWS = list(range(1000))


@pytest.mark.parametrize(
    ("changed", "most"),
    [
        (ROWS, 0),
        (ROWS + list(range(5000, 5010)), 10),
        ([*ROWS[:300], 7777, *ROWS[301:]], 64),
        ([*ROWS[:300], 7777, *ROWS[300:]], 65),
        ([*ROWS[:300], *ROWS[301:]], 63),
        ([*ROWS[:300], *range(5000, 5060), *ROWS[300:]], 124),
        (ROWS[100:], 128),
        ([*ROWS[:319], *ROWS[320:]], 128),
        (ROWS[:500], 64),
        (ROWS[::-1], 1000),
        ([], 0),
    ],
)
def test_what_stayed_the_same_is_not_stored_again(changed: list[int], most: int) -> None:
    """Rows that are appended, changed, put in, taken out (also the last of a chunk); another order shares nothing."""
    objects = open_store("memory://")
    before = store(objects, ROWS, [])
    assert [chunk["rows"] for chunk in before[:-1]] == [64] * 15
    after = store(objects, changed, before)
    assert read(objects, after) == changed
    assert new_rows(after, before) <= most


def test_many_small_appends_do_not_end_in_many_chunks() -> None:
    """Each stores what is new; now and then the small ones are put together."""
    objects, numbers, stored = open_store("memory://"), list(ROWS), store(open_store("memory://"), [], [])
    new = 0
    for number in range(60):
        numbers += range(10_000 + 10 * number, 10_010 + 10 * number)
        before, stored = stored, store(objects, numbers, stored)
        new += new_rows(stored, before) if number else 0
        assert len(stored) < 40
    assert read(objects, stored) == numbers
    assert new < 60 * 10 * 4


def test_the_size_of_batches_does_not_matter() -> None:
    """The same rows under the same parent are the same chunks."""
    objects = open_store("memory://")
    before = store(objects, ROWS, [])
    changed = [*ROWS[:300], 7777, *ROWS[301:], 5000]
    assert (
        store(objects, changed, before, 37)
        == store(objects, changed, before, 1000)
        == store(objects, changed, before, 1)
    )


def test_a_parent_that_cannot_be_followed_costs_nothing_but_the_rows() -> None:
    """Its chunks are lost, or have other columns."""
    objects = open_store("memory://")
    before = store(objects, ROWS, [])
    for chunk in before:
        objects.delete(chunk["object"])
    assert read(objects, store(objects, [1, *ROWS[2:]], before)) == [1, *ROWS[2:]]
    other = chunks.table_bytes(pa.table({"c0": pa.array([1.0] * 64), "y": pa.array([1] * 64)}))
    stored = store(objects, ROWS, [{"object": objects.put(other), "rows": 64}] * 3)
    assert read(objects, stored) == ROWS
    assert [chunk["rows"] for chunk in stored[:-1]] == [64] * 15


@settings(max_examples=60, deadline=None)
@given(
    versions=st.lists(st.lists(st.integers(0, 30), max_size=400), min_size=2, max_size=4),
    step=st.sampled_from([1, 50, 1000]),
    most_bytes=st.sampled_from([1, 500, chunks.CHUNK_BYTES]),
)
def test_whatever_the_parent_is_the_rows_are_the_rows(versions: list[list[int]], step: int, most_bytes: int) -> None:
    """With rows that repeat, so that ends are found in wrong places too; the size of batches does not matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", most_bytes)
        objects, like = open_store("memory://"), list[dict[str, Any]]()
        for numbers in versions:
            after = store(objects, numbers, like, step)
            assert read(objects, after) == numbers
            assert store(objects, numbers, like, 17) == after
            assert store(objects, numbers, after) == after
            like = after


def test_a_chunk_ends_before_it_has_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the rows alone, and one row may have more; what its bytes ended is no small chunk that is put together with others."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 300)
    objects = open_store("memory://")
    before = store(objects, ROWS, [])
    assert {chunk["rows"] for chunk in before[:-1]} == {11}  # of 24 bytes, and two of text in most rows
    assert all(chunk["full"] for chunk in before[:-1])
    assert len(followed(before)) == len(before) > cuts.SMALL_CHUNKS
    after = store(objects, [*ROWS, *range(2000, 2010)], before)
    assert new_rows(after, before) <= 12
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)
    assert [chunk["rows"] for chunk in store(objects, ROWS[:5], [])] == [1] * 5
