"""The gate `reproducible = true`: what made a version has been done again and gave the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.evaluation.gates import GateResult
    from penstock.ledger.registry import ModelVersion

OPERATION = "reproduction"
"""Of the run that records what `penstock reproduce` found; its output ``reproduced`` lists the runs that gave the same."""
PASSING = ("identical", "within tolerance")


def reproducible(project: Project, version: ModelVersion) -> GateResult | None:
    """Whether the search and the package of a version, and what quantised it, were reproduced; None where no gate asks for it."""
    from penstock.evaluation.gates import GateResult

    declared = next((gate for gate in project.declaration.gates if gate.reproducible), None)
    if declared is None:
        return None
    name = declared.id or "reproducible"
    needed = runs_behind(project, version)
    shown = {
        run
        for record in project.ledger.runs(OPERATION, "done", project=project.name)
        if record.outputs["verdict"] in PASSING
        for run in record.outputs["reproduced"]
    }
    missing = [f"{stage} (run {run})" for stage, run in needed.items() if run not in shown]
    why = "done again, and the same" if not missing else f"not reproduced: {', '.join(missing)}"
    return GateResult(name, not missing, float(not missing), math.nan, why)


def runs_behind(project: Project, version: ModelVersion) -> dict[str, str]:
    """Stage -> run of what made a version."""
    ledger = project.ledger
    params = ledger.get(version.run).params
    made = ledger.get(str(params["package"]))
    if made.operation == "quantised":
        exact = ledger.registry.get(version.name, int(made.params["of"]))
        return {**runs_behind(project, exact), "quantised": made.id}
    return {"search": str(params["search"]), "package": made.id}


def way_to_pass(project: Project, version: ModelVersion) -> str:
    """The command that gathers the evidence: it reproduces the pipeline run that made the version."""
    behind = set(runs_behind(project, version).values())
    for operation in ("run", "retrain"):
        for record in project.ledger.runs(operation, "done", project=project.name):
            if behind <= {step["run"] for step in record.outputs.get("steps", [])}:
                return f"penstock reproduce {record.id}"
    return " && ".join(f"penstock reproduce {run}" for run in behind)
