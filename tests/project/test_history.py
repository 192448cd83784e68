"""`[history.NAME]`: what each way of looking back needs, and spans of time."""

from __future__ import annotations

import pytest

from penstock.errors import DeclarationError
from penstock.project.declaration import parse_declaration
from penstock.project.sections.history import span

MINIMAL = '[data]\nsource = "a.csv"\ntarget = "y"\n[history.before]\nover = "day"\n'


@pytest.mark.parametrize(
    "text",
    [
        'take = "lag"\nof = "price"',
        'take = "mean"\nof = "price"\nwindow = "7d"\nby = "shop"',
        'take = "max"\nof = "price"\nrows = 5\nby = ["shop", "town"]',
        'take = "count"\nwindow = 3.5',
        'take = "since"',
    ],
)
def test_each_way_of_looking_back_is_declared(text):
    """One column or several say whose rows they are."""
    history = parse_declaration(f"{MINIMAL}{text}\n").history["before"]
    assert history.over == "day"
    assert history.keys in ((), ("shop",), ("shop", "town"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('take = "lag"', "is of a column of numbers"),
        ('take = "lag"\nof = "p"\nwindow = "7d"', "a lag counts rows"),
        ('take = "mean"\nof = "p"', "by rows or by a window"),
        ('take = "mean"\nof = "p"\nrows = 2\nwindow = "7d"', "by rows or by a window"),
        ('take = "mean"\nof = "p"\nrows = 0', "not above 0"),
        ('take = "mean"\nof = "p"\nwindow = "a week"', "no span of time"),
        ('take = "mean"\nof = "p"\nwindow = "0d"', "no span of time"),
        ('take = "mean"\nof = "p"\nwindow = -1', "not above 0"),
        ('take = "count"\nof = "p"\nrows = 1', "looks at no values"),
        ('take = "since"\nrows = 1', "looks at the last row"),
        ('take = "median"\nof = "p"\nrows = 1', "median"),
        ('take = "count"\nwindwo = "1d"', "window"),
    ],
)
def test_what_does_not_fit_is_refused(text, said):
    """With why, and what to write instead."""
    with pytest.raises(DeclarationError) as refused:
        parse_declaration(f"{MINIMAL}{text}\n")
    assert said in str(refused.value)


def test_spans_are_microseconds():
    """Weeks to milliseconds."""
    assert [span(text) for text in ("1w", "2 d", "0.5h", "3min", "1s", "2ms", "0s", "7", "d")] == [
        604_800_000_000, 172_800_000_000, 1_800_000_000, 180_000_000, 1_000_000, 2_000, None, None, None,
    ]  # fmt: skip
