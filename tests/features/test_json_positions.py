"""JSON with places: the same document as Python's own reader, and every text where it stands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RecipeError
from penstock.features.json_positions import JsonText
from penstock.features.recipe import Recipe

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), st.sampled_from([None, 0, 3]), st.booleans())
def test_it_reads_what_python_reads(document: dict, indent: int | None, ascii_only: bool) -> None:
    """Any object, in any layout; a place is that of the opening quote."""
    infinite = any(word in json.dumps(document) for word in ("Infinity", "NaN"))
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    if infinite:  # Python's own extension
        return
    read = JsonText(text, "recipe.json")
    assert read.document == document
    for path, place in (*read.texts.items(), *read.keys.items()):
        assert text[place.at] == '"'
        line, column = read.line_column(place.at)
        assert text.split("\n")[line - 1][column - 1] == '"'
        assert path[0] in document


def test_comments_are_skipped_where_they_are_comments() -> None:
    """Not inside a text."""
    text = '// a recipe\n{ // of mine\n "a": "http://x" // there\n}\n// end'
    assert JsonText(text, "recipe.json").document == {"a": "http://x"}


@given(st.text(alphabet='{}[]",:\\ agetxnu0.-/\n', max_size=40))
def test_any_text_is_a_recipe_or_an_error_with_a_place_in_it(text: str) -> None:
    """Never another exception, and never a place outside."""
    document = '{"outputs": ["age"]' + text
    try:
        Recipe.parse(document)
    except RecipeError as error:
        assert error.line is not None  # noqa: PT017
        assert 1 <= error.line <= document.count("\n") + 1  # noqa: PT017


@pytest.mark.parametrize("escaped", ["\\u0061", "a", "\\/", "\\n", "\\\\"])
def test_a_place_inside_a_text_counts_what_is_written(escaped: str) -> None:
    """An escape is one character of the text and several of the file."""
    text = '{"outputs": ["' + escaped + 'bc"]}'
    read = JsonText(text, "recipe.json")
    assert read.texts["outputs", 0].offset(1) == text.index("bc")
