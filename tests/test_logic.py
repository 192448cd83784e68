"""And, or, not and brackets, in a language whose conditions are single letters."""

from __future__ import annotations

from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.logic import DEEPEST, Joined, Logic, LogicReader, Not, Token, Tokens


def read(text: str) -> Logic[str]:
    """Pieces stand apart by spaces; anything but brackets is a word."""
    pieces = [Token("mark" if p in "()" else "word", p, i + 1) for i, p in enumerate(text.split())]
    tokens = Tokens([*pieces, Token("end", "", len(pieces) + 1)])

    def refuse(why: str, way_out: str) -> NoReturn:
        raise ValueError(why)

    return LogicReader(tokens, lambda: tokens.next().text, refuse).read()


def held(condition: Logic[str], true: set[str]) -> bool:
    if isinstance(condition, Not):
        return not held(condition.part, true)
    if isinstance(condition, Joined):
        return (all if condition.how == "and" else any)(held(part, true) for part in condition.parts)
    return condition in true


TEXTS = st.recursive(
    st.sampled_from("abc"),
    lambda inner: st.one_of(
        st.builds("not {}".format, inner),
        st.builds("( {} )".format, inner),
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=8,
)


@given(TEXTS, st.sets(st.sampled_from("abc")))
def test_it_means_what_it_means_in_python(text: str, true: set[str]) -> None:
    """Not binds most, then and, then or."""
    assert held(read(text), true) == eval(text, {letter: letter in true for letter in "abc"})


@pytest.mark.parametrize(
    ("text", "why"),
    [("( a", "the bracket of column 1 is not closed"), ("a b", "'b' was not expected here"), ("( " * (DEEPEST + 1) + "a", "more than")],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(text: str, why: str) -> None:
    """With the column of the bracket that is open."""
    with pytest.raises(ValueError, match=why):
        read(text)
