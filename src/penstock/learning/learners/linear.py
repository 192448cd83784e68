"""Logistic regression (binary and multinomial) and ridge regression: one matrix product in the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penstock.bundle.kinds import Task
from penstock.features.constants import const
from penstock.features.tail import LINEAR, Tail
from penstock.learning.learner import Advice, Choice, Deadline, Float, Params, Progress, Shape, Space
from penstock.learning.learners.weighting import balanced

if TYPE_CHECKING:
    from spox import Var

    from penstock.learning.learner import Features

MAX_ITERATIONS = 300
NORMAL_EQUATIONS_UP_TO = 4_000
"""Features up to which ridge regression is solved exactly; above it, by L-BFGS."""
ABSENT = -30.0
"""Score of a class without training rows: a probability near 1e-13."""

Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Scores (n, k) -> (sum of losses, its gradient by the scores (n, k))."""


class Linear:
    """Least penalised loss: ``sum of losses + |W|^2 / (2 C)``, the intercept not penalised.

    Classification minimises log loss by L-BFGS (Byrd et al. 1995), regression squared error exactly (Hoerl & Kennard
    1970), or by L-BFGS where there are more features than can be squared. Works on wide CSR (tf-idf).
    """

    name: ClassVar[str] = "linear"
    tasks: ClassVar[frozenset[Task]] = frozenset(Task)
    takes_missing: ClassVar[bool] = False
    slow_imports: ClassVar[tuple[str, ...]] = ("scipy.optimize", "scipy.sparse")

    def advise(self, shape: Shape) -> Advice:
        if shape.sparse:
            return Advice(True, f"{shape.n_features} sparse features: linear models are hard to beat on words")
        return Advice(True, "fast, and the first thing to compare with")

    def tail(self, task: Task) -> Tail:
        return LINEAR

    def space(self, shape: Shape) -> Space:
        strength = Float(1e-4, 1e4, default=1.0, log=True)
        if shape.task is Task.REGRESSION:
            return Space({"C": strength})
        starts = [{"C": 30.0}] if shape.sparse else []  # rare words need large weights
        return Space({"C": strength, "balance": Choice(("none", "balanced"), default="none")}, starts)

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
    ) -> FittedLinear:
        from threadpoolctl import threadpool_limits

        full = self.space(shape).complete(params)
        row_weights = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
        if full.get("balance") == "balanced":
            row_weights = row_weights * balanced(y, shape.n_classes)
        design = _Design.of(X)
        budget = budget or Deadline()
        with threadpool_limits(1):
            if shape.task is Task.REGRESSION:
                coef, intercept = _ridge(design, y.astype(np.float64), row_weights, float(full["C"]), budget)
            else:
                coef, intercept = _logistic(design, y, row_weights, float(full["C"]), shape, budget, progress)
        return FittedLinear(
            coef.astype(np.float32),
            intercept.astype(np.float32),
            design.low,
            design.high,
            design.spread,
            shape.task,
            full,
        )


@dataclass(frozen=True)
class _Design:
    """Features in double precision, and the range in which they lay."""

    X: Any  # float64 (n, d) or CSR
    low: np.ndarray | None  # float32 (d,); None for CSR
    high: np.ndarray | None
    spread: np.ndarray  # float64 (d,): standard deviation

    @classmethod
    def of(cls, X: Any) -> _Design:
        from scipy.sparse import issparse

        if issparse(X):
            wide = X.astype(np.float64)
            mean = np.asarray(wide.mean(axis=0)).ravel()
            square = np.asarray(wide.multiply(wide).mean(axis=0)).ravel()
            return cls(wide, None, None, np.sqrt(np.maximum(square - mean**2, 0.0)))
        dense = X.astype(np.float64)
        low, high = dense.min(axis=0), dense.max(axis=0)
        span = high - low
        with np.errstate(over="ignore"):
            bounds = np.clip([low - span, high + span], -3e38, 3e38).astype(np.float32)
        return cls(dense, bounds[0], bounds[1], dense.std(axis=0))


