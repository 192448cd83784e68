"""The gates of `[quantise]`: what a form may lose beside the exact graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.evaluation.gates import GateResult
    from penstock.evaluation.report import Report
    from penstock.packaging.quantising.moved import Moved

EXACT = "exact"
"""What the graph before quantising is called in reports and tables."""


def gates_of(
    report: Report, change: Moved, wrong: int, sizes: tuple[float, float], params: dict[str, Any]
) -> list[GateResult]:
    """What [quantise] asks: little loss, few changed answers, a row alone as in a batch, and that it is smaller at all.

    Parameters
    ----------
    report : compared with `EXACT`. wrong : rows that have no number, or other bits alone than in a batch.
    sizes : of the bundle and of the exact one, in MB.
    """
    from penstock.evaluation.gates import GateResult
    from penstock.evaluation.metrics import METRICS

    against = report.against[EXACT]
    worse = -against.low if METRICS[report.metric].greater_is_better else against.high
    limit = params["max_loss"] * abs(against.champion)
    size_mb, exact_mb = sizes
    interval = f"difference {against.difference:+.3g}, 95 % interval {against.low:+.3g} to {against.high:+.3g}"
    return [
        GateResult(
            "quantise.max_loss",
            bool(worse <= limit),
            worse,
            limit,
            f"{METRICS[report.metric].title} is {against.challenger:.4g} after {against.champion:.4g} ({interval}); at its worse end "
            f"it may lose {limit:.3g}",
        ),
        GateResult(
            "quantise.max_changed",
            change.changed <= params["max_changed"],
            change.changed,
            params["max_changed"],
            f"{change.changed:.2%} of {change.rows:,} answers changed, {params['max_changed']:.2%} may",
        ),
        GateResult(
            "quantise.rows",
            wrong == 0,
            wrong,
            0,
            "every row alone is answered as in a batch, with numbers where there were numbers"
            if wrong == 0
            else f"{wrong} rows are answered otherwise alone than in a batch, or without a number",
        ),
        GateResult(
            "quantise.smaller",
            size_mb < exact_mb,
            size_mb,
            exact_mb,
            f"the bundle takes {size_mb:.3g} MB, the exact one {exact_mb:.3g} MB",
        ),
    ]
