"""Models that answer instead, and rows that lack a field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.bundle.format import read_bundle, write_bundle
from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError, RequestError
from penstock.objects.digests import canonical_json
from penstock.testing.toy_bundle import ROWS, ToyTask, write_toy_bundle

TASKS: list[ToyTask] = ["binary", "multiclass", "regression"]
WITHOUT: dict[str, Any] = {"age": 33, "income": None, "job": "nurse"}


def toy(folder: Path, task: ToyTask = "binary", **more: Any) -> Bundle:
    bundle = Bundle.load(write_toy_bundle(folder / "toy", task=task, **more))
    bundle.self_test(exact=True)
    return bundle


@pytest.mark.parametrize("task", TASKS)
def test_rows_get_the_same_bits_alone_in_a_batch_and_in_bulk(tmp_path: Path, task: ToyTask) -> None:
    """Some of them answered by the model that does without income, some not."""
    bundle = toy(tmp_path, task, missing={"income": "fallback", "job": "fill"})
    rows = [*ROWS, WITHOUT, *ROWS]
    batch = bundle.predict(rows)
    frame, problems = bundle.decoder.decode_rows(rows)
    assert problems == []
    bulk = bundle.predict_frame(frame)
    assert {answer.get("fallback") for answer in batch} == {None, "missing"}
    for i, row in enumerate(rows):
        assert canonical_json(bundle.predict([row])[0]) == canonical_json(batch[i]) == canonical_json(bulk.row(i))
    together = bundle.answer_together([bundle.read_rows([row]) for row in rows])
    assert [answer for (answer,) in together] == batch


def test_an_answer_says_what_was_missing_and_what_was_done_about_it(tmp_path: Path) -> None:
    """Filled, or answered by another model; and the other model's answer is what it gives by itself."""
    bundle = toy(tmp_path, missing={"income": "fallback", "job": "fill"})
    without, filled, whole = bundle.predict([WITHOUT, {**ROWS[0], "job": None}, ROWS[0]])
    assert without["fallback"] == "missing"
    assert without["missing"] == ["income", "member", "joined", "note"]
    assert without["filled"] == ["member", "joined", "note"]
    alone = bundle.fallbacks["missing"].predict([WITHOUT])[0]
    assert without["probabilities"] == alone["probabilities"]
    assert ("fallback" in filled, filled["missing"], filled["filled"]) == (False, ["job"], ["job"])
    assert ("fallback" in whole, whole["missing"], whole["filled"]) == (False, [], [])


def test_arrays_of_many_rows_hold_the_answers_of_both(tmp_path: Path) -> None:
    """What the exam and the monitor look at is what was answered."""
    bundle = toy(tmp_path, missing={"income": "fallback"})
    rows = [ROWS[0], WITHOUT, ROWS[0], WITHOUT]
    answers = bundle.predict_frame(bundle.decoder.decode_rows(rows)[0])
    assert answers.probabilities is not None
    told = [list(answer["probabilities"].values()) for answer in bundle.predict(rows)]
    np.testing.assert_array_equal(answers.probabilities, np.array(told, np.float32))
    assert not np.array_equal(answers.probabilities[0], answers.probabilities[1])


def test_a_row_without_a_field_that_is_wanted_is_refused_with_its_path(tmp_path: Path) -> None:
    """Absent, null, or written as missing; the bulk path names the first one."""
    bundle = toy(tmp_path, missing={"income": "refuse"})
    for income in (None, "?", ""):
        with pytest.raises(RequestError) as caught:
            bundle.predict([ROWS[0], {**ROWS[0], "income": income}])
        assert (caught.value.code, caught.value.path) == ("missing-value", "rows[1].income")
    with pytest.raises(RequestError):
        bundle.read_rows([{"age": 4}])
    frame = bundle.decoder.decode_rows([ROWS[0], WITHOUT])[0]
    assert bundle.missing_where_refused(frame) == (1, "income")
    assert bundle.missing_where_refused(frame.take(slice(0, 1))) is None
    assert bundle.predict([ROWS[0]])


def test_a_bundle_without_policies_answers_as_ever(tmp_path: Path) -> None:
    """No key more, and the same digest as a bundle that knew of none."""
    plain = toy(tmp_path)
    assert "missing" not in json.loads(plain.read("signature.json"))
    assert all({"filled", "fallback"}.isdisjoint(answer) for answer in plain.predict(ROWS))
    assert plain.fallbacks == {}


def test_the_fallback_for_late_answers_says_so(tmp_path: Path) -> None:
    """And gives its own answers, not the model's."""
    bundle = toy(tmp_path, late=True)
    late, usual = bundle.predict_late(ROWS), bundle.predict(ROWS)
    assert {answer["fallback"] for answer in late} == {"late"}
    assert late[0]["probabilities"] != usual[0]["probabilities"]


def test_the_fallback_for_late_answers_keeps_to_what_is_declared_of_missing_fields(tmp_path: Path) -> None:
    """A row that nobody may answer is refused however late it is; what was filled is listed."""
    bundle = toy(tmp_path, late=True, missing={"income": "refuse", "job": "fill"})
    with pytest.raises(RequestError) as caught:
        bundle.predict_late([ROWS[0], {**ROWS[0], "income": None}])
    assert (caught.value.code, caught.value.path) == ("missing-value", "rows[1].income")
    (answer,) = bundle.predict_late([{**ROWS[0], "job": None}])
    assert (answer["missing"], answer["filled"], answer["fallback"]) == (["job"], ["job"], "late")


@pytest.mark.parametrize("victim", ["fallback-late.onnx", "fallback-late.json"])
def test_a_fallback_that_answers_otherwise_is_refused(tmp_path: Path, victim: str) -> None:
    """Its self-test is part of the bundle's, so that a slot never takes it."""
    folder = write_toy_bundle(tmp_path / "toy", late=True)
    files = dict(read_bundle(folder).files)
    other = read_bundle(write_toy_bundle(tmp_path / "other", late=True, task="binary", version=3)).files
    if victim.endswith(".onnx"):
        files[victim] = other["graph.onnx"]
    else:
        plain = json.loads(files[victim])
        plain["answers"][0]["novelty"] += 0.1
        files[victim] = canonical_json(plain)
    write_bundle(tmp_path / "bad", files, audit_head="toy")
    with pytest.raises(BundleError, match="fallback 'late'"):
        Bundle.load(tmp_path / "bad").self_test()


def test_a_bundle_whose_fallback_is_not_there_is_refused(tmp_path: Path) -> None:
    """Its signature promises one."""
    files = dict(read_bundle(write_toy_bundle(tmp_path / "toy", missing={"income": "fallback"})).files)
    del files["fallback-missing.json"], files["fallback-missing.onnx"]
    write_bundle(tmp_path / "bad", files, audit_head="toy")
    with pytest.raises(BundleError, match="no fallback for rows without income"):
        Bundle.load(tmp_path / "bad")
