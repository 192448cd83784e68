"""How sure a share is that was counted."""

from __future__ import annotations

from penstock.data.shares import wilson


def test_a_share_of_no_rows_may_be_anything() -> None:
    """0 rows."""
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(0, 10)
    assert low == 0.0
    assert 0.2 < high < 0.35
