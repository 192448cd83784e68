"""Budgets of a search."""

from __future__ import annotations

import pytest

from penstock.errors import DeclarationError
from penstock.learning.budget import Budget


@pytest.mark.parametrize(("text", "seconds", "count"), [("60s", 60, None), ("1.5h", 5400, None), ("2 trials", None, 2)])
def test_budgets_are_read(text: str, seconds: float | None, count: int | None) -> None:
    """A time or a number of trials."""
    assert Budget.parse(text) == Budget(seconds, count)


@pytest.mark.parametrize("text", ["", "60", "0s", "-1s", "1.5 trials", "5 minutes", "0 trials"])
def test_other_budgets_are_refused(text: str) -> None:
    """With an example of a right one."""
    with pytest.raises(DeclarationError, match="50 trials"):
        Budget.parse(text)
