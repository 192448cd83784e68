"""A report as one self-contained HTML page: style and plots inside, no script, no outside address."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from itertools import groupby, pairwise
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from penstock.bundle.kinds import Task
from penstock.evaluation.bootstrap import Comparison, Estimate
from penstock.evaluation.metrics import METRICS, Metric, usual_metrics
from penstock.evaluation.plots import Axis, Chart, around, heat_map, interval_bar, legend
from penstock.evaluation.report import Report
from penstock.evaluation.slices import SMALL, Slice

MOST_CANDIDATES = 20
MOST_CLASSES = 25  # of a confusion matrix; the rarest become one
TASKS = {
    Task.BINARY: "Binary classification",
    Task.MULTICLASS: "Multiclass classification",
    Task.REGRESSION: "Regression",
}


def to_html(report: Report) -> str:
    """The page of a report; made from its JSON form alone, so a stored report can be shown again at any time."""
    headline = _headline(report)
    return page(
        "report.html",
        report=report,
        task=TASKS[report.task],
        passed_count=sum(gate.passed for gate in report.gates),
        headline=headline,
        comparisons=_comparisons(report),
        scores=_scores(report),
        has_baseline=bool(report.baseline),
        threshold_note=_threshold_note(report),
        plots=_plots(report),
        slices=_slice_groups(report),
        slice_metric=headline["title"],
        small=SMALL,
        leaderboard=[_candidate(one) for one in report.leaderboard[:MOST_CANDIDATES]],
        more_trials=len(report.leaderboard) if len(report.leaderboard) > MOST_CANDIDATES else None,
    )


def page(template: str, *, package: str = "penstock.evaluation", **values: Any) -> str:
    """Render a template of a package on the common page (``page.html``, ``style.css``)."""
    loaders = [PackageLoader(name) for name in dict.fromkeys((package, "penstock.evaluation"))]
    jinja = Environment(loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined)
    style = files("penstock.evaluation").joinpath("templates/style.css").read_text("utf-8")
    return jinja.get_template(template).render(style=Markup(style), version=version("penstock"), **values)


def shown(value: float | None, metric: Metric | None = None) -> str:
    """A figure for people: three decimals for shares, four digits and thousands marks for the target's own unit.

    >>> [shown(0.81234, METRICS["roc_auc"]), shown(48211.7, METRICS["rmse"]), shown(float("nan"))]
    ['0.812', '48,212', '–']
    """
    if value is None or not math.isfinite(value):
        return "–"
    if metric is not None and metric.unit in ("share", "nats", "ratio") and abs(value) < 1000:
        return f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no "-0.000"
    if abs(value) >= 1000:
        return f"{round(value):,}"  # of an int all digits
    return f"{value:.4g}"


# --- parts of the page ------------------------------------------------------------------------------------------------


def _headline(report: Report) -> dict[str, Any]:
    metric, estimate = METRICS[report.metric], report.metrics[report.metric]
    baseline = report.baseline.get(report.metric)
    axis = _metric_axis(metric, [estimate.value, estimate.low, estimate.high, baseline])
    return {
        "title": metric.title,
        "value": shown(estimate.value, metric),
        "low": shown(estimate.low, metric),
        "high": shown(estimate.high, metric),
        "why": estimate.why,
        "baseline": shown(baseline, metric) if baseline is not None else "",
        "bar": interval_bar(axis, estimate.value, estimate.low, estimate.high, mark=baseline, width=250),
    }


def _comparisons(report: Report) -> list[str]:
    return [_sentence(name, one) for name, one in report.against.items()]


def _sentence(name: str, one: Comparison) -> str:
    metric = METRICS[one.metric]
    figures = f"{metric.title} {shown(one.champion, metric)}, difference {one.difference:+.3g}"
    return f"{name}: {figures} ({one.low:+.3g} to {one.high:+.3g}); better in {one.better:.0%} of resamples."


def _scores(report: Report) -> list[dict[str, Any]]:
    """The goal first, then in the order in which the metrics are usually told."""
    order = [name for name in (report.metric, *usual_metrics(report.task), *report.metrics) if name in report.metrics]
    return [_score_row(report, METRICS[name], report.metrics[name]) for name in dict.fromkeys(order)]


def _score_row(report: Report, metric: Metric, estimate: Estimate) -> dict[str, Any]:
    baseline = report.baseline.get(metric.name)
    axis = _metric_axis(metric, [estimate.value, estimate.low, estimate.high, baseline])
    interval = estimate.why or f"{shown(estimate.low, metric)} to {shown(estimate.high, metric)}"
    return {
        "title": metric.title,
        "goal": metric.name == report.metric,
        "value": shown(estimate.value, metric),
        "interval": interval,
        "bar": "" if estimate.why else interval_bar(axis, estimate.value, estimate.low, estimate.high, mark=baseline),
        "baseline": shown(baseline, metric),
        "better": "higher" if metric.greater_is_better else "lower",
    }


def _metric_axis(metric: Metric, values: Sequence[float | None]) -> Axis:
    """0 to 1 for shares; otherwise what the values need, with 0."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if metric.unit == "share" and all(0 <= value <= 1 for value in known):
        return Axis(metric.title, 0.0, 1.0)
    return around(metric.title, known, zero=True)


