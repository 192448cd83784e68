"""Classes of unequal size: weights, drawing rows again or leaving some out, and made-up rows; for rows that are fitted alone.

Whatever is done to the rows of a fit, the prior of its answers is put right again: the learner's probabilities for the classes
are multiplied by ``share before / share after`` and brought to a sum of 1, in NumPy and in the graph. So rows are never
changed where something is measured (validation, folds, early stopping, calibration), and probabilities keep meaning shares
among real rows. The order of two classes' scores is not changed by it: where reweighting ranks rows better, it does so by what
the learner looked at, and that is seldom much.

Sources: Elkan (2001), The foundations of cost-sensitive learning, IJCAI (weights, thresholds); Saerens et al. (2002), Neural
Computation 14, 21 (priors); Chawla et al. (2002), JAIR 16, 321 (SMOTE and SMOTE-NC); He and Garcia (2009), IEEE TKDE 21, 1263.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.kinds import Task
from penstock.errors import SearchError
from penstock.features.constants import const
from penstock.learning.learner import Choice, Deadline, FittedLearner, Learner, Params, Shape, Space
from penstock.learning.learners.weighting import balanced

if TYPE_CHECKING:
    from spox import Var

    from penstock.learning.learner import Features

METHODS = ("none", "weights", "oversample", "undersample", "smote")
NAME = "imbalance"
"""The parameter of a trial that says which one."""
MOST = 2.0
"""Rows that are drawn and made up bring all rows to at most so many times what they were."""
LEAST = 0.1
"""At least this share of the rows stays when some are left out."""
NEIGHBOURS = 5
SEARCHED = 5_000
"""Rows of a class among which the neighbours of a row are looked for, at most: a random draw of them."""

Resample = Callable[["Features", np.ndarray], tuple["Features", np.ndarray]]
"""Features and classes of the rows of a fit -> those that are fitted in their place."""


def space_with(space: Space, imbalance: str | None, shape: Shape) -> Space:
    """The space of a learner with the declared way of treating unequal classes; as it is, where none is declared.

    A way that is declared takes the place of the learner's own parameter `balance`.

    Raises
    ------
    SearchError : the target is no class, or rows are to be made up where features are sparse.
    """
    if imbalance is None:
        return space
    if shape.task is Task.REGRESSION:
        raise SearchError(
            f"[search] imbalance = {imbalance!r}, but the target is a number",
            why="only classes can be of unequal size",
            way_out="remove it",
        )
    if imbalance == "smote" and shape.sparse:
        raise SearchError(
            f"SMOTE does not suit {shape.n_features} sparse features",
            why="its rows lie between two rows; with words that is a text that nobody writes, and no longer sparse",
            way_out='[search] imbalance = "weights", or a recipe with fewer features',
        )
    usable = [method for method in METHODS if not (method == "smote" and shape.sparse)]
    values = tuple(usable) if imbalance == "search" else (imbalance,)
    dimensions = {name: d for name, d in space.dimensions.items() if name != "balance"}
    starts = [{k: v for k, v in start.items() if k != "balance"} for start in space.starts]
    more = [{NAME: method} for method in values[1:]]
    return replace(space, dimensions={**dimensions, NAME: Choice(values, values[0])}, starts=[*more, *starts])


def fit(
    learner: Learner,
    X: Features,
    y: np.ndarray,
    *,
    shape: Shape,
    params: Params,
    nominal: np.ndarray | None = None,
    use: np.ndarray | None = None,
    budget: Deadline | None = None,
    seed: int = 0,
    threads: int = 1,
) -> FittedLearner:
    """As `Learner.fit`, with the parameter `imbalance` where there is one.

    Parameters
    ----------
    nominal : which features are codes of categories, or belong to one together; see `nominal_of`.
    use : which rows are fitted and which ones early stopping goes by; see `penstock.data.folds.rows_to_stop_by`.
    """
    own = {name: value for name, value in params.items() if name != NAME}
    method = str(params.get(NAME, "none"))
    stops = bool(getattr(learner, "stops_early", False))
    more: dict[str, Any] = {"use": use} if stops and use is not None else {}
    counts = np.bincount(y, minlength=shape.n_classes).astype(np.float64) if method != "none" else np.zeros(0)
    after = counts
    if method == "weights":
        more["weights"] = balanced(y, shape.n_classes)
        after = (counts > 0).astype(np.float64)
    elif method != "none":
        after = wanted_counts(counts, method)

        def resample(rows: Features, classes: np.ndarray) -> tuple[Features, np.ndarray]:
            return resampled(rows, classes, method, shape.n_classes, seed=seed, nominal=nominal)

        if stops:
            more["resample"] = resample
        else:
            X, y = resample(X, y)
    fitted = learner.fit(X, y, shape=shape, params=own, budget=budget, seed=seed, threads=threads, **more)
    if NAME not in params:
        return fitted
    return PriorRestored(fitted, method, prior_shift(counts, after))


def prior_shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What to add to the log-probabilities of classes, float64 (K,): 0 for all where the shares were not changed.

    >>> np.exp(prior_shift(np.array([90.0, 10.0]), np.array([90.0, 90.0]))).round(3).tolist()
    [1.0, 0.111]
    """
    if not len(before):
        return np.zeros(0)
    seen = (before > 0) & (after > 0)
    shift = np.zeros(len(before))
    shift[seen] = np.log(before[seen] / before[seen].sum()) - np.log(after[seen] / after[seen].sum())
    return shift - (shift[seen].max() if seen.any() else 0.0)


