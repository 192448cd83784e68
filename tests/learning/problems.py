"""Small problems and stores for the tests of searches; run as a script, one search in a process that can be killed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.features.recipe import Recipe
from penstock.learning.budget import Budget
from penstock.learning.problem import SearchProblem
from penstock.learning.search import search


class FileTrials:
    """A trial store in one file of JSON lines: durable, and readable from another process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(
        self, search: str, number: int, learner: str, params: Any, state: str, value: Any = None, **rest: Any
    ) -> Any:
        record = {
            "search": search,
            "number": number,
            "learner": learner,
            "params": params,
            "state": state,
            "value": value,
        }
        record |= {"seconds": 0.0, "threads": 1, "details": {}} | rest
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
        return SimpleNamespace(**record)

    def of(self, search: str) -> list[Any]:
        if not self.path.exists():
            return []
        records = [SimpleNamespace(**json.loads(line)) for line in self.path.read_text().splitlines()]
        return sorted((r for r in records if r.search == search), key=lambda r: r.number)


def frame_of(n: int, seed: int) -> tuple[Frame, np.ndarray]:
    """Numbers, a category with missing values, and the score that decides the target."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(size=n)
    job = np.empty(n, object)
    job[:] = rng.choice(["clerk", "smith", "baker"], n)
    score = a + 0.7 * b + np.where(job == "clerk", 1.0, -0.5) + rng.normal(scale=0.7, size=n)
    job[rng.random(n) < 0.1] = None
    a[rng.random(n) < 0.1] = np.nan
    return Frame({"a": a, "b": b, "job": job}, {"a": Kind.NUMERIC, "b": Kind.NUMERIC, "job": Kind.CATEGORICAL}), score


def small_problem(task: Task = Task.BINARY, *, n: int = 300, n_valid: int = 100, **more: Any) -> SearchProblem:
    """A problem that every learner can solve."""
    frame, score = frame_of(n + n_valid, seed=0)
    n_classes = {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 0}[task]
    if task is Task.REGRESSION:
        y: np.ndarray = 5e6 + 1e5 * score
    else:
        y = np.searchsorted(np.quantile(score, np.arange(1, n_classes) / n_classes), score).astype(np.int64)
    parts: dict[str, Any] = {
        "recipe": Recipe.default(),
        "specs": [ColumnSpec(name, kind) for name, kind in frame.kinds.items()],
        "frame": frame.take(slice(0, n)),
        "y": y[:n],
        "valid_frame": frame.take(slice(n, None)),
        "valid_y": y[n:],
        "task": task,
        "n_classes": n_classes,
        "metric": {Task.BINARY: "roc_auc", Task.MULTICLASS: "accuracy", Task.REGRESSION: "r2"}[task],
    }
    return SearchProblem(**{**parts, **more})


if __name__ == "__main__":
    search(
        small_problem(learners=["linear"]),
        name="killed",
        budget=Budget.parse(sys.argv[2]),
        trials=FileTrials(Path(sys.argv[1])),
        workers=2,
    )
