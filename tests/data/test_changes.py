"""What changed between two versions, against the plain count of it."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data import changes
from penstock.data.changes import VersionDiff, diff_of
from penstock.data.memory import RowMemory
from penstock.data.split import PARTS

ENTRY = st.tuples(
    st.integers(0, 3), st.integers(1, 3), st.integers(0, 2), st.sampled_from([-3, -1, 0, 1, 2]), st.integers(0, 3)
)


def memory(entries: list[tuple[int, int, int, int, int]]) -> RowMemory:
    """Row 0 came without raw text."""
    row, content, target, part, count = np.array(entries, dtype=np.int64).reshape(-1, 5).T
    pair = lambda values: np.stack([values, values * 0 + 7 * (values > 0)], axis=1).astype(np.uint64)
    return RowMemory(
        pair(row), pair(content), target.astype(np.uint64), target.astype(np.uint64) * 0,
        part.astype(np.int8), (part * 0 - 1).astype(np.int16), count,
    )  # fmt: skip


def version(lineage: str, key: str | None) -> Any:
    decoder = SimpleNamespace(columns=[])
    return SimpleNamespace(
        lineage=lineage, row_key=key, inputs=["a"], decoder=decoder, target=SimpleNamespace(classes=())
    )


def counted(
    before: RowMemory, now: RowMemory, comparable: bool, keyed: bool
) -> tuple[int, int, int, int, dict[str, int]]:
    """Row by row, as a person would."""
    sides: list[dict[Any, tuple[Counter[Any], int]]] = []
    for side in (before, now):
        found: dict[Any, tuple[Counter[Any], int]] = {}
        for i, count in enumerate(side.count.tolist()):
            raw = tuple(side.row[i].tolist())
            print_ = raw if comparable and any(raw) else tuple(side.content[i].tolist())
            state = (int(side.target[i]), int(side.content[i, 0])) if keyed else int(side.target[i])
            found.setdefault(print_, (Counter(), int(side.part[i])))[0][state] += count
        sides.append(found)
    added = removed = changed = unchanged = 0
    added_to = dict.fromkeys(PARTS, 0)
    for print_ in sides[0].keys() | sides[1].keys():
        old, _ = sides[0].get(print_, (Counter[Any](), -1))
        new, part = sides[1].get(print_, (Counter[Any](), -1))
        same = (old & new).total()
        unchanged += same
        changed += min(old.total(), new.total()) - same
        removed += max(0, old.total() - new.total())
        added += max(0, new.total() - old.total())
        if part >= 0:
            added_to[PARTS[part]] += max(0, new.total() - old.total())
    return added, removed, changed, unchanged, added_to


@given(
    st.lists(ENTRY, max_size=12),
    st.lists(ENTRY, max_size=12),
    st.sampled_from([None, "id"]),
    st.booleans(),
    st.sampled_from([2, 1 << 20]),
)
def test_rows_are_counted_as_a_person_would(
    old: list[tuple[int, int, int, int, int]],
    new: list[tuple[int, int, int, int, int]],
    key: str | None,
    same: bool,
    at_once: int,
) -> None:
    """With a key and without one, within a lineage and between two, all at once and in turns; also where there is no row at all."""
    before, now = memory(old), memory(new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "_AT_ONCE", at_once)
        found = diff_of(version("a", key), before, version("a" if same else "b", key), now)
    assert isinstance(found, VersionDiff)
    told = (found.added, found.removed, found.changed, found.unchanged, found.added_to)
    assert told == counted(before, now, same, same and key is not None)


def test_a_memory_comes_back_from_its_table_in_pieces() -> None:
    """Also of slices, and of no rows."""
    import pyarrow as pa

    whole = memory([(i % 4, i, i % 3, i % 3, 1) for i in range(1, 20)])
    table = whole.to_table()
    pieces = pa.concat_tables([table.slice(0, 5), table.slice(5, 0), table.slice(5)])
    for name in ("row", "content", "target", "group", "part", "envelope", "count"):
        assert np.array_equal(getattr(RowMemory.from_table(pieces), name), getattr(whole, name))
    assert RowMemory.from_table(table.slice(0, 0)).row.shape == (0, 2)
