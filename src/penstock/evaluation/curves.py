"""The points behind the plots of a report: plain lists, thinned to what an eye can tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.evaluation.scorers import Floats, Ints

MOST_POINTS = 160  # of a curve
MOST_CLASSES = 10  # with a curve each
MOST_DOTS = 700  # of a scatter plot
BINS = 20


def confusion_matrix(y: Ints, labels: Ints, k: int) -> list[list[int]]:
    """Rows: true class; columns: predicted class."""
    return np.bincount(y * k + labels, minlength=k * k).reshape(k, k).tolist()


def roc_curve(positive: npt.NDArray[np.bool_], scores: Floats) -> dict[str, list[float]] | None:
    """False and true positive rates at each distinct score, from (0, 0) to (1, 1); None of one class."""
    tp, rows = _ranked_counts(positive, scores)
    fp = rows - tp
    if len(tp) == 0 or tp[-1] == 0 or fp[-1] == 0:
        return None
    keep = _thin(len(tp))
    return {
        "false_positive_rate": [0.0, *(fp[keep] / fp[-1]).tolist()],
        "true_positive_rate": [0.0, *(tp[keep] / tp[-1]).tolist()],
    }


def precision_recall_curve(positive: npt.NDArray[np.bool_], scores: Floats) -> dict[str, list[float]] | None:
    """Recall and precision at each distinct score, in the order of falling scores; None without positives."""
    tp, rows = _ranked_counts(positive, scores)
    if len(tp) == 0 or tp[-1] == 0:
        return None
    keep = _thin(len(tp))
    return {"recall": (tp[keep] / tp[-1]).tolist(), "precision": (tp[keep] / rows[keep]).tolist()}


def of_classes(y: Ints, p: Floats, classes: list[str]) -> dict[str, list[dict[str, Any]]]:
    """ROC and PR curves: of the positive class for two, of each class against the rest (the ten largest) for more."""
    counts = np.bincount(y, minlength=p.shape[1])
    which = [1] if p.shape[1] == 2 else sorted(np.argsort(-counts, kind="stable")[:MOST_CLASSES].tolist())
    roc, pr = [], []
    for k in which:
        share = float(counts[k] / max(1, len(y)))
        if (curve := roc_curve(y == k, p[:, k])) is not None:
            roc.append({"class": classes[k], **curve})
        if (curve := precision_recall_curve(y == k, p[:, k])) is not None:
            pr.append({"class": classes[k], "share": share, **curve})
    return {"roc": roc, "precision_recall": pr}


def probability_histogram(y: Ints, p: Floats, classes: list[str]) -> dict[str, Any]:
    """Two classes: P(positive) by true class. More: P(most probable class) where it was right and where wrong."""
    if p.shape[1] == 2:
        shown, groups = p[:, 1], {classes[0]: y == 0, classes[1]: y == 1}
        label = f"probability of {classes[1]}"
    else:
        right = np.argmax(p, axis=1) == y
        shown, groups = p.max(axis=1), {"wrong": ~right, "right": right}
        label = "probability of the answer"
    edges = np.linspace(0.0, 1.0, BINS + 1)
    counts = [{"name": name, "rows": np.histogram(shown[rows], edges)[0].tolist()} for name, rows in groups.items()]
    return {"label": label, "edges": edges.tolist(), "groups": counts}


def residuals(y: Floats, value: Floats, seed: int = 0) -> dict[str, Any]:
    """Of a regression: a sample of (predicted, actual), the histogram of actual - predicted, and its spread along the
    prediction (10 %, 50 % and 90 % quantiles in ten bins of equal counts)."""
    rest = y - value
    dots = np.arange(len(y))
    if len(y) > MOST_DOTS:
        dots = np.sort(np.random.default_rng(seed).choice(len(y), MOST_DOTS, replace=False))
    low, high = np.quantile(rest, [0.005, 0.995]) if len(rest) else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 31)
    counts = np.histogram(np.clip(rest, low, high), edges)[0]
    bands = []
    for part in np.array_split(np.argsort(value, kind="stable"), min(10, len(y) // 10)) if len(y) >= 20 else []:
        q10, q50, q90 = np.quantile(rest[part], [0.1, 0.5, 0.9])
        band = {"low": float(q10), "middle": float(q50), "high": float(q90)}
        bands.append({"predicted": float(value[part].mean()), **band})
    return {
        "predicted": value[dots].tolist(),
        "actual": y[dots].tolist(),
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        "bands": bands,
    }


def _ranked_counts(positive: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """True positives and rows at or above each distinct score, scores falling."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.r_[np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1] if len(ranked) else np.empty(0, np.int64)
    return np.cumsum(positive[order])[ends].astype(np.float64), (ends + 1).astype(np.float64)


def _thin(n: int) -> Ints:
    """At most MOST_POINTS of n indices, both ends among them."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(np.int64))
