"""How sure a score is: bootstrap intervals, and paired comparisons on the same rows.

Rows are drawn with replacement by giving each row the number of times it was drawn as its weight, so that one call of a
metric's scorer computes many replicates, and all metrics (and both models of a comparison) see the same replicates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.evaluation.metrics import Metric
from penstock.evaluation.scorers import Floats, Scorer

REPLICATES = 1000
LEAST_REPLICATES = 200
MOST_DRAWS = 6_000_000  # replicates x rows of one call: about a second for the usual metrics
MANY_ROWS = 10_000  # above it an interval is the normal one: as good there, and from fewer replicates
MOST_ROWS = 30_000  # more rows than this are thinned for the spread (never for the value)
_CHUNK = 1_000_000  # draws held in memory at once


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score with its interval. All three are NaN, and `why` says why, where the labels allow no score."""

    value: float
    low: float
    high: float
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        """``{"value", "low", "high"}`` with null for NaN, and ``"why"`` where there is a reason."""
        numbers = {name: none_if_nan(getattr(self, name)) for name in ("value", "low", "high")}
        return numbers if self.why is None else {**numbers, "why": self.why}

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Estimate:
        low, high = nan_if_none(obj["low"]), nan_if_none(obj["high"])
        return cls(nan_if_none(obj["value"]), low, high, obj.get("why"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger against a champion on the same rows.

    `difference` is the challenger's score minus the champion's, with its interval; `better` is the share of replicates
    in which the challenger is the better one (ties count one half).
    """

    metric: str
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    better: float

    def proven(self, metric: Metric) -> bool:
        """Whether the interval of the difference lies wholly on the challenger's side of 0."""
        return self.low > 0 if metric.greater_is_better else self.high < 0

    def to_json(self) -> dict[str, Any]:
        numbers = ("champion", "challenger", "difference", "low", "high", "better")
        return {"metric": self.metric, **{name: none_if_nan(getattr(self, name)) for name in numbers}}

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Comparison:
        numbers = ("champion", "challenger", "difference", "low", "high", "better")
        return cls(obj["metric"], *(nan_if_none(obj[name]) for name in numbers))


def intervals(
    metrics: Sequence[Metric],
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    threshold: float | None = None,
    seed: int = 0,
    n: int = REPLICATES,
    coverage: float = 0.95,
) -> dict[str, Estimate]:
    """Each metric's score with its bootstrap interval.

    Parameters
    ----------
    y, prediction, threshold : as in `Metric.score`
    n : int, replicates wanted. Fewer (at least 200) are drawn where rows are many; above 30,000 rows the spread comes
        from 30,000 of them and is scaled by the root of the ratio.
    coverage : float, of each interval by itself. Looking at many intervals (slices), expect one in twenty to miss.

    Source: bias-corrected percentile interval, Efron (1987), J. Am. Stat. Assoc. 82, 171, its correction held within
    one standard deviation (the calibration error of a replicate is always larger than the sample's own).
    """
    truth, answers = np.asarray(y), np.asarray(prediction)
    rows, scale = _thinned(len(truth), seed)
    out, scorers = {}, {}
    for metric in metrics:
        why = metric.why_undefined(truth, _n_classes(answers))
        value = float("nan") if why else metric.score(truth, answers, threshold=threshold)
        out[metric.name] = Estimate(value, float("nan"), float("nan"), why)
        if why is None:
            scorers[metric.name] = metric.scorer(truth[rows], answers[rows], threshold=threshold)
    replicates = _replicate(scorers, len(rows), n, seed)
    for name, scores in replicates.items():
        out[name] = Estimate(out[name].value, *_interval(scores, out[name].value, len(truth), scale, coverage))
    return out


def interval(
    metric: Metric,
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    threshold: float | None = None,
    seed: int = 0,
    n: int = REPLICATES,
) -> Estimate:
    """One metric's score with its interval; see `intervals`."""
    return intervals([metric], y, prediction, threshold=threshold, seed=seed, n=n)[metric.name]


def compare(
    metric: Metric,
    y: npt.ArrayLike,
    champion: npt.ArrayLike,
    challenger: npt.ArrayLike,
    *,
    thresholds: tuple[float | None, float | None] = (None, None),
    seed: int = 0,
    n: int = REPLICATES,
) -> Comparison:
    """Paired bootstrap of two predictions for the same rows.

    Parameters
    ----------
    champion, challenger : predictions for the rows of `y`, as in `Metric.score`
    thresholds : of champion and challenger
    """
    truth = np.asarray(y)
    first, second = np.asarray(champion), np.asarray(challenger)
    a = metric.score(truth, first, threshold=thresholds[0])
    b = metric.score(truth, second, threshold=thresholds[1])
    if np.isnan(a) or np.isnan(b):
        return Comparison(metric.name, a, b, *([float("nan")] * 4))
    rows, scale = _thinned(len(truth), seed)
    scorer_a = metric.scorer(truth[rows], first[rows], threshold=thresholds[0])
    scorer_b = metric.scorer(truth[rows], second[rows], threshold=thresholds[1])
    differences = _replicate({"": lambda w: scorer_b(w) - scorer_a(w)}, len(rows), n, seed)[""]
    low, high = _interval(differences, b - a, len(truth), scale)
    around = differences if scale == 1.0 else (b - a) + (differences - differences.mean()) * scale
    wins = around > 0 if metric.greater_is_better else around < 0
    better = float(np.mean(np.where(around == 0, 0.5, wins))) if len(around) else float("nan")
    return Comparison(metric.name, a, b, b - a, low, high, better)


def _replicate(scorers: Mapping[str, Scorer], n_rows: int, n: int, seed: int) -> dict[str, Floats]:
    """Scores of each scorer on the same replicates, NaN ones left out."""
    if not scorers or n_rows == 0:
        return {}
    parts: dict[str, list[Floats]] = {name: [] for name in scorers}
    with np.errstate(invalid="ignore"):
        for weights in _draws(n_rows, n, seed):
            for name, scorer in scorers.items():
                parts[name].append(scorer(weights))
    scores = {name: np.concatenate(some) for name, some in parts.items()}
    return {name: some[~np.isnan(some)] for name, some in scores.items()}


def _draws(n_rows: int, n: int, seed: int) -> Iterator[Floats]:
    """How often each row was drawn, in chunks of replicates: (n_batches, n_rows)."""
    rng = np.random.default_rng(seed)
    replicates = int(np.clip(MOST_DRAWS // n_rows, min(LEAST_REPLICATES, n), n))
    per_chunk = max(1, _CHUNK // n_rows)
    for start in range(0, replicates, per_chunk):
        size = min(per_chunk, replicates - start)
        drawn = rng.integers(0, n_rows, (size, n_rows))
        drawn += np.arange(size)[:, None] * n_rows
        yield np.bincount(drawn.ravel(), minlength=size * n_rows).reshape(size, n_rows).astype(np.float64)


def _interval(scores: Floats, value: float, n_rows: int, scale: float, coverage: float = 0.95) -> tuple[float, float]:
    """Bias-corrected percentile interval, which always holds the value; the normal one of many rows.

    No replicate (each drew one class): no width is known.
    """
    if len(scores) == 0:
        return float("nan"), float("nan")
    normal = NormalDist()
    reach = normal.inv_cdf((1 + coverage) / 2)
    if n_rows > MANY_ROWS:
        half = reach * float(scores.std()) * scale
        return value - half, value + half
    below = (np.count_nonzero(scores < value) + 0.5 * np.count_nonzero(scores == value)) / len(scores)
    bias = float(np.clip(normal.inv_cdf(float(np.clip(below, 1e-4, 1 - 1e-4))), -1.0, 1.0))
    low, high = np.quantile(scores, [normal.cdf(2 * bias - reach), normal.cdf(2 * bias + reach)])
    return min(float(low), value), max(float(high), value)


def _thinned(n_rows: int, seed: int) -> tuple[npt.NDArray[np.int64], float]:
    """The rows whose spread is measured, and by what to scale it."""
    if n_rows <= MOST_ROWS:
        return np.arange(n_rows), 1.0
    rows = np.random.default_rng([seed, n_rows]).choice(n_rows, MOST_ROWS, replace=False)
    return np.sort(rows), float(np.sqrt(MOST_ROWS / n_rows))


def _n_classes(prediction: npt.NDArray[Any]) -> int:
    return prediction.shape[1] if prediction.ndim == 2 else 1


def none_if_nan(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)


def nan_if_none(value: float | None) -> float:
    return float("nan") if value is None else float(value)
