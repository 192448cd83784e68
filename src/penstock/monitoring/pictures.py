"""The distributions behind the alarms, reference beside window, as the few numbers that a plot needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.monitoring.answered import confidence_of
from penstock.monitoring.checks.check import CheckResult
from penstock.monitoring.sketch import Sketch
from penstock.monitoring.view import View

MOST_COLUMNS = 12
MOST_VALUES = 12
BINS = 24


def pictures(view: View, results: Sequence[CheckResult]) -> list[dict[str, Any]]:
    """Plots of the answers, and of the columns that alarmed, the furthest beyond their limits first.

    Each is ``{"title", "label", "why", "reference", "window"}`` with shares, and ``"edges"`` of bins or ``"names"``.
    """
    if view.rows < view.settings.minimum_rows:
        return []
    whys: dict[str, list[CheckResult]] = {}
    for result in results:
        if result.alarm and result.column is not None:
            whys.setdefault(result.column, []).append(result)
    worst = sorted(whys, key=lambda name: -max(r.value - r.limit for r in whys[name]))
    shown = [_of_column(view, name, whys[name]) for name in worst[:MOST_COLUMNS]]
    return [*_of_answers(view, results), *(picture for picture in shown if picture is not None)]


def _of_answers(view: View, results: Sequence[CheckResult]) -> list[dict[str, Any]]:
    known, now = view.reference, view.window.answered
    whys = {result.id: result.why for result in results if result.column is None}
    found = []
    if now.value is not None and known.value is not None:
        picture = _histogram(known.value, now.value)
        found.append(
            {"title": "Predictions", "label": "prediction", "why": whys.get("prediction-share", ""), **picture}
        )
    if now.label is not None and known.labels:
        counts = np.bincount(now.label, minlength=len(known.labels))
        picture = _columns(list(view.class_names), np.array(known.labels, dtype=np.float64), counts)
        found.append({"title": "Answers", "label": "class", "why": whys.get("prediction-share", ""), **picture})
    confidence = confidence_of(now)
    if confidence is not None and known.confidence is not None:
        picture = _histogram(known.confidence, confidence)
        found.append({"title": "Confidence", "label": "top probability", "why": whys.get("confidence", ""), **picture})
    return found


def _of_column(view: View, name: str, alarms: Sequence[CheckResult]) -> dict[str, Any] | None:
    column = view.columns[name]
    head = {"title": name, "why": "; ".join(f"{alarm.id}: {alarm.why}" for alarm in alarms)}
    if len(view.values(name)) == 0 or column.kind is Kind.DATETIME:
        return None
    if column.sketch is None or (column.has_few_values and column.kind is Kind.NUMERIC):
        return {**head, "label": name, **_columns(*view.counts(name))}
    label = f"words in {name}" if column.kind is Kind.TEXT else name
    return {**head, "label": label, **_histogram(column.sketch, view.numbers(name))}


def _histogram(sketch: Sketch, numbers: np.ndarray) -> dict[str, Any]:
    """Shares in equal bins over the middle 99 % of both; the outer bins hold what lies beyond."""
    ends = np.quantile(numbers, [0.005, 0.995])
    low, high = min(ends[0], sketch.quantile(0.005)), max(ends[1], sketch.quantile(0.995))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    reference = np.diff(np.r_[0.0, sketch.share_up_to(edges[1:-1]), 1.0])
    sample = np.sort(numbers)
    upto = np.searchsorted(sample, edges[1:-1], side="right") / len(sample)
    return {"edges": edges.tolist(), "reference": reference.tolist(), "window": np.diff(np.r_[0.0, upto, 1.0]).tolist()}


def _columns(names: list[str], reference: np.ndarray, window: np.ndarray) -> dict[str, Any]:
    """Shares of the values with the most rows; the rest is one."""
    before, after = reference / max(1.0, reference.sum()), window / max(1.0, window.sum())
    order = np.argsort(-np.maximum(before, after), kind="stable")
    first, rest = np.sort(order[:MOST_VALUES]), order[MOST_VALUES:]
    shown = [names[i] for i in first]
    there, now = before[first].tolist(), after[first].tolist()
    if len(rest) and before[rest].sum() + after[rest].sum() > 0:
        shown.append(f"({len(rest)} more)")
        there.append(float(before[rest].sum()))
        now.append(float(after[rest].sum()))
    return {"names": shown, "reference": there, "window": now}
