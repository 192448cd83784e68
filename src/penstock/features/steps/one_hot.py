"""A column of 0 and 1 for each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Number, OneOf, Whole
from penstock.features.kinds import CATEGORIES
from penstock.features.ops import floats, ints, op
from penstock.features.step import Columns, Target
from penstock.features.vocabulary import MISSING, Vocabulary, count_values, look_up

if TYPE_CHECKING:
    from spox import Var

NOWHERE = -1
_NOT_LISTED = -2


@final
class OneHot:
    """For each value of a column one output that is 1 in its rows and else 0.

    Outputs of a column, in this order: the kept values, most frequent first; one for all rare values, if there are any;
    one for missing values, if there were any in the training rows (else a missing value is 0 everywhere).

    Parameters
    ----------
    min_frequency : rows that a value must have to be told apart; below 1, the share of all rows. Others are rare.
    max_categories : values told apart, at most: the most frequent ones. Others are rare.
    unknown : what a value becomes that was not seen in training: "rare" (as a rare one, if there are any; else 0
        everywhere), "zeros" (0 everywhere), or "own" (an output of its own, which is 0 in all training rows).
    """

    name: ClassVar[str] = "one_hot"
    takes: ClassVar[frozenset[Kind]] = CATEGORIES
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {
        "min_frequency": Number(0, 1e9, low_included=False),
        "max_categories": Whole(1, 1_000_000),
        "unknown": OneOf(("rare", "zeros", "own")),
    }
    ready: ClassVar[bool] = True

    def __init__(self, min_frequency: float = 1.0, max_categories: int = 1_000, unknown: str = "rare") -> None:
        self.min_frequency, self.max_categories, self.unknown = min_frequency, max_categories, unknown

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedOneHot:
        (columns,) = inputs
        names: list[str] = []
        learned = []
        for column, name in zip(columns.values.T, columns.names, strict=True):
            vocabulary = count_values(column, min_frequency=self.min_frequency, max_categories=self.max_categories)
            learned.append(self._outputs(name, vocabulary, names))
        return FittedOneHot(tuple(names), tuple(learned))

    def _outputs(self, column: str, vocabulary: Vocabulary, names: list[str]) -> _Outputs:
        """Where the values of a column go; the outputs that they need are added to `names`."""
        first = len(names)
        names += [f"{column}={value}" for value in vocabulary.kept]
        place = {value: first + i for i, value in enumerate(vocabulary.kept)}
        unknown = NOWHERE
        if vocabulary.rare:
            names.append(f"{column} is rare")
            if self.unknown == "rare":
                unknown = len(names) - 1
            else:
                place.update(dict.fromkeys(vocabulary.rare, len(names) - 1))
        if vocabulary.has_missing:
            names.append(f"{column} is missing")
        place[MISSING] = len(names) - 1 if vocabulary.has_missing else NOWHERE
        if self.unknown == "own":
            names.append(f"{column} is unknown")
            unknown = len(names) - 1
        return _Outputs(place, unknown, len(names) - first)


@dataclass(frozen=True)
class _Outputs:
    """Of one column: the output in which a value is 1, the same for values not listed, and the number of outputs."""

    place: Mapping[str, int]
    unknown: int
    width: int


@dataclass(frozen=True)
class FittedOneHot:
    """Attributes: columns : where the values of each column go."""

    names: tuple[str, ...]
    columns: tuple[_Outputs, ...]

    def emit(self, inputs: Sequence[Var]) -> Var:
        (block,) = inputs
        tables = [column.place for column in self.columns]
        unknown = [column.unknown for column in self.columns]
        if len(set(unknown)) == 1:
            places = look_up(block, tables, otherwise=unknown[0])
        else:
            places = look_up(block, tables, otherwise=_NOT_LISTED)
            places = op.where(op.equal(places, floats([_NOT_LISTED])), floats(unknown), places)
        if len(self.columns) > 1:
            widths = [column.width for column in self.columns]
            places = op.gather(places, ints(np.repeat(np.arange(len(widths)), widths)), axis=1)  # (n, outputs)
        return op.cast(op.equal(places, floats(np.arange(len(self.names)))), to=np.float32)
