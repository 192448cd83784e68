"""The values that a window shows and training did not."""

from __future__ import annotations

from types import SimpleNamespace

from penstock.monitoring.checks.unknown_values import _commonest


def test_personal_data_in_a_column_that_never_had_any_is_not_quoted() -> None:
    """Traffic may bring it into any column; what it is of is told, and the value beside it."""
    known = SimpleNamespace(known=frozenset({"Lisbon"}), counts=[("Porto", 7)])
    values = ["Lisbon", "Porto", "Faro", "Faro", "mail ada@example.org"]
    told = _commonest(known, values)  # type: ignore[arg-type]
    assert told == "'Faro' (2), 'mail [email]' (1)"