def _ridge(
    design: _Design, y: np.ndarray, weights: np.ndarray, C: float, budget: Deadline
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (d, 1) and intercept (1,)."""
    n_features = design.X.shape[1]
    if design.low is None or n_features > NORMAL_EQUATIONS_UP_TO:

        def squared(scores: np.ndarray) -> tuple[float, np.ndarray]:
            rest = scores[:, 0] - y
            return 0.5 * float(weights @ rest**2), (weights * rest)[:, None]

        start = np.zeros((n_features + 1, 1))
        start[-1] = np.average(y, weights=weights)
        solution = _minimise(design.X, squared, start, C, budget, None)
        return solution[:-1], solution[-1]
    mean_x, mean_y = np.average(design.X, axis=0, weights=weights), np.average(y, weights=weights)
    centred = design.X - mean_x
    weighted = centred * weights[:, None]
    normal = weighted.T @ centred  # (d, d)
    normal[np.diag_indices_from(normal)] += 1.0 / C
    coef = np.linalg.solve(normal, weighted.T @ (y - mean_y))
    return coef[:, None], np.array([mean_y - mean_x @ coef])


def _logistic(
    design: _Design,
    y: np.ndarray,
    weights: np.ndarray,
    C: float,
    shape: Shape,
    budget: Deadline,
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (d, k) and intercepts (k,): k = 1 for two classes, the log-odds of the second."""
    from scipy.special import expit, log_softmax

    n_rows, n_features = design.X.shape
    counts = np.bincount(y, weights=weights, minlength=shape.n_classes).astype(np.float64)
    seen = counts > 0
    log_share = np.where(seen, np.log(np.maximum(counts, 1e-300) / counts.sum()), ABSENT)
    coef = np.zeros((n_features, shape.n_classes))
    if seen.sum() < 2:
        solution = np.vstack([coef, log_share])
    elif shape.n_classes == 2:

        def binary(scores: np.ndarray) -> tuple[float, np.ndarray]:
            z = scores[:, 0]
            loss = np.logaddexp(0.0, z) - y * z
            return float(weights @ loss), (weights * (expit(z) - y))[:, None]

        start = np.zeros((n_features + 1, 1))
        start[-1] = log_share[1] - log_share[0]
        found = _minimise(design.X, binary, start, C, budget, progress)
        return found[:-1], found[-1]
    else:
        position = np.cumsum(seen) - 1  # class -> its column among those seen
        rows = np.arange(n_rows)

        def multinomial(scores: np.ndarray) -> tuple[float, np.ndarray]:
            log_p = log_softmax(scores, axis=1)
            gradient = np.exp(log_p)
            gradient[rows, position[y]] -= 1.0
            return -float(weights @ log_p[rows, position[y]]), weights[:, None] * gradient

        start = np.zeros((n_features + 1, int(seen.sum())))
        start[-1] = log_share[seen]
        found = _minimise(design.X, multinomial, start, C, budget, progress)
        solution = np.zeros((n_features + 1, shape.n_classes))
        solution[:, seen] = found
        solution[-1, ~seen] = found[-1].min() + ABSENT
    if shape.n_classes == 2:
        solution = solution[:, 1:] - solution[:, :1]
    return solution[:-1], solution[-1]


def _minimise(
    X: Any, loss: Loss, start: np.ndarray, C: float, budget: Deadline, progress: Progress | None
) -> np.ndarray:
    """Least penalised loss by L-BFGS from `start` (d + 1, k), the last row being the intercept."""
    from scipy.optimize import minimize

    scale = 1.0 / X.shape[0]  # a mean: the tolerance then means the same for every number of rows
    transposed = X.T.tocsr() if hasattr(X, "tocsr") else X.T
    iteration = 0

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        solution = flat.reshape(start.shape)
        value, by_score = loss(np.asarray(X @ solution[:-1]) + solution[-1])
        gradient = np.vstack([np.asarray(transposed @ by_score) + solution[:-1] / C, by_score.sum(axis=0)])
        penalty = 0.5 / C * float((solution[:-1] ** 2).sum())
        return (value + penalty) * scale, gradient.ravel() * scale

    def each(intermediate_result: Any) -> None:
        nonlocal iteration
        iteration += 1
        if progress is not None:
            progress(iteration, float(intermediate_result.fun))
        if budget.expired:
            raise StopIteration

    found = minimize(
        objective,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=each,
        options={"maxiter": MAX_ITERATIONS, "gtol": 1e-6},
    )
    return found.x.reshape(start.shape)


@dataclass(frozen=True)
class FittedLinear:
    """A linear score and, for classification, its softmax.

    Dense features are first held within their training range widened by its own width on each side: beyond it a
    straight line is a guess, and an extreme value (1e38) would leave the finite numbers.
    """

    coef: np.ndarray  # float32 (d, k): k = 1 for two classes and for regression
    intercept: np.ndarray  # float32 (k,)
    low: np.ndarray | None  # float32 (d,); None where features are sparse
    high: np.ndarray | None
    spread: np.ndarray  # float64 (d,)
    task: Task
    params: Params

    def predict(self, X: Features) -> np.ndarray:
        from scipy.sparse import issparse
        from scipy.special import expit, softmax

        held = X if issparse(X) or self.low is None else np.clip(X, self.low, self.high)
        scores = np.asarray(held.astype(np.float64) @ self.coef.astype(np.float64)) + self.intercept.astype(np.float64)
        if self.task is Task.REGRESSION:
            return scores
        if scores.shape[1] == 1:
            return np.hstack([expit(-scores), expit(scores)])
        return softmax(scores, axis=1)

    def emit(self, x: Var) -> Var:
        import spox.opset.ai.onnx.v21 as op

        from penstock.learning.emission import probabilities

        if self.low is not None and self.high is not None:
            x = op.min([op.max([x, const(self.low)]), const(self.high)])
        scores = op.add(op.matmul(x, const(self.coef)), const(self.intercept))
        return scores if self.task is Task.REGRESSION else probabilities(scores)

    def importance(self) -> np.ndarray:
        weight = np.abs(self.coef.astype(np.float64)).sum(axis=1) * self.spread
        total = weight.sum()
        return weight / total if total > 0 else weight
