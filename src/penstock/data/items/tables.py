"""What changed between two tables that are files: rows, columns, distributions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.specs import EncodedColumn
from penstock.data.fingerprints import row_hashes
from penstock.data.shift import Shift, shift_of_numbers, shift_of_values
from penstock.data.source import Batch
from penstock.errors import BadParameter, SourceError


def changed_rows(before: Path, now: Path, *, key: str | None = None, declared: str | None = None) -> dict[str, Any]:
    """Rows added, removed and changed, columns added and removed. The tables must fit into memory, as codes of their distinct values.

    Without a key a row is its content (of the columns that both have), in any order: none is changed, only added or removed.
    `declared` is a key that is taken where both have it and it tells their rows apart; a note says which.

    Raises
    ------
    SourceError : one of them cannot be read as a table. BadParameter : the key is not a column of both, or is not unique.
    """
    old, new, notes = _read(before, now)
    names_old, names_new = list(old.columns), list(new.columns)
    shared = [name for name in names_new if name in old.columns]
    if key is not None and key not in shared:
        raise BadParameter(f"{key!r} is not a column of both", why=f"both have {', '.join(shared)}", way_out="name one")
    if key is None and declared is not None and declared in shared:
        if all(_is_key(table, declared) for table in (old, new)):
            key = declared
            notes.append(f"rows are told apart by {key!r}, the declared key")
        else:
            notes.append(f"rows are their content: the declared key {declared!r} does not tell them apart here")
    prints = [_prints(table, shared) for table in (old, new)]
    if key is None:
        a, b = (Counter(p.tolist()) for p in prints)
        same = (a & b).total()
        rows = {"added": b.total() - same, "removed": a.total() - same, "changed": 0, "unchanged": same}
    else:
        pairs = [
            dict(zip(_keys(table, key), content.tolist(), strict=True))
            for table, content in zip((old, new), prints, strict=True)
        ]
        both = pairs[0].keys() & pairs[1].keys()
        changed = sum(pairs[0][k] != pairs[1][k] for k in both)
        rows = {
            "added": len(pairs[1]) - len(both),
            "removed": len(pairs[0]) - len(both),
            "changed": changed,
            "unchanged": len(both) - changed,
        }
    return {
        "rows": rows,
        "key": key,
        "notes": notes,
        "columns": {
            "added": [n for n in names_new if n not in old.columns],
            "removed": [n for n in names_old if n not in new.columns],
        },
        "shifts": [_shift(name, old.columns[name], new.columns[name]) for name in shared],
    }


def _read(before: Path, now: Path) -> tuple[Batch, Batch, list[str]]:
    """Both tables. Where their first lines are rows (numbers among the names, and others in each), the columns are c1, c2, ..."""
    from penstock.data.sources.file import read
    from penstock.objects.tabular import ReadOptions, is_number

    try:
        tables = [read(path) for path in (before, now)]
        names = [list(table.columns) for table in tables]
        bare = names[0] != names[1] and len(names[0]) == len(names[1]) and all(any(map(is_number, n)) for n in names)
    except SourceError as error:
        if "--no-header" not in error.way_out:
            raise
        bare = True
    if not bare:
        return tables[0], tables[1], []
    old, new = (read(path, ReadOptions(header=False)) for path in (before, now))
    return (
        old,
        new,
        ["the first lines are taken as rows, as numbers are among their values: the columns are called c1, c2, ..."],
    )


def _prints(table: Batch, names: list[str]) -> np.ndarray:
    hashes = np.ascontiguousarray(row_hashes({name: table.columns[name] for name in names}, len(table)))
    return hashes.view("V16").ravel()


def _is_key(table: Batch, name: str) -> bool:
    """Whether a column has another value in each row."""
    codes = table.columns[name].codes
    return bool(len(np.unique(codes)) == len(codes))


def _keys(table: Batch, key: str) -> list[str | None]:
    column = table.columns[key]
    values: list[str | None] = [column.values[code] if code >= 0 else None for code in column.codes.tolist()]
    if len(set(values)) != len(values):
        twice, count = Counter(values).most_common(1)[0]
        raise BadParameter(
            f"{key!r} is no key: {twice!r} is in {count} rows",
            why="a key tells rows apart",
            way_out="name another column, or none to compare rows by their content",
        )
    return values


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
