"""Where the texts of a TOML document stand."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from penstock.features.recipe import toml_text
from penstock.project.toml_positions import Path, Positions

DOCUMENT = r'''
# outputs = ["not this"]
outputs = [
    "one", 'two',  # "three"
    """
four""", "f\u0069ve \"x\"",
]
number = 1.5
"quoted key" = "v"
inline = { a = "b", c = ["d", { e = "f" }] }
when = 1979-05-27T07:32:00Z

[groups]
a.b = 'it'
[[many]]
x = "y"
[assignments] # end
z = """a\
    b"""
'''


def _texts(value: object, path: Path = ()) -> dict[Path, str]:
    if isinstance(value, str):
        return {path: value}
    found: dict[Path, str] = {}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= _texts(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            found |= _texts(inner, path if path == ("many",) else (*path, index))
    return found


def test_every_character_of_every_text_is_found() -> None:
    """In all four kinds of strings, behind escapes and continued lines."""
    positions = Positions(DOCUMENT)
    values = _texts(tomllib.loads(DOCUMENT))
    assert positions.texts.keys() == values.keys()
    for path, text in values.items():
        for i, character in enumerate(text):
            at = positions.texts[path].offset(i)
            assert DOCUMENT[at] in (character, "\\"), (path, i)


def test_keys_are_found() -> None:
    """Of tables, dotted, quoted and inline."""
    positions = Positions(DOCUMENT)
    assert positions.line_column(positions.keys["outputs",].at) == (3, 1)
    assert positions.line_column(positions.keys["groups", "a", "b"].at)[0] == 14
    assert ("quoted key",) in positions.keys


@given(st.lists(st.text(max_size=8), max_size=5))
def test_any_texts_are_found(texts: list[str]) -> None:
    """Written as TOML writes them."""
    document = "outputs = [" + ", ".join(map(toml_text, texts)) + "]\n"
    positions = Positions(document)
    assert tomllib.loads(document)["outputs"] == texts
    for i, text in enumerate(texts):
        for k, character in enumerate(text):
            assert document[positions.texts["outputs", i].offset(k)] in (character, "\\")