@dataclass(frozen=True)
class PriorRestored:
    """A learner that was fitted on rows whose classes had other shares, with the prior of the real rows.

    Attributes
    ----------
    shift : added to the log-probabilities of the classes, float64 (K,); empty for none.
    """

    fitted: FittedLearner
    method: str
    shift: np.ndarray

    @property
    def params(self) -> Params:
        return {**self.fitted.params, NAME: self.method}

    def predict(self, X: Features) -> np.ndarray:
        p = self.fitted.predict(X)
        if not self.shift.any():
            return p
        moved = p * np.exp(self.shift)
        return np.asarray(moved / moved.sum(axis=1, keepdims=True))

    def emit(self, x: Var) -> Var:
        import spox.opset.ai.onnx.v21 as op

        p = self.fitted.emit(x)
        if not self.shift.any():
            return p
        moved = op.mul(p, const(np.exp(self.shift).astype(np.float32)[None, :]))
        total = op.reduce_sum(moved, const(np.array([1], np.int64)), keepdims=1)
        return op.div(moved, total)

    def importance(self) -> np.ndarray:
        return self.fitted.importance()


def wanted_counts(counts: np.ndarray, method: str) -> np.ndarray:
    """Rows of each class after resampling, float64 (K,).

    Drawing and making up rows raises the small classes to one level: that of the largest, or as high as `MOST` allows.
    Leaving out lowers the large ones: to the smallest, or as low as `LEAST` allows.

    >>> wanted_counts(np.array([900.0, 100.0]), "oversample").tolist()
    [900.0, 900.0]
    >>> wanted_counts(np.array([990.0, 10.0]), "undersample").tolist()
    [90.0, 10.0]
    """
    present = counts[counts > 0]
    total = counts.sum()
    if method in ("oversample", "smote"):
        level = _level(present, MOST * total, np.maximum)
        return np.where(counts > 0, np.maximum(counts, np.floor(min(level, present.max()))), 0.0)
    if method == "undersample":
        level = max(_level(present, LEAST * total, np.minimum), present.min())
        return np.minimum(counts, np.ceil(level))
    return counts


def _level(counts: np.ndarray, total: float, change: Callable[[Any, Any], Any]) -> float:
    """The level at which all counts, raised or lowered to it, add up to `total`."""
    low, high = 0.0, float(max(counts.max(), total))
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if change(counts, middle).sum() < total else (low, middle)
    return low + 1e-9


