"""A monitor report as one self-contained HTML page, in the style of the model report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from penstock.evaluation.plots import Axis, Chart, around, interval_bar, legend
from penstock.evaluation.render import page
from penstock.monitoring.checks.check import CheckResult
from penstock.monitoring.monitor import MonitorReport

MOST_CHECKS = 200
SHARES = {"missing-share", "out-of-range", "unknown-values", "novelty-share", "error-share"}


def to_html(report: MonitorReport) -> str:
    """The page: what alarmed, reference beside window, and every check with its value and limit."""
    judged = [check for check in report.checks if not math.isnan(check.value)]
    shown = [*report.alarms, *(check for check in report.checks if not check.alarm)][:MOST_CHECKS]
    verdict = (
        f"{len(report.alarms)} of {len(judged)} checks alarm" if report.alarm else f"no alarm in {len(judged)} checks"
    )
    return page(
        "monitor.html",
        package="penstock.monitoring",
        report=report,
        span=_span(report),
        verdict=verdict if judged else "nothing judged",
        nothing=not judged,
        calm=_calm(report, len(judged)),
        alarms=[_row(check) for check in report.alarms],
        plots=[_plot(picture) for picture in report.pictures],
        checks=[_row(check) for check in shown],
        left_out=len(report.checks) - len(shown),
        alpha=f"{report.alpha:.3g}",
    )


def _span(report: MonitorReport) -> str:
    if report.since is None or report.until is None:
        return "a window of rows"
    return f"{report.since[:16].replace('T', ' ')} to {report.until[:16].replace('T', ' ')} UTC"


def _calm(report: MonitorReport, judged: int) -> str:
    if judged:
        return "Nothing differs from the reference beyond chance and beyond what matters."
    return next((check.why for check in report.checks), "There was nothing to judge.").capitalize() + "."


def _row(check: CheckResult) -> dict[str, Any]:
    judged = not math.isnan(check.value)
    return {
        "id": check.id,
        "column": check.column or "",
        "value": _figure(check.id, check.value),
        "limit": _figure(check.id, check.limit),
        "why": check.why,
        "unjudged": not judged,
        "bar": _bar(check) if judged and not math.isnan(check.limit) else "",
    }


def _figure(check_id: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    if check_id in SHARES:
        return f"{value:.1%}"
    if check_id == "latency-p99":
        return f"{value:.3g} ms"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.4g}"


def _bar(check: CheckResult) -> Any:
    """The value as a dot, its limit as a dashed mark."""
    high = max(abs(check.value), abs(check.limit)) * 1.25 or 1.0
    low = -high if min(check.value, check.limit) < 0 else 0.0
    nothing = float("nan")
    style = "bad" if check.alarm else "s0"
    return interval_bar(Axis("", low, high), check.value, nothing, nothing, mark=check.limit, style=style, width=110)


def _plot(picture: Mapping[str, Any]) -> dict[str, Any]:
    reference, window = picture["reference"], picture["window"]
    top = max(*reference, *window) * 1.05 or 1.0
    y = Axis("share of the rows", 0, top, "{:.0%}".format if top > 0.05 else "{:.1%}".format)
    if "edges" in picture:
        edges = picture["edges"]
        x = around(picture["label"], edges)
        chart = Chart(Axis(x.label, edges[0], edges[-1]), y, name=picture["title"])
        where = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
        tips = [f"{at}: reference {share:.1%}" for at, share in zip(where, reference, strict=True)]
        chart.bars(edges, reference, "quiet", tips=tips)
        chart.bars(edges, window, "s1", tips=[f"{at}: window {s:.1%}" for at, s in zip(where, window, strict=True)])
        svg = chart.svg()
    else:
        names = picture["names"]
        short = [name if len(name) <= 12 else name[:11] + "…" for name in names]
        turn = sum(map(len, short)) > 42
        x = Axis("" if turn else picture["label"], -0.6, len(names) - 0.4)  # slanting names take the label's place
        chart = Chart(x, y, name=picture["title"], below=58.0 if turn else 42.0)
        both = (("reference", reference), ("window", window))
        named = [[f"{name}: {of} {share:.1%}" for name, share in zip(names, some, strict=True)] for of, some in both]
        chart.columns([reference, window], ["quiet", "s1"], tips=named)
        svg = chart.svg(x_ticks=list(enumerate(short)), turn=turn)
    entries = [("quiet", "reference"), ("s1", "window")]
    return {"title": picture["title"], "svg": svg, "legend": legend(entries), "note": picture["why"]}
