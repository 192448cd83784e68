"""The typed table that every stage above uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.errors import SchemaMismatch


class Frame:
    """Named, typed columns of one length.

    Attributes
    ----------
    columns : name -> array, shape (n_rows,): float64 (numeric), int64 microseconds (datetime), object of str or None
        (all other kinds); see `Kind`.
    kinds : name -> Kind.
    n_rows : number of rows, also known when there is no column.

    >>> frame = Frame({"age": np.array([41.0, np.nan])}, {"age": Kind.NUMERIC})
    >>> frame.missing("age").tolist()
    [False, True]
    """

    __slots__ = ("columns", "kinds", "n_rows")

    def __init__(self, columns: dict[str, np.ndarray], kinds: dict[str, Kind], n_rows: int | None = None) -> None:
        lengths = {len(column) for column in columns.values()} | ({n_rows} if n_rows is not None else set())
        if len(lengths) > 1 or columns.keys() != kinds.keys():
            raise SchemaMismatch(
                "the columns of a frame do not fit together",
                why=f"lengths are {sorted(lengths)}, names {sorted(columns)[:5]}, kinds of {sorted(kinds)[:5]}",
                way_out="give columns of one length, and one kind for each",
            )
        self.columns, self.kinds, self.n_rows = columns, kinds, lengths.pop() if lengths else 0

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __repr__(self) -> str:
        return f"Frame({self.n_rows} rows: {', '.join(f'{name} {kind}' for name, kind in self.kinds.items())})"

    def take(self, index: Any) -> Frame:
        """The rows that `index` (positions, a mask or a slice) picks."""
        columns = {name: column[index] for name, column in self.columns.items()}
        n_rows = len(next(iter(columns.values()))) if columns else len(np.arange(self.n_rows)[index])
        return Frame(columns, dict(self.kinds), n_rows)

    def select(self, names: Iterable[str]) -> Frame:
        """These columns, in this order."""
        chosen = list(names)
        return Frame({n: self.columns[n] for n in chosen}, {n: self.kinds[n] for n in chosen}, self.n_rows)

    def missing(self, name: str) -> np.ndarray:
        """Where a column has no value: bool, shape (n_rows,)."""
        return absent(self.columns[name], self.kinds[name])

    @staticmethod
    def concat(frames: Sequence[Frame]) -> Frame:
        """The rows of all frames, one below the other; at least one frame, all with the same columns and kinds."""
        first = frames[0]
        for other in frames[1:]:
            if other.kinds != first.kinds:
                differing = sorted(set(first.kinds.items()) ^ set(other.kinds.items()))
                raise SchemaMismatch(
                    f"frames cannot be joined: they differ in {', '.join(sorted({name for name, _ in differing}))}",
                    why="rows can only be put below rows of the same columns and kinds",
                    way_out="decode both with the same decoder",
                )
        columns = {name: np.concatenate([frame.columns[name] for frame in frames]) for name in first.columns}
        return Frame(columns, dict(first.kinds), sum(len(frame) for frame in frames))


def absent(column: np.ndarray, kind: Kind) -> np.ndarray:
    """Where an array of this kind has no value: bool, shape (n,)."""
    if kind is Kind.NUMERIC:
        return np.isnan(column)
    if kind is Kind.DATETIME:
        return column == MISSING_TIME
    return np.equal(column, None)  # type: ignore[call-overload]  # numpy compares objects one by one


def typed_array(values: Sequence[Any], kind: Kind) -> np.ndarray:
    """Decoded values, None where missing, as the array type of their kind: shape (n,)."""
    if kind is Kind.NUMERIC:
        return np.array(values, dtype=np.float64)  # numpy turns None into NaN
    if kind is Kind.DATETIME:
        return np.array([MISSING_TIME if value is None else value for value in values], dtype=np.int64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
