"""text_length, against Python's len."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe

RECIPE = 'outputs = ["text_length(note)", "text_length(note, characters)", "text_length(no_punct(note))"]'


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.none() | st.text(max_size=20) | st.sampled_from(["a  b ", "العربية نص", "😀 !"]), min_size=1, max_size=6
    )
)
def test_words_and_characters_are_counted_as_they_are_written(notes):
    """Whitespace between words is one character; what is missing has none."""
    frame = Frame({"note": typed_array(notes, Kind.TEXT)}, {"note": Kind.TEXT}, len(notes))
    recipe = Recipe.parse(RECIPE)
    fitted = fit_recipe(recipe, None, frame, [ColumnSpec("note", Kind.TEXT)], None, Task.REGRESSION, 0)
    assert fitted.names == ("note [tokens]: words", "note [characters]: characters", "note [no_punct]: words")
    words = [unicodedata.normalize("NFC", note or "").split() for note in notes]
    output = fitted.transform(frame)
    assert output[:, 0].tolist() == [len(w) for w in words]
    assert output[:, 1].tolist() == [len(" ".join(w)) for w in words]
    assert (output[:, 2] <= output[:, 0]).all()
