"""Scores before calibration are found in the graph; rules of decisions are told in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spox

from penstock.bundle.runtime import Bundle
from penstock.learning.calibrate import Calibrator, LogOddsCalibration, NoCalibration, TemperatureCalibration
from penstock.lifecycle.replay import _answered_as_then, differences
from penstock.lifecycle.tracing import _before, _rule_lines, trace_of
from penstock.packaging.inside import look_inside
from penstock.testing.toy_bundle import write_toy_bundle

SIGMOID = LogOddsCalibration((-25.0, 25.0), (0.7,), 0.3)
ISOTONIC = LogOddsCalibration((-25.0, -1.0, 0.5, 25.0), (0.4, 1.5, 0.8), -0.2)


@pytest.mark.parametrize(
    ("calibrator", "raw"),
    [(SIGMOID, [0.8, 0.2]), (ISOTONIC, [0.35, 0.65]), (TemperatureCalibration(1.7), [0.5, 0.3, 0.2])],
)
def test_the_score_before_calibration_is_found(calibrator: Calibrator, raw: list[float]) -> None:
    """Though the graph does not name it: it is what the calibration turns into the answer."""
    x = spox.argument(spox.Tensor(np.float32, ("n", len(raw))))
    import spox.opset.ai.onnx.v21 as op

    scores = op.mul(x, op.const(np.float32(1.0)))
    graph = spox.build({"numbers": x}, {"probabilities": calibrator.emit(scores)}).SerializeToString()
    inside = look_inside(graph, {"numbers": np.array([raw], np.float32)})
    notes: list[str] = []
    before, method = _before({"calibration": calibrator.to_json()}, inside, inside.values["probabilities"], notes)
    assert before == pytest.approx(raw)
    assert method == calibrator.to_json()["method"]
    assert notes == []


def test_without_calibration_there_is_nothing_before() -> None:
    """And where it is not found it is said."""
    x = spox.argument(spox.Tensor(np.float32, ("n", 2)))
    import spox.opset.ai.onnx.v21 as op

    graph = spox.build({"numbers": x}, {"probabilities": op.mul(x, op.const(np.float32(1)))}).SerializeToString()
    inside = look_inside(graph, {"numbers": np.array([[0.9, 0.1]], np.float32)})
    notes: list[str] = []
    after = inside.values["probabilities"]
    assert _before({"calibration": NoCalibration().to_json()}, inside, after, notes) == (None, "none")
    assert notes == []
    before, _ = _before({"calibration": SIGMOID.to_json()}, inside, after, notes)
    assert before is None
    assert "not found" in notes[0]


RULE: dict[str, Any] = {
    "threshold": 0.5, "abstain_below": 0.6, "novelty": 0.2, "novelty_limit": 0.5, "abstain_when_novel": True, "outside": [],
    "decision": "low confidence", "label": "yes", "confidence": 0.55, "positive": 0.55,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            ["0.55 >= threshold 0.5: yes", "abstains below 0.6: low confidence", "ordinary", "abstain: low confidence"],
        ),
        ({"threshold": None, "positive": None, "label": 2}, ["the largest: 2"]),
        ({"novelty": 0.9, "outside": ["age"], "decision": "novel"}, ["novel; outside what training saw: age"]),
        ({"novelty": 0.9, "abstain_when_novel": False}, ["it answers all the same"]),
        ({"label": None, "abstain_below": None, "decision": "answer"}, ["answer"]),
    ],
)
def test_a_rule_is_told_with_what_it_was_held_against(changes: dict[str, Any], said: list[str]) -> None:
    """In the order of the graph."""
    text = "\n".join(_rule_lines({**RULE, **changes}))
    for part in said:
        assert part in text


@pytest.mark.parametrize("why", ["late", "missing"])
def test_what_a_fallback_answered_is_answered_and_traced_by_it(tmp_path: Path, why: str) -> None:
    """It is named in the journalled answer; the scores are those of its own graph."""
    bundle = Bundle.load(write_toy_bundle(tmp_path / "toy", late=True, missing={"income": "fallback"}))
    raw = {"age": 41, "job": "nurse"} if why == "missing" else {"age": 41, "income": 52000.5, "job": "nurse"}
    (was,) = bundle.predict([raw]) if why == "missing" else bundle.predict_late([raw])
    assert was["fallback"] == why
    now = _answered_as_then(bundle, raw, was)
    assert differences(was, now) == []
    trace = trace_of(None, None, bundle, raw, now)  # type: ignore[arg-type]  # of a model of another project
    assert trace.after == list(was["probabilities"].values())
    assert f"the fallback '{why}' answered" in trace.notes[0]


def test_a_field_that_came_as_null_is_not_called_unsent(tmp_path: Path) -> None:
    """Both are missing to the model, but only one of them was left out by the client."""
    bundle = Bundle.load(write_toy_bundle(tmp_path / "toy"))
    raw = {"age": 41, "income": None}
    (was,) = bundle.predict([raw])
    trace = trace_of(None, None, bundle, raw, was)  # type: ignore[arg-type]  # of a model of another project
    fields = {field.name: field for field in trace.fields}
    assert [(fields[name].sent, fields[name].state) for name in ("age", "income", "job")] == [
        (True, "given"), (True, "missing"), (False, "missing")
    ]  # fmt: skip
    text = "\n".join(trace.lines())
    assert "income  null -> missing" in text
    assert "job     not sent -> missing" in text
