"""How far answers moved: the same, a little, to another class, to no number at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock.bundle.answers import Answers
from penstock.bundle.runtime import Bundle
from penstock.packaging.quantising.moved import moved
from penstock.testing.toy_bundle import ROWS, ToyTask, write_toy_bundle


def answered(folder: Path, task: ToyTask) -> tuple[Bundle, Answers]:
    bundle = Bundle.load(write_toy_bundle(folder / task, task=task))
    frame, _ = bundle.decoder.decode_rows(list(ROWS))
    return bundle, bundle.predict_frame(frame)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_equal_answers_have_not_moved(tmp_path: Path, task: ToyTask) -> None:
    bundle, answers = answered(tmp_path, task)
    found = moved(answers, answers, bundle.signature)
    assert (found.largest, found.p99, found.changed, found.strange) == (0.0, 0.0, 0.0, 0)
    assert found.rows == len(ROWS)


def test_the_probability_that_moved_most_counts_and_a_class_that_is_another(tmp_path: Path) -> None:
    bundle, answers = answered(tmp_path, "binary")
    assert answers.probabilities is not None
    assert answers.label is not None
    probabilities, label = answers.probabilities.copy(), answers.label.copy()
    probabilities[2] += np.float32(0.25)
    label[0] = 1 - label[0]
    found = moved(replace(answers, probabilities=probabilities, label=label), answers, bundle.signature)
    assert found.largest == pytest.approx(0.25, abs=1e-6)
    assert found.changed == pytest.approx(1 / len(ROWS))


def test_a_decision_that_is_another_counts_too(tmp_path: Path) -> None:
    bundle, answers = answered(tmp_path, "regression")
    decision = np.where(answers.decision == 0, 2, 0)
    assert moved(replace(answers, decision=decision), answers, bundle.signature).changed == 1.0


def test_a_value_is_measured_in_spreads_of_the_target(tmp_path: Path) -> None:
    """A hundredth of a spread is noticed, less is not."""
    bundle, answers = answered(tmp_path, "regression")
    assert answers.value is not None
    assert bundle.signature.scale is not None
    unit = bundle.signature.scale.std
    for share, changed in ((0.009, 0.0), (0.011, 1.0)):
        found = moved(replace(answers, value=answers.value + share * unit), answers, bundle.signature)
        assert found.largest == pytest.approx(share, rel=1e-6)
        assert found.changed == changed


def test_a_row_that_lost_its_number_is_strange_and_changed(tmp_path: Path) -> None:
    """And does not make the distances of others NaN."""
    bundle, answers = answered(tmp_path, "multiclass")
    assert answers.probabilities is not None
    probabilities = answers.probabilities.copy()
    probabilities[1, 0] = np.nan
    found = moved(replace(answers, probabilities=probabilities), answers, bundle.signature)
    assert (found.strange, found.largest) == (1, 0.0)
    assert found.changed == pytest.approx(1 / len(ROWS))
    assert (
        moved(
            replace(answers, probabilities=probabilities),
            replace(answers, probabilities=probabilities),
            bundle.signature,
        ).strange
        == 0
    )
