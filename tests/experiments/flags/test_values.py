"""Words as values, and back."""

from __future__ import annotations

import ast
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.experiments.flags.command import literal
from penstock.experiments.flags.values import (
    NotOfType,
    read_list,
    read_literal,
    read_value,
    same,
    show,
    spell,
    split_list,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(st.integers())
def test_a_whole_number_comes_back_as_it_was(number: int) -> None:
    """What is passed to a script is read as the same number."""
    assert read_value(spell(number), "int") == number


@given(st.floats())
def test_a_number_comes_back_to_the_last_bit(number: float) -> None:
    """Also -0.0, infinities and NaN."""
    assert same(read_value(spell(number), "float"), number)


@given(TEXTS)
def test_text_is_taken_as_it_is_typed(text: str) -> None:
    """Spaces, quotes, brackets, line ends, any script."""
    assert read_value(text, "str") == text


@given(TEXTS)
def test_a_word_of_unknown_type_never_changes_what_a_program_reads(text: str) -> None:
    """Either it stays the text that it is, or it is a number or word that any program reads as the same."""
    value = read_literal(text)
    if isinstance(value, bool) or value is None:
        assert text.strip().lower() in ("true", "false", "none", "null")
    elif isinstance(value, int):
        assert str(value) == text.strip() or text.strip() == "-0"
    elif isinstance(value, float):
        assert same(float(text), value)
    elif isinstance(value, str):
        assert value == text or text.strip()[0] in "\"'"


@given(
    st.one_of(
        st.integers(),
        st.floats(),
        TEXTS,
        st.booleans(),
        st.none(),
        st.lists(st.one_of(st.integers(), st.floats(), TEXTS)),
    )
)
def test_a_constant_is_written_as_python_reads_it(value: object) -> None:
    """Whatever the value, the file gets exactly it."""
    found = eval(compile(ast.parse(literal(value), mode="eval"), "x", "eval"))
    assert same(found, value)


@given(TEXTS, st.sampled_from(["int", "float", "bool"]))
def test_any_word_is_read_or_refused(text: str, type_: str) -> None:
    """Nothing else happens, whatever is typed."""
    try:
        value = read_value(text, type_)
    except NotOfType:
        return
    assert isinstance(value, {"int": int, "float": float, "bool": bool}[type_])


@given(st.lists(st.from_regex(r"[a-z0-9.é-]+", fullmatch=True), max_size=6))
def test_a_list_is_parted_at_its_commas(items: list[str]) -> None:
    """With brackets and without."""
    assert split_list(",".join(items)) == items
    assert split_list("[" + ", ".join(items) + "]") == items


@given(TEXTS)
def test_no_list_makes_the_parser_fail(text: str) -> None:
    """Open brackets and quotes are no error of ours."""
    assert all(isinstance(item, str) for item in read_list(text, "str"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-1", -1), ("0.5", 0.5), ("1e-3", 0.001), (".5", 0.5), ("true", True), ("False", False), ("none", None),
        ("adam", "adam"), ("1.10", "1.10"), ("007", "007"), ("1_000", "1_000"), ('"1"', "1"), ("'a b'", "a b"), ("", ""),
        ("[1, 2]", [1, 2]), ("2026-11-20", "2026-11-20"), ("1e999", "1e999"), ("12345678901234567890", "12345678901234567890"),
        ("+1", "+1"), ("1.", "1."), ("None of it", "None of it"),
    ],
)  # fmt: skip
def test_a_word_of_unknown_type_is_read_as_in_toml(text: str, value: object) -> None:
    """And what would not come out as it was typed stays text."""
    assert same(read_literal(text), value)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("", "int"),
        ("", "float"),
        ("", "bool"),
        ("0.5", "int"),
        ("1e400", "int"),
        ("ten", "int"),
        ("٣", "int"),
        ("1,5", "float"),
        ("2", "bool"),
    ],
)
def test_a_word_of_another_type_is_refused(text: str, type_: str) -> None:
    """Each type says what it wants."""
    with pytest.raises(NotOfType):
        read_value(text, type_)


def test_whole_numbers_may_be_written_in_other_ways() -> None:
    """As Python and TOML allow it."""
    assert [read_value(t, "int") for t in ("1_000", "1e6", "0x10", " 7 ", "+3")] == [1000, 1_000_000, 16, 7, 3]


def test_nan_and_infinity_are_numbers() -> None:
    """In any case of letters."""
    assert math.isnan(read_value("NaN", "float"))
    assert read_value("-Infinity", "float") == -math.inf


def test_what_is_shown_can_be_typed() -> None:
    """Lists, empty text, true and false."""
    assert [show(v) for v in (True, None, [1, "a"], "", 0.1)] == ["true", "none", "[1, a]", '""', "0.1"]
