"""Gradient-boosted trees (Friedman 2001) by LightGBM (Ke et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penstock.bundle.kinds import Task
from penstock.features.tail import TREES, Tail
from penstock.learning.learner import Advice, Deadline, Float, Int, Params, Progress, Shape, Space
from penstock.learning.learners.dummy import FittedConstant, constant_of
from penstock.learning.learners.weighting import balanced

if TYPE_CHECKING:
    from spox import Var

    from penstock.learning.imbalance import Resample
    from penstock.learning.learner import Features

EARLY_STOPPING_FROM = 2_000
"""Training rows from which the number of trees is found by early stopping; below, an inner split is too noisy."""
INNER_SHARE = 0.1
PATIENCE = 40
MAX_TREES = 2_000
"""Of all classes together: a row costs 0.15 us for each."""
MAX_LEAVES = 120_000
"""Leaves of a whole model: about 8 MB in the graph, and 0.1 s to load."""
OBJECTIVES = {Task.BINARY: "binary", Task.MULTICLASS: "multiclass", Task.REGRESSION: "regression"}


class LightGBM:
    """Boosted trees with early stopping on an inner split of the training rows.

    Deterministic: row-wise histograms, a fixed number of threads, one seed. NaN is its own branch of a split.
    """

    name: ClassVar[str] = "lightgbm"
    tasks: ClassVar[frozenset[Task]] = frozenset(Task)
    takes_missing: ClassVar[bool] = True
    slow_imports: ClassVar[tuple[str, ...]] = ("lightgbm",)
    stops_early: ClassVar[bool] = True

    def advise(self, shape: Shape) -> Advice:
        if shape.n_features > 50_000:
            return Advice(False, f"{shape.n_features} features: too many histograms")
        return Advice(True, "the strongest single learner on tables of mixed columns")

    def tail(self, task: Task) -> Tail:
        return TREES

    def space(self, shape: Shape) -> Space:
        small = shape.n_rows < EARLY_STOPPING_FROM
        usual = (
            8 if small else 63 if shape.n_scores > 1 else 31
        )  # few large trees rather than many, where K are grown at once
        dimensions: dict[str, Int | Float] = {
            # A round of K classes grows K trees: larger steps, or a few trials would take the whole budget.
            "learning_rate": Float(0.02, 0.3, default=0.1 if shape.n_scores > 1 else 0.05, log=True),
            "num_leaves": Int(4, 63 if small else 255, default=usual, log=True),
            "min_data_in_leaf": Int(2, 100, default=10, log=True) if small else Int(2, 200, default=20, log=True),
            "feature_fraction": Float(0.3, 1.0, default=0.7),
            "bagging_fraction": Float(0.5, 1.0, default=0.8),
            "lambda_l2": Float(1e-3, 100.0, default=1.0, log=True),
        }
        if small:
            dimensions["n_estimators"] = Int(10, 500, default=100, log=True)
        else:
            # Log loss on the inner rows turns long before accuracy does: how far to go on is for the search to find.
            dimensions["rounds_beyond_best"] = Float(1.0, 4.0, default=2.0 if shape.n_scores > 1 else 1.0, log=True)
        return Space(dimensions)

    def fit(
        self,
        X: Features,
        y: np.ndarray,
        *,
        shape: Shape,
        params: Params,
        weights: np.ndarray | None = None,
        budget: Deadline | None = None,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
        use: np.ndarray | None = None,
        resample: Resample | None = None,
    ) -> FittedLightGBM | FittedConstant:
        """As `Learner.fit`; `params` may hold ``n_estimators`` for any shape, which does without early stopping.

        Parameters
        ----------
        use : which rows grow trees (0), which ones they are stopped by (1); others are left out. Default: a random tenth.
        resample : what is done to the rows that grow trees. Those that stop them are as they are, but weigh as much by class.
        """
        from penstock.features.openmp import load_lightgbm

        lightgbm = load_lightgbm()
        full = self.space(shape).complete({k: v for k, v in params.items() if k != "n_estimators"})
        rounds = params.get("n_estimators", full.pop("n_estimators", None))
        if len(np.unique(y)) < 2:
            return constant_of(y, shape, n_features=X.shape[1], weights=weights)
        settings = {
            **full,
            "objective": OBJECTIVES[shape.task],
            "metric": {Task.BINARY: "binary_logloss", Task.MULTICLASS: "multi_logloss", Task.REGRESSION: "l2"}[
                shape.task
            ],
            "bagging_freq": 1,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "verbosity": -1,
            "feature_pre_filter": False,
        }
        if shape.task is Task.MULTICLASS:
            settings["num_class"] = shape.n_classes
        outer, inner = (None, None) if rounds is not None else _split(y, shape, seed, use)
        watch = _Watch(budget or Deadline(), float(settings.pop("rounds_beyond_best", 1.0)), progress)
        most = max(10, min(MAX_TREES, MAX_LEAVES // int(full["num_leaves"])) // shape.n_scores)
        of_inner = weights
        if resample is None:
            train = _dataset(X, y, weights, outer, settings)
        else:
            train = _dataset(*resample(*((X, y) if outer is None else (X[outer], y[outer]))), None, None, settings)
            if inner is not None:
                of_inner = np.ones(len(y))
                of_inner[inner] = balanced(y[inner], shape.n_classes)
        booster = lightgbm.train(
            settings,
            train,
            num_boost_round=most if rounds is None else int(rounds),
            valid_sets=[] if inner is None else [_dataset(X, y, of_inner, inner, settings, reference=train)],
            callbacks=[watch],
            keep_training_booster=False,
        )
        grown = booster.current_iteration()
        kept = grown if inner is None else min(grown, watch.wanted)
        return FittedLightGBM(booster, kept, shape, {**full, "n_estimators": kept})


def _split(y: np.ndarray, shape: Shape, seed: int, use: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    if use is not None and len(np.unique(y[use == 0])) > 1:
        return np.flatnonzero(use == 0), np.flatnonzero(use == 1)
    return _inner_split(y, shape, seed)


def _inner_split(y: np.ndarray, shape: Shape, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to grow trees on, and rows to stop by: a tenth, stratified by class."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    if shape.task.is_classification:
        order = order[np.argsort(y[order], kind="stable")]
    held = np.zeros(len(y), bool)
    held[order[:: round(1 / INNER_SHARE)]] = True
    if shape.task.is_classification:  # a class whose only row would be held out stays with the trees
        single = np.bincount(y, minlength=shape.n_classes) == 1
        held &= ~single[y]
    return np.flatnonzero(~held), np.flatnonzero(held)


def _dataset(
    X: Any,
    y: np.ndarray,
    weights: np.ndarray | None,
    rows: np.ndarray | None,
    settings: dict[str, Any],
    reference: Any = None,
) -> Any:
    from penstock.features.openmp import load_lightgbm

    take = slice(None) if rows is None else rows
    part = X if rows is None else X[rows]
    return load_lightgbm().Dataset(
        part, y[take], weight=None if weights is None else weights[take], reference=reference, params=settings
    )


class _Watch:
    """Ends the boosting when the inner rows have not improved for a while, or when time is up.

    `wanted` rounds count: the best one on the inner rows, times `beyond_best`.
    """

    order = 30
    before_iteration = False

    def __init__(self, budget: Deadline, beyond_best: float, progress: Progress | None) -> None:
        self.budget, self.beyond_best, self.progress = budget, beyond_best, progress
        self.best_round, self.best_loss = 1, float("inf")

    @property
    def wanted(self) -> int:
        return round(self.best_round * self.beyond_best)

    def __call__(self, env: Any) -> None:
        from lightgbm.callback import EarlyStopException

        done = env.iteration + 1
        if env.evaluation_result_list:
            loss = float(env.evaluation_result_list[0][2])
            if loss < self.best_loss:
                self.best_round, self.best_loss = done, loss
            if self.progress is not None:
                self.progress(done, loss)
        over = bool(env.evaluation_result_list) and done >= max(self.best_round + PATIENCE, self.wanted)
        if over or self.budget.expired:
            raise EarlyStopException(env.iteration, env.evaluation_result_list or [])


@dataclass(frozen=True)
class FittedLightGBM:
    """A booster, of which the first `rounds` rounds count."""

    booster: Any
    rounds: int
    shape: Shape
    params: Params

    def predict(self, X: Features) -> np.ndarray:
        from scipy.special import expit, softmax

        raw = self.booster.predict(X, num_iteration=self.rounds, raw_score=True, num_threads=1)
        raw = np.asarray(raw, np.float64).reshape(X.shape[0], self.shape.n_scores)
        if self.shape.task is Task.REGRESSION:
            return raw
        return softmax(raw, axis=1) if raw.shape[1] > 1 else np.hstack([expit(-raw), expit(raw)])

    def emit(self, x: Var) -> Var:
        from penstock.learning.emission import probabilities
        from penstock.learning.trees import from_lightgbm

        text = self.booster.model_to_string(num_iteration=self.rounds)
        scores = from_lightgbm(text, self.shape.n_scores).emit(x)
        return scores if self.shape.task is Task.REGRESSION else probabilities(scores)

    def importance(self) -> np.ndarray:
        gain = np.asarray(self.booster.feature_importance("gain", iteration=self.rounds), np.float64)
        total = gain.sum()
        return gain / total if total > 0 else gain
