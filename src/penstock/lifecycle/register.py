"""Stage `register`: a bundle gets its number in the registry, passed or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.stages import Context

if TYPE_CHECKING:
    from penstock.ledger.run import Run


def register(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Number the bundle, whether it passed or not."""
    report = json.loads(context.objects.get(inputs["report"]))
    passed = all(g["passed"] for g in report["gates"])
    registry = context.ledger.registry
    version = registry.register(
        params["name"],
        run.id,
        inputs["bundle"],
        inputs["report"],
        passed=passed,
        overrides=report["overrides"],
        dataset=inputs["dataset"],
        metrics=report["metrics"],
    )
    run.output("version", version)
