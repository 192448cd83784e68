"""What a result says to a person."""

from __future__ import annotations

from typing import Any

from penstock.lifecycle.results import RunResult


def test_a_metric_that_is_not_defined_is_called_so() -> None:
    """ROC-AUC of one class: neither the model's nor the baseline's is a number, and the rest is told all the same."""
    undefined: dict[str, Any] = {"roc_auc": {"value": None}}
    result = RunResult(
        "r", "d", "binary", 0, "roc_auc", [], undefined, {"roc_auc": None}, [], [], False,
        {"name": "m", "version": 1, "learner": "dummy"}, "models/v1", "reports/m.html", rows={"valid": 1},
    )  # fmt: skip
    assert "roc_auc on 1 validation rows (after selection): not defined; baseline not defined" in result.to_text()
