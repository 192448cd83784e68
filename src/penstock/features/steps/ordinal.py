"""Codes of values, by frequency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Number, OneOf, Whole
from penstock.features.kinds import CATEGORIES
from penstock.features.step import Columns, Target
from penstock.features.vocabulary import MISSING, count_values, look_up

if TYPE_CHECKING:
    from spox import Var

RARE_CODE = 0.0
MISSING_CODE = -1.0
UNKNOWN_CODE = -2.0


@final
class Ordinal:
    """One number for each value: 1 for the most frequent, 2 for the next, and so on; 0 for all rare ones, -1 for missing.

    Values as frequent as each other are numbered in alphabetical order.

    Parameters
    ----------
    min_frequency : rows that a value must have for a number of its own; below 1, the share of all rows. Others are rare.
    max_categories : values with a number of their own, at most: the most frequent ones. Others are rare.
    unknown : a value that was not seen in training becomes "rare" (0) or has its "own" code, -2.
    missing : "code" for -1, or "nan" for learners that take missing values.
    """

    name: ClassVar[str] = "ordinal"
    takes: ClassVar[frozenset[Kind]] = CATEGORIES
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {
        "min_frequency": Number(0, 1e9, low_included=False),
        "max_categories": Whole(1, 1_000_000),
        "unknown": OneOf(("rare", "own")),
        "missing": OneOf(("code", "nan")),
    }
    ready: ClassVar[bool] = False

    def __init__(
        self,
        min_frequency: float = 1.0,
        max_categories: int = 1_000_000,
        unknown: str = "rare",
        missing: str = "code",
    ) -> None:
        self.min_frequency, self.max_categories = min_frequency, max_categories
        self.unknown, self.missing = unknown, missing

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedOrdinal:
        (columns,) = inputs
        return FittedOrdinal(
            columns.names,
            tuple(self._codes(column) for column in columns.values.T),
            UNKNOWN_CODE if self.unknown == "own" else RARE_CODE,
        )

    def _codes(self, column: np.ndarray) -> dict[str, float]:
        vocabulary = count_values(column, min_frequency=self.min_frequency, max_categories=self.max_categories)
        codes = {value: float(i) for i, value in enumerate(vocabulary.kept, start=1)}
        if self.unknown == "own":
            codes |= dict.fromkeys(vocabulary.rare, RARE_CODE)
        codes[MISSING] = math.nan if self.missing == "nan" else MISSING_CODE
        return codes


@dataclass(frozen=True)
class FittedOrdinal:
    """Attributes: codes : for each column, the code of each value; unknown : the code of all others."""

    names: tuple[str, ...]
    codes: tuple[Mapping[str, float], ...]
    unknown: float

    def emit(self, inputs: Sequence[Var]) -> Var:
        (block,) = inputs
        return look_up(block, self.codes, otherwise=self.unknown)
