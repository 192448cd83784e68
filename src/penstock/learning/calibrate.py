"""Probabilities that mean what they say, fitted on out-of-fold predictions of training rows.

Two classes: a rising, piecewise linear function of the log-odds. One piece is Platt's sigmoid (Platt 1999, with his
smoothed targets); several pieces are an isotonic curve (Zadrozny & Elkan 2002) whose slope is bounded from both sides, so
that no difference between two scores is lost, and none of the graph's rounding is blown up. It is strictly rising: the
order of the rows, and with it ROC-AUC, stays. More classes: temperature scaling (Guo et al. 2017), which keeps the order
of the classes. Which of them, or none, is decided by cross-fitted log loss; the simpler one stays unless the next is better
by more than one standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from penstock.errors import NewerFormat
from penstock.features.constants import const

if TYPE_CHECKING:
    from spox import Var

FLOOR = 1e-9
"""Probabilities are held above it before their logarithm is taken."""
EDGE = 25.0
"""Beyond every log-odds that `FLOOR` allows (20.7)."""
SLOPES = (0.05, 10.0)
MIN_ROWS, MIN_ROWS_OF_CLASS = 60, 15
"""Rows, in all and of the rarer of two classes, below which nothing is fitted. A temperature is one for all classes."""
PIECES = 8
MIN_ROWS_FOR_PIECES = 2_000
FOLDS = 5


Fit = Callable[[np.ndarray, np.ndarray], "Calibrator"]
"""Probabilities (n, K) and classes (n,) -> a calibrator."""


class Calibrator(Protocol):
    """Maps class probabilities to class probabilities, in NumPy and in the graph alike."""

    def apply(self, p: np.ndarray) -> np.ndarray:
        """Float64 (n, K) -> float64 (n, K)."""
        ...

    def emit(self, p: Var) -> Var:
        """Float32 (n, K) -> float32 (n, K)."""
        ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class NoCalibration:
    """The probabilities as they are."""

    def apply(self, p: np.ndarray) -> np.ndarray:
        return p

    def emit(self, p: Var) -> Var:
        return p

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, "method": "none"}


@dataclass(frozen=True)
class LogOddsCalibration:
    """New log-odds = offset + the sum over pieces j of ``slopes[j] * (part of z that lies in piece j)``.

    Piece j reaches from ``breaks[j]`` to ``breaks[j + 1]``; z is the log-odds of the second class.
    """

    breaks: tuple[float, ...]  # rising, from -EDGE to EDGE
    slopes: tuple[float, ...]  # one fewer
    offset: float

    @property
    def method(self) -> str:
        return "sigmoid" if len(self.slopes) == 1 else "isotonic"

    def apply(self, p: np.ndarray) -> np.ndarray:
        from scipy.special import expit

        z = _parts(log_odds(p), np.array(self.breaks)) @ np.array(self.slopes) + self.offset
        return np.stack([expit(-z), expit(z)], axis=1)

    def emit(self, p: Var) -> Var:
        import spox.opset.ai.onnx.v21 as op

        from penstock.learning.emission import logarithm, probabilities

        breaks = np.array(self.breaks, np.float32)
        logs = logarithm(op.max([p, const(np.float32(FLOOR))]))
        z = op.matmul(logs, const(np.array([[-1.0], [1.0]], np.float32)))  # (n, 1)
        inside = op.max([op.sub(z, const(breaks[None, :-1])), const(np.float32(0.0))])
        parts = op.min([inside, const(np.diff(breaks)[None, :])])  # (n, pieces)
        slopes = const(np.array(self.slopes, np.float32)[:, None])
        return probabilities(op.add(op.matmul(parts, slopes), const(np.array([self.offset], np.float32))))

    def to_json(self) -> dict[str, Any]:
        return {
            "format": 1,
            "method": self.method,
            "breaks": list(self.breaks),
            "slopes": list(self.slopes),
            "offset": self.offset,
        }


@dataclass(frozen=True)
class TemperatureCalibration:
    """Log-probabilities divided by one temperature."""

    temperature: float

    def apply(self, p: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        return softmax(np.log(np.maximum(p, FLOOR)) / self.temperature, axis=1)

    def emit(self, p: Var) -> Var:
        import spox.opset.ai.onnx.v21 as op

        from penstock.learning.emission import logarithm

        logs = logarithm(op.max([p, const(np.float32(FLOOR))]))
        return op.softmax(op.mul(logs, const(np.float32(1.0 / self.temperature))), axis=1)

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, "method": "temperature", "temperature": self.temperature}


def from_json(plain: Mapping[str, Any]) -> Calibrator:
    """The calibrator that `to_json` wrote.

    Raises
    ------
    NewerFormat : written by a later release.
    """
    if plain.get("format") != 1:
        raise NewerFormat(
            f"a calibration of format {plain.get('format')!r}",
            why="this release reads format 1",
            way_out="upgrade penstock",
        )
    match plain["method"]:
        case "none":
            return NoCalibration()
        case "temperature":
            return TemperatureCalibration(float(plain["temperature"]))
        case _:
            return LogOddsCalibration(tuple(plain["breaks"]), tuple(plain["slopes"]), float(plain["offset"]))


def log_odds(p: np.ndarray) -> np.ndarray:
    """Of the second class: float64 (n,)."""
    logs = np.log(np.maximum(p, FLOOR))
    return logs[:, 1] - logs[:, 0]


def fit_calibrator(p: np.ndarray, y: np.ndarray, *, seed: int = 0) -> Calibrator:
    """The calibration with the least cross-fitted log loss.

    Parameters
    ----------
    p : float64 (n, K), out-of-fold probabilities of training rows.
    y : int64 (n,), their classes.
    """
    n_classes = p.shape[1]
    counts = np.bincount(y, minlength=n_classes)
    too_few = counts.min() < MIN_ROWS_OF_CLASS if n_classes == 2 else (counts > 0).sum() < 2
    if len(y) < MIN_ROWS or too_few:
        return NoCalibration()
    fits: list[Fit]
    if n_classes == 2:
        fits = [_fit_sigmoid]
        if len(y) >= MIN_ROWS_FOR_PIECES and counts.min() >= MIN_ROWS_FOR_PIECES // 20:
            fits.append(_fit_pieces)
    else:
        fits = [_fit_temperature]
    fold = _folds(y, np.random.default_rng(seed))
    best: Fit = _fit_nothing
    best_loss = _losses(p, y)
    for fit in fits:
        loss = np.empty(len(y))
        for k in range(FOLDS):
            inside, outside = fold != k, fold == k
            loss[outside] = _losses(fit(p[inside], y[inside]).apply(p[outside]), y[outside])
        gain = best_loss - loss
        if gain.mean() > gain.std() / np.sqrt(len(y)):
            best, best_loss = fit, loss
    return best(p, y)


def _fit_nothing(p: np.ndarray, y: np.ndarray) -> NoCalibration:
    return NoCalibration()


def _folds(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fold per row, stratified."""
    fold = np.empty(len(y), np.int64)
    order = rng.permutation(len(y))
    fold[order[np.argsort(y[order], kind="stable")]] = np.arange(len(y)) % FOLDS
    return fold


