"""Scores before calibration are found in the graph; rules of decisions are told in words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spox

from penstock.bundle.kinds import Task
from penstock.bundle.runtime import Bundle
from penstock.learning.calibrate import (
    Calibrator,
    LogOddsCalibration,
    NoCalibration,
    TemperatureCalibration,
    fit_calibrator,
)
from penstock.learning.learner import Shape
from penstock.learning.learners.lightgbm import LightGBM
from penstock.lifecycle.replay import _answered_as_then
from penstock.lifecycle.replayed import differences
from penstock.lifecycle.tracing import _before, _rule_lines, trace_of
from penstock.packaging.inside import look_inside
from penstock.testing.toy_bundle import write_toy_bundle

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))
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


@pytest.mark.real
@pytest.mark.parametrize(
    ("path", "target", "rounds"),
    [("adult/adult.csv.gz", "income", 200), ("covertype_sample/covtype.csv.gz", "Cover_Type", 30)],
)
def test_the_score_before_calibration_is_found_behind_hundreds_of_trees(path: str, target: str, rounds: int) -> None:
    """Of LightGBM on real data, fitted until it is far too sure of itself: for every row the learner's own probabilities, to the bit."""
    if not (DATA / path).exists():
        pytest.skip(f"no {path} in {DATA}")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    import spox.opset.ai.onnx.v21 as op

    table = pandas.read_csv(DATA / path, nrows=8000).sample(frac=1, random_state=0)
    y = table.pop(target).astype("category").cat.codes.to_numpy(np.int64)
    X = table.select_dtypes("number").to_numpy(np.float32)
    task = Task.BINARY if y.max() == 1 else Task.MULTICLASS
    shape = Shape(4000, X.shape[1], task, int(y.max()) + 1)
    params = {"n_estimators": rounds, "num_leaves": 63, "min_data_in_leaf": 2, "learning_rate": 0.2}
    fitted = LightGBM().fit(X[:4000], y[:4000], shape=shape, params=params)
    calibrator = fit_calibrator(fitted.predict(X[4000:6000]).astype(np.float64), y[4000:6000])
    plain = calibrator.to_json()
    assert plain["method"] != "none"
    x = spox.argument(spox.Tensor(np.float32, ("n", X.shape[1])))
    scores = fitted.emit(x)
    outputs = {"probabilities": calibrator.emit(scores), "other": op.reduce_sum(scores, op.const(np.array([1])))}
    graph = spox.build({"numbers": x}, outputs).SerializeToString()
    for row in range(6000, 6015):
        inside = look_inside(graph, {"numbers": X[row : row + 1]})
        notes: list[str] = []
        before, method = _before({"calibration": plain}, inside, inside.values["probabilities"], notes)
        assert (method, notes) == (plain["method"], [])
        assert before == pytest.approx(fitted.predict(X[row : row + 1])[0].tolist(), rel=1e-5, abs=1e-7)


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
