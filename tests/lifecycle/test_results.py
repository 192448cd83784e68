"""What a result says to a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock.lifecycle.results import RunResult


def of_one_row(validation: dict[str, Any]) -> RunResult:
    """A result with little in it."""
    return RunResult(
        "r", "d", "binary", 0, "roc_auc", [], validation, {"roc_auc": None}, [], [], False,
        {"name": "m", "version": 1, "learner": "dummy"}, "models/v1", "reports/m.html", rows={"valid": 1},
    )  # fmt: skip


def test_a_metric_that_is_not_defined_is_called_so() -> None:
    """ROC-AUC of one class: neither the model's nor the baseline's is a number, and the rest is told all the same."""
    undefined: dict[str, Any] = {"roc_auc": {"value": None}}
    result = of_one_row(undefined)
    assert "roc_auc on 1 validation rows (after selection): not defined; baseline not defined" in result.to_text()


def test_a_champion_that_cannot_be_compared_has_no_figures() -> None:
    """A warning says why, once; the JSON keeps it."""
    figures = dict.fromkeys(("rows", "value", "challenger", "difference", "low", "high", "better"))
    champion = {"name": "m", "version": 1, "metric": "roc_auc", **figures, "why": "not judged: jobs are hashed"}
    result = of_one_row({"roc_auc": {"value": 0.5}})
    told = replace(result, champion=champion, warnings=["the comparison is not judged: jobs are hashed"])
    assert told.to_text().count("not judged") == 1
    assert "champion version" not in told.to_text()
    assert told.to_json()["champion"] == champion
