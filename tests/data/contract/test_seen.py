"""Values that came before are known, in whatever batches they come."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec, EncodedColumn
from penstock.data.contract.seen import SeenValues
from penstock.data.contract.values import Values


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.one_of(st.none(), st.sampled_from("abcdefghij")), max_size=8), max_size=8))
def test_it_agrees_with_a_set(batches: list[list[str | None]]) -> None:
    """Row by row."""
    seen, known = SeenValues(), set[str]()
    for batch in batches:
        values = Values.of(EncodedColumn.of(batch), ColumnSpec("a", Kind.IDENTIFIER))
        expected = []
        for text in batch:
            expected.append(text is not None and text in known)
            known |= {text} if text is not None else set()
        assert seen.repeated(values).tolist() == expected
