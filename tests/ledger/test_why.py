"""Why a result is not known: short, also where a long text changed."""

from __future__ import annotations

import pytest

from penstock.ledger.why import _compare


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("# a\n[b]\nc = 1\n", "# a\n[b]\nc = 2\n", "params.text: line 3 was 'c = 1', is 'c = 2'"),
        ("# a\nb", "# a", "params.text: line 2 was 'b', is gone"),
        ("# a", "# a\nb", "params.text: line 2 was not there, is 'b'"),
        ("a\n", "a", "params.text: line 2 was '', is gone"),
        ("60s", "5m", "params.text was '60s', is '5m'"),
    ],
)
def test_of_a_text_the_first_line_that_differs_is_said(was: str, now: str, said: str) -> None:
    """Not its first line, which two recipes share."""
    assert _compare("params", {"text": was}, {"text": now}) == [said]
