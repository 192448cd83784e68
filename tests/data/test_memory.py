"""What is remembered of rows is enough to know them again."""

from __future__ import annotations

import numpy as np

from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.split import LEFT_OUT, TEST, TRAIN, VALID


def prints(*numbers: int) -> np.ndarray:
    return np.array([[n, n * 7] for n in numbers], dtype=np.uint64)


def memory() -> RowMemory:
    return RowMemory.of(
        row=prints(1, 1, 2, 3, 0),
        content=prints(11, 11, 12, 13, 14),
        target=np.array([5, 5, 6, 0, 5], dtype=np.uint64),
        group=np.array([8, 8, 9, 0, 9], dtype=np.uint64),
        part=np.array([TRAIN, TRAIN, TEST, LEFT_OUT, VALID], dtype=np.int8),
        envelope=np.array([-1, -1, 3, -1, -1], dtype=np.int16),
    )


def test_alike_rows_are_one_entry_with_a_count() -> None:
    """Two joined count all."""
    assert memory().count.tolist() == [2, 1, 1, 1]
    assert RowMemory.joined(memory(), memory()).count.tolist() == [4, 2, 2, 2]


def test_it_survives_storing() -> None:
    """Bit for bit."""
    again = RowMemory.from_bytes(memory().to_bytes())
    for name in ("row", "content", "target", "group", "part", "envelope", "count"):
        assert getattr(again, name).tolist() == getattr(memory(), name).tolist()


def test_rows_are_found_by_text_and_by_content() -> None:
    """Rows left out, and rows that came without text, are not found by it."""
    parts, envelopes = memory().parts_of_rows(prints(2, 9, 1, 3, 0))
    assert parts.tolist() == [TEST, UNKNOWN, TRAIN, UNKNOWN, UNKNOWN]
    assert envelopes.tolist() == [3, -1, -1, -1, -1]
    assert memory().parts_of_content(prints(14, 13, 12))[0].tolist() == [VALID, UNKNOWN, TEST]


def test_groups_are_found() -> None:
    """0 stands for no group."""
    assert memory().parts_of_groups(np.array([8, 9, 7, 0], dtype=np.uint64))[0].tolist() == [
        TRAIN,
        TEST,
        UNKNOWN,
        UNKNOWN,
    ]