def _threshold_note(report: Report) -> str:
    if report.task is not Task.BINARY:
        return ""
    positive = report.classes[1]
    if report.threshold is None:
        return f"The label is the more probable class; “{positive}” counts as positive."
    return f"The label is “{positive}” (positive) from a probability of {report.threshold:.3g} on."


def _slice_groups(report: Report) -> list[dict[str, Any]]:
    metric, whole = METRICS[report.metric], report.metrics[report.metric].value
    ends = [end for s in report.slices for e in [s.metrics[report.metric]] for end in (e.value, e.low, e.high)]
    known = [value for value in [*ends, whole] if math.isfinite(value)]
    axis = around(metric.title, known) if known else Axis("", 0, 1)
    groups = groupby(report.slices, key=lambda s: s.of)
    return [
        {"name": " × ".join(of), "rows": [_slice_row(s, metric, whole, axis) for s in parts]} for of, parts in groups
    ]


def _slice_row(part: Slice, metric: Metric, whole: float, axis: Axis) -> dict[str, Any]:
    estimate = part.metrics[metric.name]
    weak = estimate.high < whole if metric.greater_is_better else estimate.low > whole
    interval = estimate.why or f"{shown(estimate.low, metric)} to {shown(estimate.high, metric)}"
    style = "s7" if part.small else ("warn" if weak else "s0")
    bar = (
        "" if estimate.why else interval_bar(axis, estimate.value, estimate.low, estimate.high, mark=whole, style=style)
    )
    return {
        "name": ", ".join(part.values),
        "count": f"{part.rows:,}",
        "share": f"{part.share:.1%}",
        "value": shown(estimate.value, metric),
        "interval": interval,
        "bar": bar,
        "weak": bool(weak) and not part.small,
        "small": part.small,
    }


def _candidate(one: Mapping[str, Any]) -> dict[str, Any]:
    params = one.get("params") or {}
    written = ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
    score, seconds = one.get("score"), one.get("seconds")
    return {
        "learner": one.get("learner", ""),
        "score": "–" if score is None else f"{score:.4f}".replace("-0.0000", "0.0000"),
        "seconds": "–" if seconds is None else f"{seconds:.1f}",
        "params": written or "defaults",
        "chosen": bool(one.get("chosen")),
    }


# --- plots --------------------------------------------------------------------------------------------------------


