"""Slices are named, counted, and scored as the rows by themselves would be."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.errors import DeclarationError
from penstock.evaluation.metrics import METRICS
from penstock.evaluation.slices import MISSING, MOST_VALUES, OTHER, Slice, labelled, slice_scores


def a_frame(n: int = 400) -> Frame:
    rng = np.random.default_rng(0)
    job = np.array(["cook", "smith", None, "monk"], dtype=object)[rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])]
    age = np.where(rng.random(n) < 0.1, np.nan, rng.integers(18, 80, n).astype(float))
    at = rng.integers(0, 10**15, n)
    text = np.array([f"row {i}" for i in range(n)], dtype=object)
    kinds = {"job": Kind.CATEGORICAL, "age": Kind.NUMERIC, "at": Kind.DATETIME, "note": Kind.TEXT}
    return Frame({"job": job, "age": age, "at": at, "note": text}, kinds)


def scored(frame, declared, metric="accuracy"):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, len(frame))
    p1 = np.clip(y * 0.4 + rng.random(len(frame)) * 0.6, 0, 1)
    p = np.stack([1 - p1, p1], axis=1)
    return slice_scores(frame, declared, [METRICS[metric]], y, p), y, p


def test_each_category_is_a_slice_with_its_own_score():
    """Largest first; missing is a slice too; a few rows are marked small."""
    frame = a_frame()
    slices, y, p = scored(frame, ["job"])
    assert [s.values[0] for s in slices] == ["cook", "smith", MISSING, "monk"]
    assert sum(s.rows for s in slices) == len(frame)
    assert [s.small for s in slices] == [False, False, False, True]
    cooks = frame["job"] == "cook"
    assert slices[0].name == "job=cook"
    assert slices[0].metrics["accuracy"].value == METRICS["accuracy"].score(y[cooks], p[cooks])
    assert slices[0].share == pytest.approx(cooks.mean())


def test_a_number_is_sliced_by_quarters_that_say_their_range():
    """About a quarter of the known rows each, and the missing ones."""
    frame = a_frame()
    slices, *_ = scored(frame, ["age"])
    assert len(slices) == 5
    quarters = [s for s in slices if s.values[0] != MISSING]
    known = sum(s.rows for s in quarters)
    assert all(0.18 < s.rows / known < 0.32 for s in quarters)
    low, high = quarters[0].values[0].split(" to ")
    inside = (frame["age"] >= float(low)) & (frame["age"] <= float(high))
    assert inside.sum() == quarters[0].rows


def test_a_number_of_few_values_is_sliced_by_value():
    """0/1 columns have no quarters."""
    frame = Frame({"flag": np.array([0.0, 1.0, 1.0, np.nan])}, {"flag": Kind.NUMERIC})
    codes, labels = labelled(frame, "flag")
    assert [labels[c] for c in codes] == ["0", "1", "1", MISSING]


def test_a_skewed_number_gives_fewer_parts_without_empty_ones():
    """More than three quarters of one value."""
    values = np.r_[np.zeros(90), np.arange(1.0, 11.0)]
    codes, labels = labelled(Frame({"x": values}, {"x": Kind.NUMERIC}), "x")
    assert np.bincount(codes).min() > 0
    assert labels[0] == "0 to 0"


def test_instants_are_sliced_by_days():
    """The quarters show dates."""
    frame = a_frame()
    frame.columns["at"][0] = MISSING_TIME
    _, labels = labelled(frame, "at")
    assert labels[0].startswith("19")
    assert labels[-1] == MISSING


def test_crossings_hold_the_rows_that_have_both_values():
    """["job", "age"] together."""
    frame = a_frame()
    slices, *_ = scored(frame, [["job", "age"]])
    assert sum(s.rows for s in slices) == len(frame)
    assert slices[0].of == ("job", "age")
    job, age = slices[0].values
    low, high = (float(v) for v in age.split(" to "))
    assert ((frame["job"] == job) & (frame["age"] >= low) & (frame["age"] <= high)).sum() == slices[0].rows


def test_too_many_values_are_gathered():
    """Only the largest are shown one by one."""
    values = np.array([f"v{min(i % 50, 40)}" for i in range(500)], dtype=object)
    slices, *_ = scored(Frame({"c": values}, {"c": Kind.CATEGORICAL}), ["c"])
    assert len(slices) == MOST_VALUES + 1
    assert slices[-1].values == (OTHER,)
    assert sum(s.rows for s in slices) == 500


def test_a_slice_of_one_class_has_no_roc_auc_and_says_why():
    """It is shown without a score rather than left out."""
    frame = Frame({"c": np.array(["a"] * 3 + ["b"] * 3, dtype=object)}, {"c": Kind.CATEGORICAL})
    y = np.array([1, 1, 1, 0, 1, 0])
    slices = slice_scores(frame, ["c"], [METRICS["roc_auc"]], y, np.full((6, 2), 0.5))
    assert slices[0].metrics["roc_auc"].why == "all 3 rows are of one class"
    assert slices[1].metrics["roc_auc"].value == 0.5
    assert Slice.from_json(slices[1].to_json()) == slices[1]


def test_unknown_and_text_columns_are_refused():
    """With the columns that there are."""
    with pytest.raises(DeclarationError, match="'jobs' is not in the data"):
        labelled(a_frame(), "jobs")
    with pytest.raises(DeclarationError, match="cannot be sliced"):
        labelled(a_frame(), "note")


def test_no_rows_give_no_slices():
    """0 rows."""
    empty = a_frame().take(np.array([], dtype=np.int64))
    assert slice_scores(empty, ["job"], [METRICS["accuracy"]], np.array([]), np.empty((0, 2))) == []
