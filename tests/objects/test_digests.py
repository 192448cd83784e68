"""Digests and the canonical encoding."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from penstock.objects.digests import canonical_json, digest_of, digest_of_json, digests_within, is_digest

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)


@given(JSON)
def test_equal_content_has_an_equal_digest(value: object) -> None:
    """However it came to be: read back from its own encoding, nothing changes."""
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)
    assert digest_of_json(value) == digest_of(canonical_json(value))


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_names_does_not_matter(value: dict[str, int]) -> None:
    """Two ways to build one object are one object."""
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_the_encoding_is_fixed() -> None:
    """Stored digests rely on these very bytes: this test may never change."""
    value = {"z": [1, 2.5, True, None], "a": {"é": "“"}, "n": 1e300}
    assert canonical_json(value) == '{"a":{"é":"“"},"n":1e+300,"z":[1,2.5,true,null]}'.encode()
    assert digest_of_json({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_digests_are_found_wherever_they_are() -> None:
    """Each with the name of its place; what only looks like one is left alone."""
    one, two = digest_of(b"1"), digest_of(b"2")
    value = {"parts": {"train": [one, two]}, "split": one, "rows": 3, "text": f"see {one}", "upper": one.upper()}
    assert list(digests_within(value)) == [("parts.train.0", one), ("parts.train.1", two), ("split", one)]
    assert list(digests_within(one, "dataset")) == [("dataset", one)]
    assert not is_digest(one + "\n")