def _plots(report: Report) -> list[dict[str, Any]]:
    plots = report.plots
    found = []
    if "confusion" in plots:
        found.append(_confusion(plots["confusion"], report.classes))
    if plots.get("roc"):
        found.append(_roc(plots["roc"], binary=report.task is Task.BINARY))
    if plots.get("precision_recall"):
        found.append(_precision_recall(plots["precision_recall"], binary=report.task is Task.BINARY))
    if plots.get("calibration"):
        found.append(_calibration(plots["calibration"], report))
    if "histogram" in plots:
        found.append(_histogram(plots["histogram"], report))
    if "residuals" in plots:
        found += _residuals(plots["residuals"], report.target or "target")
    return found


def _plot(title: str, svg: Markup, entries: Sequence[tuple[str, str]] = (), note: str = "") -> dict[str, Any]:
    return {"title": title, "svg": svg, "legend": legend(entries) if entries else "", "note": note}


def _confusion(matrix: list[list[int]], classes: Sequence[str]) -> dict[str, Any]:
    note = "Shaded by the share of each true class."
    labels = list(classes)
    if len(labels) > MOST_CLASSES:
        common = sorted(range(len(labels)), key=lambda k: -sum(matrix[k]))[: MOST_CLASSES - 1]
        groups = [*([k] for k in sorted(common)), [k for k in range(len(labels)) if k not in set(common)]]
        matrix = [[sum(matrix[r][c] for r in rows for c in columns) for columns in groups] for rows in groups]
        note += f" The {len(groups[-1])} rarest classes are gathered."
        labels = [*(labels[k] for k in sorted(common)), "(others)"]
    return _plot("Confusion matrix", heat_map(matrix, labels, name="Confusion matrix"), note=note)


def _roc(curves: Sequence[Mapping[str, Any]], *, binary: bool) -> dict[str, Any]:
    chart = Chart(Axis("false positive rate", 0, 1), Axis("true positive rate", 0, 1), name="ROC curve")
    chart.line([0, 1], [0, 1], "dash")
    for i, curve in enumerate(curves):
        xs, ys = curve["false_positive_rate"], curve["true_positive_rate"]
        chart.line(xs, ys, f"s{i}", tip="" if binary else curve["class"])
        tips = [f"{curve['class']}: finds {y:.1%} at {x:.1%} false alarms" for x, y in zip(xs, ys, strict=True)]
        _hits(chart, xs, ys, tips, every=1 if binary else 4)
    entries = [] if binary else [(f"s{i}", curve["class"]) for i, curve in enumerate(curves)]
    return _plot("ROC curve", chart.svg(), entries, "Dashed: guessing.")


def _precision_recall(curves: Sequence[Mapping[str, Any]], *, binary: bool) -> dict[str, Any]:
    chart = Chart(Axis("recall", 0, 1), Axis("precision", 0, 1), name="Precision and recall")
    if binary:
        chart.line([0, 1], [curves[0]["share"]] * 2, "dash")
    for i, curve in enumerate(curves):
        chart.line(curve["recall"], curve["precision"], f"s{i}", tip="" if binary else curve["class"])
        pairs = zip(curve["recall"], curve["precision"], strict=True)
        tips = [f"{curve['class']}: finds {r:.1%} with {p:.1%} of alarms right" for r, p in pairs]
        _hits(chart, curve["recall"], curve["precision"], tips, every=1 if binary else 4)
    entries = [] if binary else [(f"s{i}", curve["class"]) for i, curve in enumerate(curves)]
    return _plot("Precision and recall", chart.svg(), entries, "Dashed: guessing." if binary else "")


def _hits(chart: Chart, xs: Sequence[float], ys: Sequence[float], tips: Sequence[str], *, every: int) -> None:
    chart.points(xs[::every], ys[::every], "hit", tips=tips[::every], radius=5)


