"""Expressions: text to tree and back, and errors that point into the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RecipeError
from penstock.features.language import MAX_DEPTH, Call, Keyword, Literal, Name, Origin, parse

ORIGIN = Origin("recipe.toml", lambda at: (1, at + 1))


def test_an_expression_is_a_tree() -> None:
    """Nested calls, numbers, quoted names, keywords, spaces anywhere."""
    tree = parse(
        " quantile_bin ( standardise(age) ,10, encode = 'one_hot') ".replace("quantile_bin (", "quantile_bin("), ORIGIN
    )
    assert tree == Call(
        "quantile_bin",
        (Call("standardise", (Name("age", 0),), (), 0), Literal(10, 0)),
        (Keyword("encode", Name("one_hot", 0, quoted=True), 0),),
        0,
    )


@pytest.mark.parametrize(
    "text",
    [
        "age",
        "emp.var.rate",
        "educational-num",
        "größe",
        "'a b'",
        "group('a', 'b')",
        "f(x, -1.5e3, n=2)",
        r"'it\'s'",
        "f()",
        "年龄",
    ],
)
def test_the_canonical_text_is_read_back_as_the_same_tree(text: str) -> None:
    """And it does not change any more."""
    tree = parse(text, ORIGIN)
    assert parse(str(tree), ORIGIN) == tree
    assert str(parse(str(tree), ORIGIN)) == str(tree)


@given(st.text(min_size=0, max_size=12))
def test_any_column_name_can_be_quoted(name: str) -> None:
    """Quotes, backslashes, brackets, line ends: whatever a file has as a header."""
    assert parse(str(Name(name, 0, quoted=True)), ORIGIN) == Name(name, 0, quoted=True)


@given(st.text(alphabet="ab('\",=)1. -\\", max_size=14))
def test_any_text_is_a_tree_or_an_error_with_a_place_in_it(text: str) -> None:
    """Never another exception, and never a place outside."""
    place = None
    try:
        parse(text, ORIGIN)
    except RecipeError as error:
        place = (error.line, error.column)
    assert place is None or place in [(1, column) for column in range(1, len(text) + 2)]


@pytest.mark.parametrize(
    ("text", "column", "found", "expected"),
    [
        ("", 1, "found the end of the expression", "a column, group, assignment, call or value"),
        ("f(age", 2, "the bracket after 'f' is not closed", "expected ',' or ')'"),
        ("f(age))", 7, "found ')'", "the end of the expression"),
        ("f(age b)", 7, "found 'b'", "',' or ')'"),
        ("f(age,)", 7, "found ')'", "a column, group, assignment, call or value"),
        ("age, job", 4, "found ','", "the end of the expression"),
        ("f(n=1, age)", 8, "an argument without a name follows n=", "arguments by name come last"),
        ("'age", 1, "the quoted text 'age does not end", "a closing '"),
        ("1stFlr", 1, "'1stFlr' is neither a number nor a bare name", "begins with a letter"),
        ("f(@)", 3, "found '@'", "a column, group, assignment, call or value"),
    ],
)
def test_an_error_says_where_what_and_what_was_expected(text: str, column: int, found: str, expected: str) -> None:
    """One per way to be wrong."""
    with pytest.raises(RecipeError) as caught:
        parse(text, ORIGIN)
    assert caught.value.column == column
    assert caught.value.what == f"recipe.toml, line 1, column {column}: {found}"
    assert expected in caught.value.why


def test_nesting_without_end_is_refused_at_the_call_that_is_too_deep() -> None:
    """Before Python's own recursion ends, whatever the length."""
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(RecipeError, match="nested more than 50 deep") as caught:
            parse("f(" * depth + "x" + ")" * depth, ORIGIN)
        assert caught.value.column == 2 * (MAX_DEPTH + 1) + 1
