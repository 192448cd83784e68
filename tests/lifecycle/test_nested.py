"""Nested cross-validation: what it holds back, what it keeps, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from penstock.bundle.kinds import Task
from penstock.data.folds import hold_out
from penstock.data.versions import load_version
from penstock.lifecycle.nested import summary
from penstock.lifecycle.new import new_project
from penstock.project.project import Project

Cli = Callable[..., Any]


def test_folds_are_known_the_second_time_and_no_envelope_is_opened(
    penstock: Cli, project_at: Cli, set_line: Cli
) -> None:
    """Each fold says what was chosen; another number of folds is another thing; a fold can be done again, the same."""
    project = project_at("run")
    set_line(project, "search", 'learners = ["linear"]')
    first = penstock(project, "evaluate", "--nested", "2", "--budget", "1 trials")
    assert first.code == 0, first
    body = first.body
    values = [one["value"] for one in body["folds"]]
    assert body["mean"] == pytest.approx(np.mean(values))
    assert body["low"] < body["mean"] < body["high"]
    assert [one["known"] for one in body["folds"]] == [False, False]
    assert all(one["learner"] in ("linear", "dummy") for one in body["folds"])
    again = penstock(project, "evaluate", "--nested", "2", "--budget", "1 trials").body
    assert [one["known"] for one in again["folds"]] == [True, True]
    assert [one["value"] for one in again["folds"]] == values
    assert penstock(project, "reproduce", body["folds"][0]["run"]).body["verdict"] == "identical"
    for count in ("1", "101", "100000"):
        assert penstock(project, "evaluate", "--nested", count).error["code"] == "bad-parameter"
    rows = [one["rows"] for one in body["folds"]]
    held = sum(one["held"] for one in rows)
    assert held == sum(rows[0].values()) == sum(rows[1].values())  # every visible row once; sealed ones are in none
    kept = load_version(Project(project).objects, body["dataset"]).rows
    assert held == kept["train"] + kept["valid"]


def test_folds_that_the_rows_do_not_allow_are_refused_before_the_first(penstock: Cli, tmp_path: Path) -> None:
    """Each would take a search."""
    (tmp_path / "few.csv").write_text(
        "x,y\n" + "".join(f"{i * 0.37 % 1:.3f},{i % 2}\n" for i in range(60)), encoding="utf-8"
    )
    new_project(tmp_path / "p", data=tmp_path / "few.csv", target="y")
    done = penstock(tmp_path / "p", "evaluate", "--nested", "60", "--budget", "1 trials")
    assert done.error["code"] == "search"
    assert penstock(tmp_path / "p", "runs", "--filter", "operation=nested and status=done").body["runs"] == []


def test_a_fold_with_too_few_groups_to_choose_by_says_so(penstock: Cli, tmp_path: Path) -> None:
    """One group holds nearly all rows: beside it nothing is left to hold back."""
    shops = ["large"] * 200 + [f"shop {i}" for i in range(4) for _ in range(20)]
    lines = "".join(f"{i * 0.37 % 1:.3f},{shop},{i % 2}\n" for i, shop in enumerate(shops))
    (tmp_path / "few.csv").write_text("x,shop,y\n" + lines, encoding="utf-8")
    made = penstock(tmp_path, "new", "p", "--data", "few.csv", "--target", "y", "--split", "group:shop")
    assert made.code == 0, made
    done = penstock(tmp_path / "p", "evaluate", "--nested", "2", "--budget", "1 trials")
    assert done.error["code"] == "search"
    assert done.error["what"].endswith("of 2 leaves no validation rows")
    assert "whole groups" in done.error["why"]


def test_the_interval_allows_for_what_the_folds_share() -> None:
    """Held against the formula of Nadeau and Bengio."""
    values = [0.81, 0.84, 0.79, 0.86, 0.8]
    mean, spread, low, high = summary(values, [(80, 20)] * 5)
    assert mean == pytest.approx(np.mean(values))
    assert spread == pytest.approx(np.std(values, ddof=1))
    half = t.ppf(0.975, 4) * np.sqrt((1 / 5 + 20 / 80) * np.var(values, ddof=1))
    assert (low, high) == (pytest.approx(mean - half), pytest.approx(mean + half))
    assert summary([None, 0.5], [(1, 1)] * 2) == (0.5, None, None, None)
    assert summary([0.82, 0.99], [(100, 50)] * 2, share=True)[2:] == (0.0, 1.0)  # no ROC-AUC above 1
    assert summary([None], [(1, 1)]) == (None, None, None, None)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 500), st.sampled_from(["random", "group", "time"]), st.sampled_from([0.1, 0.25, 0.4]))
def test_inner_rows_are_dealt_as_the_split_deals(seed: int, by: str, share: float) -> None:
    """Shares hold, groups stay whole, and what chooses is newer than what is learned from, by the gap."""
    dice = np.random.default_rng(seed)
    y = (dice.random(400) < 0.2).astype(np.int64)
    groups = dice.integers(0, 60, 400) if by == "group" else None
    times = dice.integers(0, 300, 400).astype(float) if by == "time" else None
    train, valid = hold_out(y, Task.BINARY, share, seed, groups, times, 10.0 if by == "time" else 0.0)
    assert not (train & valid).any()
    assert abs(valid.mean() - share) < 0.05
    if by == "random":
        assert (train | valid).all()
        assert abs(y[valid].mean() - y.mean()) < 0.03
    if groups is not None:
        assert not set(groups[train].tolist()) & set(groups[valid].tolist())
    if times is not None:
        assert times[valid].min() - times[train].max() >= 10


@pytest.mark.parametrize("split", ["time:joined", "group:shop"])
def test_outer_folds_keep_to_the_split(
    penstock: Cli, rows_of: Cli, write_rows: Cli, set_line: Cli, tmp_path: Path, split: str
) -> None:
    """By time the oldest rows are held back by none; by group every visible row is, once."""
    rows = [{**row, "shop": f"shop {i % 37}"} for i, row in enumerate(rows_of(500))]
    source = write_rows(tmp_path / "customers.csv", rows, "bought")
    made = penstock(tmp_path, "new", "shop", "--data", str(source), "--target", "bought", "--split", split)
    assert made.code == 0, made
    set_line(tmp_path / "shop", "search", 'learners = ["linear"]')
    done = penstock(tmp_path / "shop", "evaluate", "--nested", "2", "--budget", "1 trials")
    assert done.code == 0, done
    visible = made.body["rows"]["train"] + made.body["rows"]["valid"]
    held = [one["rows"]["held"] for one in done.body["folds"]]
    learned = [one["rows"]["train"] + one["rows"]["valid"] for one in done.body["folds"]]
    if split.startswith("time"):
        assert sum(held) < visible
        assert learned[0] < learned[1]
    else:
        assert sum(held) == visible
        assert [h + one for h, one in zip(held, learned, strict=True)] == [visible, visible]
