"""The check of numbers that are one for the model."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from penstock.data import digits

SECONDS = 1_700_000_000.0 + np.arange(1000.0)
MICROSECONDS = 1e9 * np.arange(500.0).repeat(2) + np.arange(1000) % 2  # pairs, in a quarter of an hour


def test_the_check_finds_the_column_and_no_other(judged: Any, view: Any) -> None:
    """Sound columns come near nothing."""
    dice = np.random.default_rng(0)
    columns = {"us": MICROSECONDS, "ts": SECONDS, "age": dice.normal(40, 12, 1000)}
    y = dice.integers(0, 2, 1000)
    (found,) = judged("lost-digits", view(columns, y))
    assert (found.about, found.failed) == ("us", True)
    assert found.value == pytest.approx(0.5, abs=0.05)
    (sound,) = judged("lost-digits", view({name: columns[name] for name in ("age", "ts")}, y))
    assert not sound.failed


def test_each_column_is_searched_once(judged: Any, view: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All training rows are sorted for it."""
    search = Mock(side_effect=digits.offset_of)
    monkeypatch.setattr(digits, "offset_of", search)
    judged("lost-digits", view({"us": MICROSECONDS, "ts": SECONDS}, np.arange(1000) % 2))
    assert search.call_count == 2