def _calibration(points: Sequence[Mapping[str, float]], report: Report) -> dict[str, Any]:
    happened = "observed share" if report.task is Task.BINARY else "share that was right"
    chart = Chart(Axis("stated probability", 0, 1), Axis(happened, 0, 1), name="Calibration")
    chart.line([0, 1], [0, 1], "dash")
    xs, ys = [p["stated"] for p in points], [p["observed"] for p in points]
    chart.whiskers(xs, [p["low"] for p in points], [p["high"] for p in points])
    chart.line(xs, ys)
    tips = [f"stated {p['stated']:.1%}, observed {p['observed']:.1%} of {p['rows']:,} rows" for p in points]
    chart.points(xs, ys, tips=tips, radius=4)
    note = "Dashed: every probability comes true as often as stated. Strokes: 95 % intervals."
    return _plot("Calibration", chart.svg(), note=note)


def _histogram(histogram: Mapping[str, Any], report: Report) -> dict[str, Any]:
    edges, groups = histogram["edges"], histogram["groups"]
    shares = [[count / max(1, sum(group["rows"])) for count in group["rows"]] for group in groups]
    top = max(map(max, shares)) or 1.0
    y = Axis("share of the rows", 0, top * 1.05, "{:.0%}".format)
    chart = Chart(Axis(histogram["label"], 0, 1), y, name="Answers")
    for i, group in enumerate(groups):
        where = [f"{low:.2f} to {high:.2f}" for low, high in pairwise(edges)]
        tips = [f"{group['name']}: {count:,} rows at {at}" for count, at in zip(group["rows"], where, strict=True)]
        chart.bars(edges, shares[i], f"s{i}", tips=tips)
    prefix = "true class " if report.task is Task.BINARY else ""
    entries = [(f"s{i}", f"{prefix}{group['name']}") for i, group in enumerate(groups)]
    return _plot("Answers", chart.svg(), entries, "Each group by itself: heights are shares of its rows.")


def _residuals(data: Mapping[str, Any], target: str) -> list[dict[str, Any]]:
    predicted, actual = data["predicted"], data["actual"]
    both = around("", [*predicted, *actual])
    chart = Chart(
        Axis(f"predicted {target}", both.low, both.high),
        Axis("actual", both.low, both.high),
        name="Predicted and actual",
    )
    chart.line([both.low, both.high], [both.low, both.high], "dash")
    tips = [f"predicted {shown(p)}, actual {shown(a)}" for p, a in zip(predicted, actual, strict=True)]
    chart.points(predicted, actual, "s0 cloud", tips=tips, radius=2.6)
    plots = [_plot("Predicted and actual", chart.svg(), note=f"A sample of {len(predicted):,} rows. Dashed: exact.")]

    edges, counts = data["histogram"]["edges"], data["histogram"]["counts"]
    chart = Chart(
        Axis("actual − predicted", edges[0], edges[-1]), Axis("rows", 0, max(counts) * 1.05 or 1), name="Errors"
    )
    ranges = [f"{shown(edges[b])} to {shown(edges[b + 1])}: {c:,} rows" for b, c in enumerate(counts)]
    chart.bars(edges, counts, tips=ranges)
    plots.append(
        _plot("Errors", chart.svg(), note="The outer bars hold everything beyond the 0.5 % and 99.5 % quantiles.")
    )

    if bands := data["bands"]:
        xs = [b["predicted"] for b in bands]
        lows, highs = [b["low"] for b in bands], [b["high"] for b in bands]
        chart = Chart(
            around(f"predicted {target}", xs),
            around("actual − predicted", [*lows, *highs], zero=True),
            name="Errors by size",
        )
        chart.line([chart.x.low, chart.x.high], [0, 0], "dash").band(xs, lows, highs)
        chart.line(xs, [b["middle"] for b in bands])
        tips = [f"at {shown(b['predicted'])}: {shown(b['low'])} to {shown(b['high'])}" for b in bands]
        chart.points(xs, [b["middle"] for b in bands], tips=tips)
        note = "Ten parts of equal rows: the median error, and where 80 % of the errors lie."
        plots.append(_plot("Errors along the prediction", chart.svg(), note=note))
    return plots
