"""How often a value occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, OneOf
from penstock.features.kinds import CATEGORIES
from penstock.features.step import Columns, Target
from penstock.features.vocabulary import look_up

if TYPE_CHECKING:
    from spox import Var


@final
class Counts:
    """The number of training rows that have the same value; 0 for a value that none has. Missing counts as a value.

    Parameters
    ----------
    scale : "rows", "share" (of all training rows) or "log" (ln(1 + rows)).
    """

    name: ClassVar[str] = "counts"
    takes: ClassVar[frozenset[Kind]] = CATEGORIES
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"scale": OneOf(("rows", "share", "log"))}
    ready: ClassVar[bool] = False

    def __init__(self, scale: str = "rows") -> None:
        self.scale = scale

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedCounts:
        (columns,) = inputs
        tables = tuple(self._table(Counter(column.tolist()), len(columns)) for column in columns.values.T)
        return FittedCounts(tuple(f"{name}: {self.scale}" for name in columns.names), tables)

    def _table(self, counts: Mapping[str, int], n_rows: int) -> dict[str, float]:
        """Value -> output; in the order of the values, whatever that of the rows."""
        rows = {value: float(counts[value]) for value in sorted(counts)}
        if self.scale == "share":
            return {value: count / n_rows for value, count in rows.items()}
        if self.scale == "log":
            return {value: float(np.log1p(count)) for value, count in rows.items()}
        return rows


@dataclass(frozen=True)
class FittedCounts:
    """Attributes: tables : for each column, the output of each value."""

    names: tuple[str, ...]
    tables: tuple[Mapping[str, float], ...]

    def emit(self, inputs: Sequence[Var]) -> Var:
        return look_up(inputs[0], self.tables, otherwise=0.0)
