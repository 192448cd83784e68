"""What changed from one version of a data set to another: rows by their fingerprints, columns, classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.data.memory import RowMemory
from penstock.data.split import PARTS, distinct
from penstock.data.versions import DatasetVersion, load_memory
from penstock.objects.store import ObjectStore


@dataclass(frozen=True)
class VersionDiff:
    """What changed from one version to another. Of test rows it says how many, as of all others.

    Attributes
    ----------
    added, removed : rows that are in one of the two only; a row with another value in any input is both, unless a key
        says that it is the same row.
    changed : rows whose inputs stayed and whose target changed; with a key, rows with any change. unchanged : all others.
    added_to : rows added, by part.
    columns_added, columns_removed : names. kinds : name -> (before, now), where the kind changed.
    classes_added : classes of the target that are new.
    """

    added: int
    removed: int
    changed: int
    unchanged: int
    added_to: dict[str, int]
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    kinds: dict[str, tuple[str, str]]
    classes_added: tuple[Any, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": {
                "added": self.added,
                "removed": self.removed,
                "changed": self.changed,
                "unchanged": self.unchanged,
                "added_to": self.added_to,
            },
            "columns": {
                "added": list(self.columns_added),
                "removed": list(self.columns_removed),
                "kinds": {name: list(pair) for name, pair in self.kinds.items()},
            },
            "classes_added": list(self.classes_added),
        }


def diff(objects: ObjectStore, old: DatasetVersion, new: DatasetVersion) -> VersionDiff:
    """What changed from `old` to `new`."""
    return diff_of(old, load_memory(objects, old), new, load_memory(objects, new))


def diff_of(old: DatasetVersion, before: RowMemory, new: DatasetVersion, now: RowMemory) -> VersionDiff:
    """As `diff`, with what both remember of their rows. Some hundred bytes for each different row are needed, in arrays."""
    comparable = (old.lineage, old.row_key) == (new.lineage, new.row_key)
    keyed = comparable and new.row_key is not None and old.inputs == new.inputs  # else each row differs by a column
    rows = _Rows.of(before, now, comparable=comparable, keyed=keyed)
    old_kinds = {spec.name: str(spec.kind) for spec in old.decoder.columns}
    new_kinds = {spec.name: str(spec.kind) for spec in new.decoder.columns}
    shared = [name for name in new_kinds if name in old_kinds]
    return VersionDiff(
        rows.added, rows.removed, rows.changed, rows.unchanged, rows.added_to,
        tuple(name for name in new_kinds if name not in old_kinds),
        tuple(name for name in old_kinds if name not in new_kinds),
        {name: (old_kinds[name], new_kinds[name]) for name in shared if old_kinds[name] != new_kinds[name]},
        tuple(label for label in new.target.classes if label not in old.target.classes),
    )  # fmt: skip


_AT_ONCE = 1 << 17  # entries of one side


@dataclass(frozen=True)
class _Rows:
    """Rows of two memories that are alike, and those that are not."""

    added: int
    removed: int
    changed: int
    unchanged: int
    added_to: dict[str, int]

    @classmethod
    def of(cls, before: RowMemory, now: RowMemory, *, comparable: bool, keyed: bool) -> _Rows:
        """Rows of one fingerprint are the same where they are in the same state; of the others, as many as both have changed.

        Of many rows, those of some fingerprints at a time.
        """
        sides = [_identities(memory, comparable, keyed) for memory in (before, now)]
        turns = min(1 + max(len(states) for _, states in sides) // _AT_ONCE, 1 << 16)
        found = cls(0, 0, 0, 0, dict.fromkeys(PARTS, 0))
        for these in zip(*(_in_turns(prints, turns) for prints, _ in sides), strict=True):
            of = [(prints[rows], states[rows]) for (prints, states), rows in zip(sides, these, strict=True)]
            found = found.plus(cls._of_some(of, before.count[these[0]], now.count[these[1]], now.part[these[1]]))
        return found

    @classmethod
    def _of_some(
        cls, sides: list[tuple[np.ndarray, np.ndarray]], had: np.ndarray, has: np.ndarray, parts: np.ndarray
    ) -> _Rows:
        """Of some fingerprints and states, before and now, with the rows that each entry had and `has`, and the `parts` of those now."""
        prints, states = (np.concatenate(pair) for pair in zip(*sides, strict=True))
        first, row, _ = distinct(prints)
        _, state, _ = distinct(np.stack([row.astype(np.uint64), states], axis=1))
        old, new = slice(0, len(had)), slice(len(had), len(states))
        rows = [_sums(row[side], count, len(first)) for side, count in ((old, had), (new, has))]
        in_state = [_sums(state[side], count, len(states)) for side, count in ((old, had), (new, has))]
        unchanged = int(np.minimum(*in_state).sum())
        more = np.maximum(0, rows[1] - rows[0])
        part = np.full(len(first), -1, dtype=np.int64)
        part[row[new][::-1]] = parts[::-1]  # of several, the last that is written stays: the first entry
        added_to = _sums(part[part >= 0], more[part >= 0], len(PARTS)).tolist()
        return cls(
            int(more.sum()),
            int(np.maximum(0, rows[0] - rows[1]).sum()),
            int(np.minimum(*rows).sum()) - unchanged,
            unchanged,
            dict(zip(PARTS, added_to, strict=True)),
        )

    def plus(self, other: _Rows) -> _Rows:
        """Both together, of different fingerprints."""
        added_to = {name: rows + other.added_to[name] for name, rows in self.added_to.items()}
        return _Rows(
            self.added + other.added, self.removed + other.removed, self.changed + other.changed, self.unchanged + other.unchanged,
            added_to,
        )  # fmt: skip


def _in_turns(prints: np.ndarray, turns: int) -> list[np.ndarray]:
    """Places of fingerprints, those of each turn in order: int64."""
    turn = (prints[:, 0] % np.uint64(turns)).astype(np.uint16)
    return np.split(np.argsort(turn, kind="stable"), np.cumsum(np.bincount(turn, minlength=turns))[:-1])


def _identities(memory: RowMemory, comparable: bool, keyed: bool) -> tuple[np.ndarray, np.ndarray]:
    """What each entry is known by, uint64 (m, 2): raw rows within a lineage, decoded ones between two; and its state, uint64 (m,).

    Where a key says which row is which, another value in any of its columns is a change, as another target is.
    """
    by_row = memory.row.any(axis=1, keepdims=True)
    prints = np.where(by_row, memory.row, memory.content) if comparable else memory.content
    return prints, memory.target + memory.content[:, 0] * np.uint64(0x9E3779B97F4A7C15) if keyed else memory.target


def _sums(codes: np.ndarray, counts: np.ndarray, length: int) -> np.ndarray:
    """The sum of the counts of each code: int64, shape (length,)."""
    sums = np.zeros(length, dtype=np.int64)
    np.add.at(sums, codes, counts)
    return sums
