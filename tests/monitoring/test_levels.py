"""Service levels of a window of the journal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from penstock.bundle.frame import Frame
from penstock.monitoring.answered import Answered
from penstock.monitoring.levels import levels_of
from penstock.monitoring.window import Window
from penstock.serving.settings import LatencyObjective, ObjectiveSettings

DECLARED = ObjectiveSettings(0.9, LatencyObjective(0.5, 10.0), 0.8)


def window(**more: Any) -> Window:
    empty = Window.of(Frame({}, {}, 0), Answered(np.empty(0)))
    return replace(empty, **more)


def test_shares_are_held_against_their_targets() -> None:
    """What a client did wrong is in none of them; what missed its target says so."""
    seen = window(requests=95, failed=5, latencies_ms=np.array([1.0, 20.0, 30.0, 10.0]), rows=100, abstained=50)
    found = levels_of(seen, DECLARED)
    assert [(level.name, level.share, level.is_kept) for level in found] == [
        ("availability", pytest.approx(0.95), True),
        ("latency", 0.5, True),
        ("answered", 0.5, False),
    ]
    assert found[2].to_text().endswith("missed")
    assert found[0].to_json()["kept"] is True


def test_a_sample_of_the_journal_is_weighed() -> None:
    """Failures are journalled always, answers by their share."""
    (level,) = levels_of(window(requests=95, failed=5), ObjectiveSettings(0.9), sample=0.1)
    assert level.share == pytest.approx(950 / 955)


def test_of_nothing_nothing_is_said() -> None:
    """No objective, or no traffic."""
    assert levels_of(window(), ObjectiveSettings()) == ()
    (level,) = levels_of(window(), ObjectiveSettings(0.99))
    assert (level.share, level.is_kept) == (None, True)
    assert "nothing was asked" in level.to_text()
