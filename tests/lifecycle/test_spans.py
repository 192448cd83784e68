"""Spans of time in options."""

from __future__ import annotations

import pytest

from penstock.errors import BadParameter
from penstock.lifecycle.spans import instant, start_of
from penstock.serving.instants import parse_instant

END = parse_instant("2026-11-20T10:00:00Z")


@pytest.mark.parametrize(
    ("since", "start"),
    [("90m", "2026-11-20T08:30:00Z"), (" 1.5h", "2026-11-20T08:30:00Z"), ("2026-11-01", "2026-11-01T00:00:00Z")],
)
def test_a_span_begins_at_an_instant_or_a_length_before_its_end(since: str, start: str) -> None:
    """Lengths may have a point."""
    assert start_of(since, END) == parse_instant(start)


@pytest.mark.parametrize("text", ["yesterday", "2", "-1h", ""])
def test_anything_else_is_refused_with_the_option(text: str) -> None:
    """And what to write."""
    with pytest.raises(BadParameter, match="--since"):
        start_of(text, END)
    with pytest.raises(BadParameter, match="--until"):
        instant(text or "x", "--until")
