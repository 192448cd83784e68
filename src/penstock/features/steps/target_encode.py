"""Values as the mean of the target in their rows, learned for each training row from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind, Task
from penstock.data.folds import Folds, assign_folds
from penstock.errors import RecipeError
from penstock.features.bounds import Bound, Number, OneOf, Whole
from penstock.features.kinds import CATEGORIES
from penstock.features.ops import concat, const, op
from penstock.features.step import Columns, Target
from penstock.features.vocabulary import look_up, numbered

if TYPE_CHECKING:
    from spox import Var


@final
class TargetEncode:
    """The mean of the target in the rows of a value, drawn towards the mean of all rows where a value has few.

    One output for each column: the share of the last class, or the mean target of a regression; with more than two
    classes one for each class. Missing counts as a value; a value that no training row had gets the mean of all rows.

    Cross-fitted: rows of training are dealt into folds, and a learner sees for each of them what the *other* folds say of its
    value. Otherwise it would read a row's own target in a rare value, and trust the column too much. Later rows get what
    all training rows say. So this step's training values differ from its serving values, on purpose and as declared.

    The folds keep to the rule of the split, so that a row of training is told no more than a served one. By group, whole
    groups share a fold: else a group's own targets would tell of it, and served groups are new. By time, a fold is told
    what older rows say, with the gap between them; the oldest rows, with none before them, get the mean of all rows.

    Parameters
    ----------
    smoothing : "auto" weighs a value by its rows and the spread of the target in them (empirical Bayes); "fixed" by `weight`.
    weight : with "fixed", the rows for which the mean of all rows counts: (sum + weight * mean) / (rows + weight).
    folds : their number; fewer where there are fewer rows, groups or times.

    Source: Micci-Barreca (2001), SIGKDD Explorations 3(1), 27; cross-fitting as scikit-learn's TargetEncoder; from the past
    alone as Prokhorenkova et al. (2018), CatBoost, NeurIPS 31, section 3.2, in blocks of time.
    """

    name: ClassVar[str] = "target_encode"
    takes: ClassVar[frozenset[Kind]] = CATEGORIES
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    cross_fitted: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {
        "smoothing": OneOf(("auto", "fixed")),
        "weight": Number(0, 1e9),
        "folds": Whole(2, 50),
    }
    ready: ClassVar[bool] = False

    def __init__(self, smoothing: str = "auto", weight: float = 20.0, folds: int = 5) -> None:
        self.smoothing, self.weight, self.folds = smoothing, weight, folds

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedTargetEncode:
        (columns,) = inputs
        if target is None:
            raise RecipeError(
                "'target_encode' has no target to learn from",
                why="it encodes values by the mean of the target, and these rows have none",
                way_out="use counts or one_hot, or declare [data] target",
            )
        y = _responses(target)  # (n, outputs of a column)
        folds = assign_folds(
            target.values, target.task, min(self.folds, len(columns)), seed, target.groups, target.times, target.gap
        )
        names, learned, training = [], [], []
        for column, name in zip(columns.values.T, columns.names, strict=True):
            values, codes = numbered(column)
            for k, responses in enumerate(y.T):
                means = self._means(codes, responses, len(values))
                table = dict(zip(values, means.tolist(), strict=True))
                learned.append(_Encoding(table, float(responses.mean())))
                training.append(self._cross_fitted(codes, responses, len(values), folds))
                names.append(f"{name}: target" if y.shape[1] == 1 else f"{name}: target is class {k}")
        crossed = np.stack(training, axis=1).astype(np.float32)
        return FittedTargetEncode(tuple(names), tuple(learned), y.shape[1], crossed)

    def _cross_fitted(self, codes: np.ndarray, y: np.ndarray, n_values: int, folds: Folds) -> np.ndarray:
        encoded = np.full(len(y), y.mean())
        for k in range(folds.count):
            told, held = folds.inside(k), folds.outside(k)
            if told.any():
                encoded[held] = self._means(codes[told], y[told], n_values)[codes[held]]
        return encoded

    def _means(self, codes: np.ndarray, y: np.ndarray, n_values: int) -> np.ndarray:
        """The encoding of each value, float64 (n_values,); that of all rows for one without a row."""
        mean = y.mean()
        rows = np.bincount(codes, minlength=n_values).astype(np.float64)
        of_value = np.bincount(codes, y - mean, minlength=n_values) / np.maximum(rows, 1)  # from the mean of all
        if self.smoothing == "fixed":
            return np.asarray(mean + of_value * rows / np.maximum(rows + self.weight, 1e-300))
        spread = y.var()
        within = np.bincount(codes, (y - mean - of_value[codes]) ** 2, minlength=n_values) / np.maximum(rows, 1)
        total = spread * rows + within
        trust = np.divide(spread * rows, total, out=np.zeros(n_values), where=total > 0)
        return np.asarray(mean + trust * of_value)


@dataclass(frozen=True)
class _Encoding:
    """One output: the encoding of each value, and of any other."""

    table: Mapping[str, float]
    otherwise: float


@dataclass(frozen=True)
class FittedTargetEncode:
    """Attributes: outputs : `per_column` for each column; training_values : float32 (n, outputs), of the rows of the fit."""

    names: tuple[str, ...]
    outputs: tuple[_Encoding, ...]
    per_column: int
    training_values: np.ndarray = field(compare=False, repr=False)

    def emit(self, inputs: Sequence[Var]) -> Var:
        """One look-up for each output of a column, over all columns; then the outputs of a column side by side."""
        (block,) = inputs
        n_columns = len(self.outputs) // self.per_column
        looked_up = []
        for k in range(self.per_column):
            encodings = self.outputs[k :: self.per_column]  # all columns share the mean of all rows
            looked_up.append(look_up(block, [e.table for e in encodings], otherwise=encodings[0].otherwise))
        if self.per_column == 1:
            return looked_up[0]
        if n_columns == 1:
            return concat(looked_up)
        stacked = [op.unsqueeze(var, const(np.array([2], np.int64))) for var in looked_up]  # (n, columns, 1)
        return op.flatten(op.concat(stacked, axis=2), axis=1)


def _responses(target: Target) -> np.ndarray:
    """What is averaged, float64 (n, outputs)."""
    if target.task is Task.MULTICLASS:
        return (target.values[:, None] == np.arange(int(target.values.max()) + 1)).astype(np.float64)
    return target.values.astype(np.float64)[:, None]
