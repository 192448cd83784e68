"""The check of numbers that are one for the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SECONDS = 1_700_000_000.0 + np.arange(3600.0)


def test_the_check_finds_the_column_and_no_other(judged: Any, view: Any) -> None:
    """Sound columns come near nothing."""
    dice = np.random.default_rng(0)
    columns = {"ts": SECONDS[:1000], "age": dice.normal(40, 12, 1000)}
    y = dice.integers(0, 2, 1000)
    (found,) = judged("lost-digits", view(columns, y))
    assert (found.about, found.failed) == ("ts", True)
    assert found.value == pytest.approx(0.991, abs=0.001)
    (sound,) = judged("lost-digits", view({"age": columns["age"]}, y))
    assert not sound.failed