def resampled(
    X: Features, y: np.ndarray, method: str, n_classes: int, *, seed: int, nominal: np.ndarray | None = None
) -> tuple[Features, np.ndarray]:
    """Rows in the place of those of a fit: the given ones in their order (but for those left out), then the new ones.

    Parameters
    ----------
    X : float32 (n, d) or CSR. y : int64 (n,).
    """
    rng = np.random.default_rng([seed, 20_020])
    counts = np.bincount(y, minlength=n_classes).astype(np.float64)
    wanted = wanted_counts(counts, method).astype(np.int64)
    kept, drawn, made = [], [], []
    for label in np.flatnonzero(counts > 0).tolist():
        rows = np.flatnonzero(y == label)
        if method == "undersample":
            kept.append(np.sort(rng.permutation(rows)[: wanted[label]]))
            continue
        kept.append(rows)
        extra = int(wanted[label]) - len(rows)
        if extra > 0:
            base = np.concatenate([rng.permutation(rows) for _ in range(-(-extra // len(rows)))])[:extra]
            drawn.append(base)
            if method == "smote":
                made.append(synthetic(np.asarray(X), rows, base, rng, nominal))
    first = np.sort(np.concatenate(kept))
    new = np.concatenate(drawn) if drawn else np.zeros(0, dtype=np.int64)
    labels = np.concatenate([y[first], y[new]])
    if made:
        return np.vstack([np.asarray(X)[first], *made]), labels
    return X[np.concatenate([first, new])], labels


def synthetic(
    X: np.ndarray, rows: np.ndarray, base: np.ndarray, rng: np.random.Generator, nominal: np.ndarray | None = None
) -> np.ndarray:
    """SMOTE-NC: for each of `base` a row between it and one of its nearest neighbours in its class, float32 (m, d).

    Numbers lie at a random place between the two. Categories are those that most of the neighbours have, of the nearest
    of them where several are as frequent; a category of several features (one-hot) is taken as a whole. Distances are
    Euclidean over numbers in units of their standard deviation in the class; a category that differs counts as one unit, the
    median of these. Where a number is missing in either row, the new one has what `base` has.

    Parameters
    ----------
    rows : of the class. base : some of them, repeated as often as there are to be new rows.
    nominal : int64 (d,): the number of the category that a feature belongs to, -1 for numbers; None: all are numbers.
    """
    if len(rows) < 2:
        return X[base].copy()
    groups = np.full(X.shape[1], -1) if nominal is None else nominal
    number = np.flatnonzero(groups < 0)
    categories = [np.flatnonzero(groups == g) for g in np.unique(groups[groups >= 0]).tolist()]
    among = rows if len(rows) <= SEARCHED else np.sort(rng.permutation(rows)[:SEARCHED])
    starts, of_base = np.unique(base, return_inverse=True)
    nearest = _nearest(X, starts, among, number, categories)  # (s, k) positions in `among`
    chosen = among[nearest[of_base, rng.integers(0, nearest.shape[1], len(base))]]
    made = X[base].copy()
    one, other = X[base][:, number], X[chosen][:, number]
    with np.errstate(invalid="ignore", over="ignore"):
        between = one + rng.random((len(base), 1)).astype(np.float32) * (other - one)
    made[:, number] = np.where(np.isfinite(between), between, one)
    for columns in categories:
        codes = _codes(X[among][:, columns])
        told = codes[nearest]  # (s, k)
        frequency = (told[:, :, None] == told[:, None, :]).sum(axis=2)
        most = np.argmax(frequency, axis=1)  # the first of the most frequent: of the nearest neighbour
        donor = among[nearest[np.arange(len(starts)), most]]
        made[:, columns] = X[donor[of_base]][:, columns]
    return made


def _codes(values: np.ndarray) -> np.ndarray:
    """A number for each different row, int64 (n,); missing values are alike."""
    bits = np.ascontiguousarray(np.where(np.isnan(values), np.float32(np.nan), values) + np.float32(0.0))
    _, codes = np.unique(bits.view(np.uint32).reshape(len(bits), -1), axis=0, return_inverse=True)
    return np.asarray(codes).ravel()


def _nearest(
    X: np.ndarray, starts: np.ndarray, among: np.ndarray, number: np.ndarray, categories: Sequence[np.ndarray]
) -> np.ndarray:
    """Positions in `among` of the nearest other rows, the nearest first: int64 (len(starts), k)."""
    values = X[:, number].astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    pool = values[among]
    seen = ~np.isnan(pool)
    n_seen = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, pool, 0.0).sum(axis=0) / n_seen
    std = np.sqrt(np.where(seen, (pool - mean) ** 2, 0.0).sum(axis=0) / n_seen)
    scale = np.where(std > 0, std, 1.0)
    whole = np.where(np.isnan(values), mean, values) / scale
    both = np.concatenate([among, starts])
    coded = [_codes(X[both][:, columns]) for columns in categories]
    of_among = [codes[: len(among)] for codes in coded]
    of_starts = [codes[len(among) :] for codes in coded]
    k = min(NEIGHBOURS, len(among) - 1)
    found = np.empty((len(starts), k), dtype=np.int64)
    a = whole[among]
    squares = (a**2).sum(axis=1)
    step = max(1, 4_000_000 // len(among))
    for first in range(0, len(starts), step):
        part = slice(first, first + step)
        b = whole[starts[part]]
        distance = (b**2).sum(axis=1)[:, None] + squares - 2.0 * b @ a.T
        for mine, theirs in zip(of_starts, of_among, strict=True):
            distance += mine[part][:, None] != theirs[None, :]
        distance[starts[part][:, None] == among[None, :]] = np.inf
        near = np.argpartition(distance, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distance, near, axis=1), axis=1, kind="stable")
        found[part] = np.take_along_axis(near, order, axis=1)
    return found


def nominal_of(names: Sequence[str], strings: Sequence[str], X: Features) -> np.ndarray:
    """Which features are categories, as `synthetic` wants it: int64 (d,).

    Those that are named after a column of strings: its codes, ``job``, and what is one-hot of it, ``job=clerk`` and
    ``job is missing``, which belong together. Of the others those that have two values at most.
    """
    group = np.full(len(names), -1, dtype=np.int64)
    known: Mapping[str, int] = {column: i for i, column in enumerate(strings)}
    for place, name in enumerate(names):
        column = next((c for c in (name, name.removesuffix(" is missing"), name.partition("=")[0]) if c in known), None)
        if column is not None:
            group[place] = known[column]
    if isinstance(X, np.ndarray):
        free = len(known)
        for place in np.flatnonzero(group < 0).tolist():
            column_values = X[:, place]
            if len(np.unique(column_values[~np.isnan(column_values)])) <= 2:
                group[place] = free
                free += 1
    return group
