"""Missing values filled with what is usual in the column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Constant, OneOf
from penstock.features.kinds import CATEGORIES, NUMBERS
from penstock.features.ops import floats, op, texts
from penstock.features.step import Columns, Form, Shifted, Target, present_of
from penstock.features.vocabulary import MISSING

if TYPE_CHECKING:
    from spox import Var


@final
class Impute:
    """Fill missing values of each column with one value learned from the training rows.

    Parameters
    ----------
    strategy : "auto" (median of numbers, mode of strings), "mean", "median", "mode" (the most frequent value; of equally
        frequent ones the smallest) or "constant".
    fill : with "constant", the value: a number for numeric columns, a text for the others.

    A numeric column without any value is filled with 0; a string column without any value stays missing.
    """

    name: ClassVar[str] = "impute"
    takes: ClassVar[frozenset[Kind]] = NUMBERS | CATEGORIES
    gives: ClassVar[Kind | None] = None
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    shifted: ClassVar[Shifted] = "kept"
    bounds: ClassVar[Mapping[str, Bound]] = {
        "strategy": OneOf(("auto", "mean", "median", "mode", "constant")),
        "fill": Constant(),
    }
    ready: ClassVar[bool] = False

    def __init__(self, strategy: str = "auto", fill: float | str = 0) -> None:
        self.strategy, self.fill = strategy, fill

    def objection(self, kind: Kind) -> str | None:
        """Why these parameters do not suit columns of a kind."""
        numeric = kind is Kind.NUMERIC
        if self.strategy in ("mean", "median") and not numeric:
            return f"a {self.strategy} is of numbers; strings have a 'mode' or a 'constant'"
        if self.strategy == "constant" and isinstance(self.fill, str) is numeric:
            return f"fill is {self.fill!r}, and these columns hold {'numbers' if numeric else 'strings'}"
        return None

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedImpute:
        (columns,) = inputs
        if columns.form is Form.NUMBERS:
            numbers = enumerate(columns.values.T)
            fills = np.array([self._number(column, columns.offset(j)) for j, column in numbers], dtype=np.float32)
        else:
            fills = np.array([self._string(column) for column in columns.values.T], dtype=np.str_)
        return FittedImpute(columns.names, fills)

    def _number(self, column: np.ndarray, offset: float) -> float:
        if self.strategy == "constant":
            return float(self.fill) - offset
        present = present_of(column)
        if len(present) == 0:
            return 0.0
        if self.strategy == "mean":
            return float(present.mean())
        if self.strategy == "mode":
            values, counts = np.unique(present, return_counts=True)
            return float(values[counts.argmax()])
        return _median(present)

    def _string(self, column: np.ndarray) -> str:
        if self.strategy == "constant":
            return str(self.fill)
        counts = Counter(column.tolist())
        del counts[MISSING]
        return min(counts, key=lambda value: (-counts[value], value), default=MISSING)


def _median(present: np.ndarray) -> float:
    """As numpy's, at half of its cost where all numbers are float32."""
    low, high = (len(present) - 1) // 2, len(present) // 2
    ordered = np.partition(present.astype(np.float32), [low, high])
    return (float(ordered[low]) + float(ordered[high])) / 2


@dataclass(frozen=True)
class FittedImpute:
    """Attributes: fills : shape (k,), float32 or str, one for each column."""

    names: tuple[str, ...]
    fills: np.ndarray

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        if self.fills.dtype == np.float32:
            return op.where(op.isnan(x), floats(self.fills), x)
        return op.where(op.equal(x, texts([MISSING])), texts(self.fills), x)