def _losses(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(p[np.arange(len(y)), y], FLOOR))


def _fit_sigmoid(p: np.ndarray, y: np.ndarray) -> LogOddsCalibration:
    return _fit_breaks(p, y, np.array([-EDGE, EDGE]))


def _fit_pieces(p: np.ndarray, y: np.ndarray) -> LogOddsCalibration:
    """Breaks at quantiles of the rarer class, so that every piece has some of it."""
    z = log_odds(p)
    rare = z[y == np.argmin(np.bincount(y, minlength=2))]
    inner = np.unique(np.quantile(rare, np.arange(1, PIECES) / PIECES).round(3))
    inner = inner[np.concatenate([[True], np.diff(inner) > 0.05])]
    return _fit_breaks(p, y, np.concatenate([[-EDGE], inner, [EDGE]]))


def _fit_breaks(p: np.ndarray, y: np.ndarray, breaks: np.ndarray) -> LogOddsCalibration:
    """Least log loss over slopes within `SLOPES` and the offset: a convex problem."""
    from scipy.optimize import minimize
    from scipy.special import expit

    parts = np.hstack([_parts(log_odds(p), breaks), np.ones((len(y), 1))])
    n_positive = int((y == 1).sum())
    target = np.where(y == 1, (n_positive + 1) / (n_positive + 2), 1 / (len(y) - n_positive + 2))

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        z = parts @ theta
        return float(np.mean(np.logaddexp(0.0, z) - target * z)), parts.T @ (expit(z) - target) / len(y)

    start = np.append(np.ones(len(breaks) - 1), -EDGE)  # parts are measured from -EDGE: this start is the identity
    bounds = [SLOPES] * (len(breaks) - 1) + [(None, None)]
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000, "gtol": 1e-7}
    )
    slopes = tuple(float(s) for s in found.x[:-1])
    return LogOddsCalibration(tuple(float(b) for b in breaks), slopes, float(found.x[-1]))


def _parts(z: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """How far z reaches into each piece: float64 (n, pieces)."""
    return np.clip(z[:, None] - breaks[:-1], 0.0, np.diff(breaks))


def _fit_temperature(p: np.ndarray, y: np.ndarray) -> TemperatureCalibration:
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logs = np.log(np.maximum(p, FLOOR))
    rows = np.arange(len(y))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logs / np.exp(log_temperature), axis=1)[rows, y].mean())

    found = minimize_scalar(loss, bounds=(np.log(0.2), np.log(10.0)), method="bounded")
    return TemperatureCalibration(float(np.exp(found.x)))
