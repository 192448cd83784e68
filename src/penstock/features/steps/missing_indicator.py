"""Whether a value is missing, as 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.features.bounds import Bound, OneOf
from penstock.features.kinds import ANY
from penstock.features.ops import ints, op, take, texts
from penstock.features.step import Columns, Form, Shifted, Target
from penstock.features.vocabulary import MISSING

if TYPE_CHECKING:
    from spox import Var


@final
class MissingIndicator:
    """1 where a value is missing, else 0.

    Parameters
    ----------
    columns : "seen" for the columns in which a value was missing in the training rows (the others would be all 0 there,
        and there may be none), or "all".
    """

    name: ClassVar[str] = "missing_indicator"
    takes: ClassVar[frozenset[Kind]] = ANY
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    shifted: ClassVar[Shifted] = "free"
    bounds: ClassVar[Mapping[str, Bound]] = {"columns": OneOf(("seen", "all"))}
    ready: ClassVar[bool] = True

    def __init__(self, columns: str = "seen") -> None:
        self.columns = columns

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedMissingIndicator:
        (columns,) = inputs
        chosen = list(range(len(columns.names)))
        if self.columns == "seen":
            chosen = [j for j in chosen if _missing(columns.values[:, j], columns.form).any()]
        names = tuple(f"{columns.names[j]} is missing" for j in chosen)
        return FittedMissingIndicator(names, tuple(chosen), len(columns.names), columns.form)


@dataclass(frozen=True)
class FittedMissingIndicator:
    """Attributes: chosen : which of the `width` columns have an indicator."""

    names: tuple[str, ...]
    chosen: tuple[int, ...]
    width: int
    form: Form

    def emit(self, inputs: Sequence[Var]) -> Var:
        x = take(inputs[0], list(self.chosen), self.width)
        if self.form is Form.NUMBERS:
            missing = op.isnan(x)
        elif self.form is Form.TIMES:
            missing = op.equal(x, ints([MISSING_TIME]))
        else:
            missing = op.equal(x, texts([MISSING]))
        return op.cast(missing, to=np.float32)


def _missing(column: np.ndarray, form: Form) -> np.ndarray:
    if form is Form.NUMBERS:
        return np.isnan(column)
    return column == (MISSING_TIME if form is Form.TIMES else MISSING)
