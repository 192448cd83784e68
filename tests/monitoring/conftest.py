"""A small world: training, held-out and fresh rows of one source, and the answers of a model to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import Layout
from penstock.bundle.signature import DecisionRule, Signature
from penstock.bundle.specs import ColumnSpec, TargetSpec
from penstock.monitoring.answered import Answered
from penstock.monitoring.monitor import MonitorReport, monitor
from penstock.monitoring.reference import build_reference
from penstock.monitoring.window import Window

WORDS = np.array(
    ["call", "me", "back", "later", "please", "about", "the", "new", "offer", "we", "sent", "you", "today", "thanks"]
)


@dataclass
class World:
    frame: Frame
    y: np.ndarray
    answers: Answered
    signature: Signature
    reference: dict
    fresh: np.ndarray  # rows that neither training nor the reference has seen

    def rows(self, n: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).choice(self.fresh, n, replace=False)

    def window(self, rows: np.ndarray, **changed: np.ndarray) -> Window:
        frame = self.frame.take(rows)
        frame.columns.update(changed)
        return Window.of(frame, self.answers.take(rows), model="toy", version=1)

    def watch(self, window: Window, **options) -> MonitorReport:
        return monitor(window, self.reference, self.signature, **options)


def make_world(task: Task = Task.BINARY, n: int = 9000) -> World:
    rng = np.random.default_rng(11)
    columns = {
        "age": rng.normal(41, 10, n),
        "income": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(10, 1, n)),
        "gains": np.where(rng.random(n) < 0.92, 0.0, rng.exponential(3000, n)),
        "children": rng.poisson(1.5, n).astype(float),
        "job": np.array(["admin", "nurse", "pilot", None], dtype=object)[rng.choice(4, n, p=[0.6, 0.3, 0.07, 0.03])],
        "member": np.array(["no", "yes"], dtype=object)[rng.integers(0, 2, n)],
        "note": np.array([" ".join(rng.choice(WORDS, rng.poisson(6) + 1)) for _ in range(n)], dtype=object),
        "joined": rng.integers(0, 10**15, n),
    }
    kinds = dict.fromkeys(("age", "income", "gains", "children"), Kind.NUMERIC)
    kinds |= {"job": Kind.CATEGORICAL, "member": Kind.BINARY, "note": Kind.TEXT, "joined": Kind.DATETIME}
    frame = Frame(columns, kinds)
    score = (columns["age"] - 41) / 10 + (columns["member"] == "yes")
    novelty = rng.random(n)
    if task is Task.REGRESSION:
        y, answers = score + rng.normal(size=n), Answered(novelty, value=score)
        quality = {"metric": "r2", "value": 0.55, "low": 0.5, "high": 0.6}
    else:
        p1 = 1 / (1 + np.exp(-score))
        y = (rng.random(n) < p1).astype(np.int64)
        p = np.stack([1 - p1, p1], axis=1)
        answers = Answered(novelty, (p1 >= 0.5).astype(np.int64), p)
        quality = {"metric": "roc_auc", "value": 0.77, "low": 0.75, "high": 0.79}
    train, held, fresh = np.split(rng.permutation(n), [n // 2, 3 * n // 4])
    specs = [ColumnSpec(name, kind) for name, kind in kinds.items()]
    reference = build_reference(
        frame.take(train), specs, answers.take(held), frame.take(held), novelty_limit=0.99, quality=quality
    )
    target = TargetSpec("bought", task, () if task is Task.REGRESSION else ("no", "yes"))
    threshold = None if task is Task.REGRESSION else 0.5
    rule = DecisionRule(threshold=threshold, novelty_limit=0.99)
    return World(frame, y, answers, Signature("toy", task, target, Layout.of([]), (), decision=rule), reference, fresh)


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def regression_world() -> World:
    return make_world(Task.REGRESSION)
