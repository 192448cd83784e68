"""Whole numbers as categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound
from penstock.features.kinds import NUMBERS
from penstock.features.ops import floats, op, texts
from penstock.features.step import Columns, Target
from penstock.features.vocabulary import MISSING

if TYPE_CHECKING:
    from spox import Var

LARGEST = 2.0**62
"""Of the numbers that are told apart; within int64 and exact in float32."""


@final
class AsCategory:
    """A number as the category of its digits: `cartesian(as_category(quantile_bin(age)), job)`.

    Numbers are rounded to whole ones (halves to even); those beyond 2^62 count as it. NaN is a missing value. Numbers of more than 7 digits
    are those that float32 holds: declare such a column categorical instead.
    """

    name: ClassVar[str] = "as_category"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.CATEGORICAL
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {}
    ready: ClassVar[bool] = False

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedAsCategory:
        return FittedAsCategory(inputs[0].names)


@dataclass(frozen=True)
class FittedAsCategory:
    """Nothing is learned."""

    names: tuple[str, ...]

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        missing = op.isnan(x)
        whole = op.clip(op.round(op.where(missing, floats(0.0), x)), floats(-LARGEST), floats(LARGEST))
        digits = op.cast(op.cast(whole, to=np.int64), to=np.str_)
        return op.where(missing, texts([MISSING]), digits)
