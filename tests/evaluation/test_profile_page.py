"""The page of the profile is one file, safe whatever the data say, and shows each column."""

from __future__ import annotations

import re

import numpy as np

from penstock.bundle.decoder import Frame, Kind, TargetSpec
from penstock.bundle.kinds import Task
from penstock.data.profiling.survey import survey
from penstock.evaluation.profile_page import to_html


def made(task: Task) -> str:
    dice = np.random.default_rng(0)
    n = 400
    columns: dict[str, np.ndarray] = {f"x{i}": dice.normal(size=n) for i in range(15)}
    columns["<img src=x>"] = dice.choice(np.array(["<script>alert(1)</script>", "a & b"], dtype=object), n)
    columns["at"] = dice.integers(10**15, 10**15 + 10**13, n)
    columns["x15"] = columns["x0"] * 3
    columns["x1"][:50] = np.nan
    kinds = dict.fromkeys(columns, Kind.NUMERIC) | {"<img src=x>": Kind.BINARY, "at": Kind.DATETIME}
    number = columns["x0"] + dice.normal(size=n)
    classes = {Task.BINARY: ("no", "yes"), Task.MULTICLASS: ("a", "b", "c"), Task.REGRESSION: ()}[task]
    y = number if task is Task.REGRESSION else np.digitize(number, [0, 1][: len(classes) - 1])
    return to_html(survey(Frame(columns, kinds), y, TargetSpec("y", task, classes)), name="shop", target="y")


def test_nothing_is_loaded_or_run_and_values_are_escaped() -> None:
    """No script, no address outside, no element that a value brought."""
    for task in Task:
        page = made(task)
        assert "<script" not in page
        assert "<img" not in page
        assert not re.search(r'(src|href)="(?!data:,)', page)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_every_section_is_there() -> None:
    """Target, gaps, relations, associations, columns; the copy is named as a pair."""
    page = made(Task.BINARY)
    for title in ("Target:", "Missing values", "The target and each column", "Columns with each other", "Columns"):
        assert title in page
    assert "share of yes by x0" in page
    assert re.search(r"<td>x0</td><td>x15</td><td class=\"num\">1\.000</td>", page)
    assert page.count("Distribution of x") == 16
    assert "mean of y by x0" in made(Task.REGRESSION)


def test_bars_of_few_rows_tell_how_many_and_instants_are_described() -> None:
    """Each value of a small whole number has its bar; days, weekday and gap stand under a column of instants."""
    rooms = np.array([2.0] * 200 + [3.0] * 193 + [9.0] * 6 + [11.0])
    at = np.random.default_rng(0).integers(10**15, 10**15 + 10**13, 400)
    frame = Frame({"rooms": rooms, "at": at}, {"rooms": Kind.NUMERIC, "at": Kind.DATETIME})
    target = TargetSpec("y", Task.BINARY, ("no", "yes"))
    page = to_html(survey(frame, np.arange(400) % 3 // 2, target), name="shop", target="y")
    assert ">9 (6 rows)</text>" in page
    assert ">11 (1 row)</text>" in page
    assert ">2</text>" in page
    assert re.search(r"\d+ different days; most on \w+ \(\d+%\); the longest gap is [\d.]+ days, from 2001-", page)
