"""Parts of more rows than fit into memory: so many are drawn, always the same, and it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from penstock.data.versions import draw, load_part, load_version
from penstock.lifecycle.limits import memory_bytes, row_limit, rows_that_fit
from penstock.lifecycle.stages import Context
from penstock.project.project import Project

Cli = Any


def test_rows_are_drawn_evenly_and_always_the_same() -> None:
    """Exactly as many as asked for, from all over, and most of them again when rows are added."""
    drawn = draw(100_000, 1000)
    assert len(drawn) == len(set(drawn.tolist())) == 1000
    assert drawn.tolist() == sorted(drawn.tolist()) == draw(100_000, 1000).tolist()
    assert abs(np.histogram(drawn, bins=4, range=(0, 100_000))[0] - 250).max() < 60
    assert len(set(draw(110_000, 1000).tolist()) & set(drawn.tolist())) > 850


def test_how_many_rows_fit_follows_from_columns_and_memory() -> None:
    """Powers of two; texts weigh more; a machine of any size has some."""
    numbers = [{"name": "a", "kind": "numeric"}] * 40
    assert rows_that_fit(numbers, 16 << 30) == rows_that_fit(numbers, 17 << 30) == 1 << 20
    assert rows_that_fit([{"name": "a", "kind": "text"}] * 40, 16 << 30) < 1 << 18
    assert rows_that_fit(numbers, 1 << 20) == 1024
    assert memory_bytes() > 1 << 28


def test_a_run_on_more_rows_than_fit_says_so_everywhere(project_at: Cli, penstock: Cli, set_line: Cli) -> None:
    """Training and validation are drawn; result, report and card tell; the next run knows it, and it is reproduced."""
    root: Path = project_at("new")
    set_line(root, "search", "max_rows = 100")
    done = penstock(root, "run", "--budget", "2 trials")
    assert done.code == 0, done
    [sentence] = [w for w in done.body["warnings"] if "training rows were used" in w]
    project = Project(root)
    [searched] = project.ledger.runs("search", "done")
    assert searched.inputs["max_rows"] == 100
    version = load_version(project.objects, searched.inputs["dataset"])
    assert sentence.startswith(f"100 of {version.rows['train']} training rows were used")
    assert load_part(project.objects, version, "train", limit=100)[0].n_rows == 100
    assert row_limit(Context(project), version.digest) == {"max_rows": 100}
    card = next((root / "models").glob("v*/card.md")).read_text()
    assert f"100 of {version.rows['train']} training rows were used" in card
    [scored] = project.ledger.runs("evaluate", "done")
    assert scored.outputs["rows"] == min(100, version.rows["valid"])
    again = penstock(root, "run", "--budget", "2 trials")
    assert all(step["status"] == "known" for step in again.body["steps"])
    assert penstock(root, "reproduce", searched.id).code == 0


def test_a_limit_that_is_not_reached_changes_nothing(project_at: Cli) -> None:
    """No input of any stage, so that what was known stays known."""
    project = Project(project_at("new"))
    dataset = project.ledger.datasets.head(project.name)
    assert dataset is not None
    assert row_limit(Context(project), dataset) == {}
