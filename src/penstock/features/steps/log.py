"""Logarithms: amounts that differ by factors become amounts that differ by steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, OneOf
from penstock.features.doubles import double, doubles, logarithm, logarithm_of_one_plus, narrowed
from penstock.features.kinds import NUMBERS
from penstock.features.ops import op
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var

BASES = {"e": 1.0, "2": math.log(2), "10": math.log(10)}


@final
class Log:
    """The logarithm of each number; nothing is learned. NaN stays NaN.

    Parameters
    ----------
    form : "signed" for sign(x) ln(1 + |x|), which every number has; "one_plus" for ln(1 + x), missing from -1 down; or
        "plain" for ln x, missing from 0 down.
    base : "e", "2" or "10".

    Within 2e-7 of the exact logarithm and a rounding to float32 (1.2e-7 of its size), for any number.
    """

    name: ClassVar[str] = "log"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {
        "form": OneOf(("signed", "one_plus", "plain")),
        "base": OneOf(tuple(BASES)),
    }
    ready: ClassVar[bool] = False

    def __init__(self, form: str = "signed", base: str = "e") -> None:
        self.form, self.base = form, base

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedLog:
        (columns,) = inputs
        return FittedLog(columns.names, self.form, self.base)


@dataclass(frozen=True)
class FittedLog:
    """Attributes: form, base : as in the step."""

    names: tuple[str, ...]
    form: str
    base: str

    def emit(self, inputs: Sequence[Var]) -> Var:
        x = double(inputs[0])
        if self.form == "signed":
            log = op.mul(op.sign(x), logarithm_of_one_plus(op.abs(x)))
        elif self.form == "one_plus":
            inside = op.where(op.greater(x, doubles(-1.0)), x, doubles(np.nan))
            log = op.where(
                op.less(x, doubles(0.0)), logarithm(op.add(inside, doubles(1.0))), logarithm_of_one_plus(op.abs(inside))
            )
        else:
            log = logarithm(op.where(op.greater(x, doubles(0.0)), x, doubles(np.nan)))
        return narrowed(op.div(log, doubles(BASES[self.base])) if self.base != "e" else log)
