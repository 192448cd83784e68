"""What changed between two tables that are files: rows, columns, distributions.

Each is read once, batch by batch: 32 bytes of a row are kept, and a sample of rows for the distributions (all, where they fit).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.specs import EncodedColumn
from penstock.data.fingerprints import row_hashes
from penstock.data.keys import key_hashes
from penstock.data.sample import Sample
from penstock.data.shift import Shift, shift_of_numbers, shift_of_values
from penstock.data.sources.file import FileSource
from penstock.data.split import distinct
from penstock.errors import BadParameter, SourceError


def changed_rows(before: Path, now: Path, *, key: str | None = None, declared: str | None = None) -> dict[str, Any]:
    """Rows added, removed and changed, columns added and removed, and how values are distributed. The tables may be larger than memory.

    Without a key a row is its content (of the columns that both have), in any order: none is changed, only added or removed.
    `declared` is a key that is taken where both have it and it tells their rows apart; a note says which. Keys are compared as those of
    data sets are (`penstock.data.keys`).

    Raises
    ------
    SourceError : one of them cannot be read as a table. BadParameter : the key is not a column of both, or is not unique.
    """
    old, new, notes = _read(before, now, key or declared)
    names_old, names_new = old.source.names, new.source.names
    shared = _shared(old.source, new.source)
    if key is not None and key not in shared:
        raise BadParameter(f"{key!r} is not a column of both", why=f"both have {', '.join(shared)}", way_out="name one")
    if key is not None:
        for table in (old, new):
            table.refuse_twice(key)
    elif declared is not None and declared in shared:
        if old.has_key and new.has_key:
            key = declared
            notes.append(f"rows are told apart by {key!r}, the declared key")
        else:
            notes.append(f"rows are their content: the declared key {declared!r} does not tell them apart here")
    empty = [which for which, table in (("first", old), ("second", new)) if not len(table.content)]
    notes += [f"the {which} has no rows below its header: no distributions are compared" for which in empty]
    return {
        "rows": _by_content(old, new) if key is None else _by_key(old, new),
        "key": key,
        "notes": [*notes, *_told_of_samples(old, new)],
        "columns": {
            "added": [n for n in names_new if n not in names_old],
            "removed": [n for n in names_old if n not in names_new],
        },
        "shifts": [_shift(name, old.sample.columns[name], new.sample.columns[name]) for name in shared if not empty],
    }


@dataclass
class _Table:
    """What is known of a table.

    Attributes
    ----------
    content, keys : hashes of what rows hold and of their keys, uint64, shape (n, 2); zeros where there is no key.
    """

    source: FileSource
    content: np.ndarray
    keys: np.ndarray
    sample: Sample

    @classmethod
    def of(cls, source: FileSource, shared: list[str], key: str | None) -> _Table:
        content, keys, sample = [], [], Sample()
        for batch in source.batches_if_any():
            columns = batch.columns
            content.append(row_hashes({name: columns[name] for name in shared}, len(batch)))
            if key in shared:
                keys.append(key_hashes(columns[key]))
            sample.add(batch)
        none = np.zeros((0, 2), dtype=np.uint64)
        return cls(source, np.concatenate(content or [none]), np.concatenate(keys or [none]), sample)

    @property
    def has_key(self) -> bool:
        """Whether the key has another value in each row."""
        return bool(len(distinct(self.keys)[0]) == len(self.content))

    def refuse_twice(self, key: str) -> None:
        """Refuse a key that is in several rows, naming the most frequent one."""
        first, _, counts = distinct(self.keys)
        if len(first) == len(self.keys):
            return
        row = int(first[counts.argmax()])
        raise BadParameter(
            f"{key!r} is no key: {self._value(key, row)!r} is in {counts.max()} rows",
            why="a key tells rows apart",
            way_out="name another column, or none to compare rows by their content",
        )

    def _value(self, name: str, row: int) -> str | None:
        for batch in self.source.batches():
            if row < len(batch):
                column = batch.columns[name]
                code = int(column.codes[row])
                return column.values[code] if code >= 0 else None
            row -= len(batch)
        raise SourceError(
            f"{self.source.path} changed while it was read",
            why="it has fewer rows now",
            way_out="run it again when nobody writes to the file",
        )


def _by_content(old: _Table, new: _Table) -> dict[str, int]:
    first, codes, _ = distinct(np.concatenate([old.content, new.content]))
    sides = np.split(codes, [len(old.content)])
    same = int(np.minimum(*(np.bincount(side, minlength=len(first)) for side in sides)).sum())
    return {"added": len(new.content) - same, "removed": len(old.content) - same, "changed": 0, "unchanged": same}


def _by_key(old: _Table, new: _Table) -> dict[str, int]:
    first, codes, _ = distinct(np.concatenate([old.keys, new.keys]))
    rows = []
    for side in np.split(codes, [len(old.keys)]):
        place = np.full(len(first), -1, dtype=np.int64)
        place[side] = np.arange(len(side))
        rows.append(place)
    both = (rows[0] >= 0) & (rows[1] >= 0)
    changed = int((old.content[rows[0][both]] != new.content[rows[1][both]]).any(axis=1).sum())
    n = int(both.sum())
    return {"added": len(new.keys) - n, "removed": len(old.keys) - n, "changed": changed, "unchanged": n - changed}


def _told_of_samples(*tables: _Table) -> list[str]:
    drawn = [t for t in tables if not t.sample.whole]
    if not drawn:
        return []
    counts = " and ".join(f"{len(t.sample.rows)} of {len(t.content)}" for t in drawn)
    return [f"distributions are told of {counts} rows, drawn evenly"]


def _shared(old: FileSource, new: FileSource) -> list[str]:
    return [name for name in new.names if name in old.names]


def _read(before: Path, now: Path, key: str | None) -> tuple[_Table, _Table, list[str]]:
    """Both tables. Where their first lines are rows (numbers among the names, and others in each), the columns are c1, c2, ..."""
    from penstock.objects.tabular import ReadOptions, is_number

    def read(options: ReadOptions | None = None) -> tuple[_Table, _Table]:
        old, new = (FileSource(path, options) for path in (before, now))
        names = [old.names, new.names]
        bare = names[0] != names[1] and len(names[0]) == len(names[1]) and all(any(map(is_number, n)) for n in names)
        if options is None and bare:
            return read(ReadOptions(header=False))
        shared = _shared(old, new)
        return _Table.of(old, shared, key), _Table.of(new, shared, key)

    try:
        old, new = read()
    except SourceError as error:
        if "--no-header" not in error.way_out:
            raise
        old, new = read(ReadOptions(header=False))
    bare = "the first lines are taken as rows, as numbers are among their values: the columns are called c1, c2, ..."
    return old, new, [bare] if old.source.how is not None else []


def _shift(name: str, before: EncodedColumn, now: EncodedColumn) -> Shift:
    numbers = [_numbers(column) for column in (before, now)]
    if numbers[0] is not None and numbers[1] is not None:
        return shift_of_numbers(name, numbers[0], numbers[1])
    return shift_of_values(name, _counts(before), _counts(now))


def _numbers(column: EncodedColumn) -> np.ndarray | None:
    """The values as numbers, float64, shape (n,); None where one of them is none."""
    values = np.full(len(column.values) + 1, np.nan)
    for place, text in enumerate(column.values):
        if text is None or not text.strip():
            continue
        try:
            values[place] = float(text)
        except ValueError:
            return None
    return values[column.codes]


def _counts(column: EncodedColumn) -> dict[str | None, int]:
    counts = np.bincount(column.codes.astype(np.int64) + 1, minlength=len(column.values) + 1).tolist()
    found: dict[str | None, int] = {None: counts[0]}
    for text, rows in zip(column.values, counts[1:], strict=True):
        name = text if text is None or text.strip() else None
        found[name] = found.get(name, 0) + rows
    return found
