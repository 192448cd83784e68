"""Stage `evaluate`: the chosen model and the baseline on validation rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.rows import of_inputs
from penstock.lifecycle.stages import Context

if TYPE_CHECKING:
    import numpy as np

    from penstock.bundle.decoder import Frame
    from penstock.ledger.run import Run
    from penstock.objects.store import ObjectStore


def scores_of(
    model: bytes, layout: dict[str, Any], frame: Frame, scale: dict[str, float] | None, objects: ObjectStore
) -> np.ndarray:
    """Probabilities (n, K), or values (n,) in the target's units, of a model graph.

    Parameters
    ----------
    scale : mean and std of the target; None for classes. objects : where the files lie that the layout names.
    """
    import numpy as np

    from penstock.bundle.graph import open_session
    from penstock.bundle.packing import Layout, pack

    session = open_session(model)
    feeds = Layout.from_json(layout, objects.get)
    parts = [
        session.run(None, pack(frame.take(slice(start, start + 8192)), feeds))[0]
        for start in range(0, max(len(frame), 1), 8192)
    ]
    answers = np.concatenate(parts)
    return answers if scale is None else answers[:, 0].astype(np.float64) * scale["std"] + scale["mean"]


def cost_facts(candidate: dict[str, Any], y: np.ndarray, prediction: np.ndarray) -> list[tuple[str, str]]:
    """What a row costs on average with the declared costs of wrong answers, and what it would at a threshold of 0.5."""
    from penstock.learning.decide import mean_cost

    if (costs := candidate.get("error_costs")) is None:
        return []
    at = {t: mean_cost(prediction[:, 1], y, t, (costs[0], costs[1])) for t in (candidate["threshold"], 0.5)}
    told = [f"{cost:.4g} at the threshold {threshold:.3g}" for threshold, cost in at.items()]
    return [("mean cost", "; ".join(told))]


def evaluate(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Metrics with intervals, slices, plots and the comparison with the baseline, as a report."""
    from penstock.evaluation.gates import Gate
    from penstock.evaluation.report import dumps
    from penstock.evaluation.report import evaluate as evaluate_rows

    rows = of_inputs(context, inputs)
    frame, y = rows.valid
    candidate = json.loads(context.objects.get(inputs["candidate"]))
    prediction = scores_of(
        context.objects.get(inputs["model"]), candidate["layout"], frame, candidate["scale"], context.objects
    )
    baseline = scores_of(
        context.objects.get(candidate["baseline"]),
        candidate["baseline_layout"],
        frame,
        candidate["scale"],
        context.objects,
    )
    note = "after selection: these rows chose the model"
    if rows.spent:
        note += f"; they include {len(rows.spent)} opened envelope(s)"
    note = "; ".join([note, *(sentence for sentence in rows.told if "validation" in sentence)])
    report = evaluate_rows(
        rows.target.task,
        rows.target.classes,
        y,
        prediction,
        metric=candidate["metric"],
        threshold=candidate["threshold"],
        baseline=baseline,
        frame=frame,
        slices=params["slices"],
        gates=[Gate.from_json({k: v for k, v in g.items() if v is not None}) for g in params["gates"]],
        seed=params["seed"],
        title=context.project.name,
        target=rows.target.name,
        part="validation",
        note=note,
        facts=[("data set", inputs["dataset"]), ("model", inputs["model"]), *cost_facts(candidate, y, prediction)],
    )
    report = report.with_(leaderboard=tuple(candidate["leaderboard"]))
    for name, estimate in report.metrics.items():
        run.metric(name, estimate.value, low=estimate.low, high=estimate.high)
    run.keep("report", dumps(report), media="application/json")
    run.output("rows", report.rows)
    run.output("metric", report.metric)
