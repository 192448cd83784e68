"""Stage `judge`: the gates decide on validation rows; an override is named and reasoned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.stages import Context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.evaluation.gates import Gate, GateResult
    from penstock.evaluation.report import Override, Report
    from penstock.ledger.run import Run


def declared_gates(params: dict[str, Any], metric: str) -> list[Gate]:
    """The declared gates, the goal's own, and that the model must beat the baseline."""
    from penstock.evaluation.gates import Gate, default_gates

    goal = params["goal"]
    defaults = default_gates(metric, at_least=goal["at_least"], at_most=goal["at_most"])
    declared = [Gate.from_json({k: v for k, v in g.items() if v is not None}) for g in params["gates"]]
    return declared + [g for g in defaults if g.id not in {d.id for d in declared}]


def judged(
    report: Report,
    gates: Sequence[Gate],
    override: dict[str, str] | None,
    *,
    decided: Sequence[GateResult] = (),
    earlier: Sequence[Override] = (),
) -> Report:
    """The report with what the gates say of it, and the override of those that said no.

    Parameters
    ----------
    decided : results that do not come from the report's figures, such as those of [scope].
    earlier : overrides by which this model has come so far; they stay visible.
    """
    from penstock.evaluation.gates import judge as judge_gates
    from penstock.evaluation.report import Override

    results = (*judge_gates(gates, report), *decided)
    overrides = tuple(earlier)
    if override is not None:
        overrides += tuple(
            Override(g.id, override["reason"], override["who"], override["at"]) for g in results if not g.passed
        )
    return report.with_(gates=results, overrides=overrides)


def judge(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Decide, and write down by how much."""
    from penstock.evaluation.gates import GateResult
    from penstock.evaluation.report import Report, dumps

    report = Report.from_json(json.loads(context.objects.get(inputs["report"])))
    refused = [GateResult.from_json(params["refused"])] if "refused" in params else []
    report = judged(report, declared_gates(params, report.metric), params["override"], decided=refused)
    if (human := params["goal"]["human_level"]) is not None:
        report = report.with_(facts=(*report.facts, ("human level", f"{human:g}")))
    run.keep("report", dumps(report), media="application/json")
    run.output("passed", report.passed)
    run.output("gates", [g.to_json() for g in report.gates])
    run.output("overrides", [o.to_json() for o in report.overrides])
    if report.overrides and context.replay is None:
        context.ledger.audit.append("override", context.project.name, {"at": "run", **params["override"]})
