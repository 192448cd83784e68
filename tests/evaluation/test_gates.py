"""Gates decide on reports and say by how much they failed."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.errors import DeclarationError
from penstock.evaluation.gates import Gate, GateResult, check_gates, default_gates, slices_needed
from penstock.evaluation.report import evaluate


def judged(*gates: Gate, skill: float = 0.4, n: int = 600, slices=("job",), constant: bool = False):
    """A model that is worse for smiths, judged."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    job = np.array(["cook", "smith", "monk"], dtype=object)[np.r_[rng.integers(0, 2, n - 10), np.full(10, 2)]]
    p1 = rng.random(n) * 0.6 + np.where(job == "smith", 0.1, skill) * y
    p = np.stack([1 - p1, p1], axis=1) if not constant else np.full((n, 2), 0.5)
    frame = Frame({"job": job}, {"job": Kind.CATEGORICAL})
    base = np.full((n, 2), 0.5)
    report = evaluate(
        Task.BINARY, ["no", "yes"], y, p, metric="roc_auc", baseline=base, frame=frame, slices=slices, gates=gates
    )
    return report, report.gates


def test_a_met_limit_passes_and_a_missed_one_says_by_how_much():
    """At least and at most."""
    report, (met, missed, low) = judged(
        Gate("roc_auc", at_least=0.6), Gate("roc_auc", at_least=0.99), Gate("log_loss", at_most=0.01)
    )
    value = report.metrics["roc_auc"].value
    assert met.passed
    assert met.value == value
    assert not missed.passed
    assert f"short by {0.99 - value:.3g} (at least 0.99 asked), on all 600 rows" in missed.why
    assert not low.passed
    assert "over by" in low.why
    assert not report.passed


def test_every_slice_is_as_good_as_its_worst_one():
    """Small slices are left out and counted."""
    _, (gate,) = judged(Gate("roc_auc", at_least=0.75, slice="every"))
    assert not gate.passed
    assert "on job=smith" in gate.why
    assert "the worst of 2 slices; 1 too small or without a score were left out" in gate.why


def test_a_named_slice_is_judged_by_itself_even_undeclared():
    """`evaluate` scores the slices that gates name."""
    report, (cooks, smiths) = judged(
        Gate("accuracy", at_least=0.6, slice="job=cook"), Gate("accuracy", at_least=0.75, slice="job=smith"), slices=()
    )
    assert cooks.passed
    assert not smiths.passed
    assert {s.name for s in report.slices} == {"job=cook", "job=smith", "job=monk"}


def test_a_slice_without_rows_proves_nothing():
    """And the message lists those that are there."""
    _, (gate,) = judged(Gate("accuracy", at_least=0.1, slice="job=knight"))
    assert not gate.passed
    assert np.isnan(gate.value)
    assert "no row has job=knight" in gate.why
    assert "job=cook" in gate.why


def test_better_than_the_baseline_means_beyond_chance():
    """A model that knows nothing fails; one that does passes."""
    assert judged(*default_gates("roc_auc"))[0].passed
    _, (gate,) = judged(*default_gates("roc_auc"), constant=True)
    assert not gate.passed
    assert "no better than the baseline's: 0.5 against 0.5" in gate.why


def test_an_id_is_made_of_the_content():
    """So that history can be followed over runs."""
    ids = [
        g.id
        for g in (
            Gate("f1", at_least=0.9),
            Gate("mae", at_most=3.0, slice="every"),
            Gate("f1", at_least=1, name="mine"),
        )
    ]
    assert ids == ["f1>=0.9", "mae<=3@every", "mine"]
    assert [g.id for g in default_gates("r2", at_least=0.5)] == ["r2>=0.5", "r2-beats-baseline"]


def test_declared_gates_are_read_and_written():
    """From [[gates]] and back."""
    table = {"metric": "roc_auc", "at_least": 0.78, "slice": "every"}
    assert Gate.from_json(table).to_json() == table
    result = GateResult("a", False, float("nan"), 0.5, "why")
    assert result.to_json()["value"] is None
    assert GateResult.from_json(result.to_json()).id == "a"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"metric": "f1", "atleast": 0.5}, "write 'at_least'"),
        ({"metric": "f1"}, "is not one condition"),
        ({"metric": "f1", "at_least": 0.5, "at_most": 0.9}, "is not one condition"),
        ({"at_least": 0.5}, "is not one condition"),
    ],
)
def test_a_gate_that_is_no_single_condition_is_refused(table, message):
    """Before anything runs."""
    with pytest.raises(DeclarationError, match=message):
        Gate.from_json(table)


def test_gates_are_checked_against_task_and_slices_before_a_run():
    """Metric of the task, slices declared, ids unique."""
    with pytest.raises(DeclarationError, match="no metric for regression"):
        check_gates([Gate("f1", at_least=0.5)], Task.REGRESSION, [])
    with pytest.raises(DeclarationError, match="no slices are declared"):
        check_gates([Gate("f1", at_least=0.5, slice="every")], Task.BINARY, [])
    with pytest.raises(DeclarationError, match="two gates"):
        check_gates([Gate("f1", at_least=0.5)] * 2, Task.BINARY, [])
    check_gates([Gate("f1", at_least=0.5, slice="every")], Task.BINARY, ["job"])


def test_slices_of_gates_are_added_to_the_declared_ones():
    """Once each, crossings by their columns."""
    gate = Gate("f1", at_least=0.5, slice="job=cook, age=18 to 30")
    assert slices_needed([gate, gate], ["job", ["a", "b"]]) == [("job",), ("a", "b"), ("job", "age")]
