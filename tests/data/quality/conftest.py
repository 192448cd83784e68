"""Views of small tables, made to show one fault each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from penstock.bundle.decoder import Frame, Kind, TargetSpec
from penstock.bundle.kinds import Task
from penstock.data.fingerprints import frame_fingerprints
from penstock.data.memory import RowMemory
from penstock.data.quality.check import Finding
from penstock.data.quality.report import judge
from penstock.data.quality.view import View

KEY = b"k" * 32


def kind_of(column: np.ndarray) -> Kind:
    if column.dtype == object:
        return Kind.CATEGORICAL
    return Kind.DATETIME if column.dtype == np.int64 else Kind.NUMERIC


def make_view(
    columns: Mapping[str, np.ndarray],
    y: np.ndarray,
    *,
    kinds: Mapping[str, Kind] | None = None,
    part: np.ndarray | None = None,
    **more: Any,
) -> View:
    """A view of columns; the last fifth validates, unless `part` says otherwise (0 train, 1 valid, 2 test)."""
    n = len(y)
    found = {name: (kinds or {}).get(name, kind_of(column)) for name, column in columns.items()}
    frame = Frame(dict(columns), found, n)
    part = np.where(np.arange(n) < 0.8 * n, 0, 1).astype(np.int8) if part is None else part.astype(np.int8)
    classes = ("no", "yes", "perhaps")[: max(2, int(y.max()) + 1)] if y.dtype == np.int64 else ()
    task = {0: Task.REGRESSION, 2: Task.BINARY, 3: Task.MULTICLASS}[len(classes)]
    content = frame_fingerprints(frame, list(columns), KEY)
    _, codes = np.unique(y, return_inverse=True)
    memory = RowMemory.of(
        row=content,
        content=content,
        target=codes.astype(np.uint64) + np.uint64(7),
        group=np.zeros(n, dtype=np.uint64),
        part=part,
        envelope=np.where(part == 2, 0, -1).astype(np.int16),
    )
    train, valid = part == 0, part == 1
    return View(
        frame.take(train), y[train], frame.take(valid), y[valid], TargetSpec("y", task, classes), memory=memory, **more
    )


@pytest.fixture
def view() -> Callable[..., View]:
    return make_view


@pytest.fixture
def judged() -> Callable[..., list[Finding]]:
    """What one check says of a view: ``judged("label-errors", view)``."""

    def found(check: str, view: View, limit: float | None = None) -> list[Finding]:
        return judge(view, {} if limit is None else {check: limit}, only=(check,))

    return found
