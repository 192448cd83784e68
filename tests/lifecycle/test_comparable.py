"""Which columns keep one model from answering the decoded rows of another one's data."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import Kind
from penstock.bundle.privacy.protection import Protection
from penstock.bundle.specs import ColumnSpec
from penstock.lifecycle.comparable import not_compared, read_otherwise

X = ColumnSpec("x", Kind.NUMERIC)
JOB = ColumnSpec("job", Kind.CATEGORICAL)


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ((X, JOB), []),
        ((replace(X, missing=("?",), decimal=","), JOB), []),  # written otherwise, and the same once it is read
        ((X,), []),  # what is not there any more is missing, as ever
        ((X, JOB, ColumnSpec("new", Kind.TEXT)), []),
        ((replace(X, kind=Kind.CATEGORICAL), JOB), ["x"]),
        ((replace(X, origin=2**60), JOB), ["x"]),
        ((X, replace(JOB, privacy=Protection("hash"))), ["job"]),
    ],
)
def test_what_is_decoded_in_another_form_cannot_be_shown_to_both(now: tuple[ColumnSpec, ...], found: list[str]) -> None:
    """Kinds, decisions and origins count; how values are written does not."""
    of: Any = SimpleNamespace(columns=[SimpleNamespace(name="x"), SimpleNamespace(name="job")])
    bundle = cast(Any, SimpleNamespace(signature=of, decoder=Decoder((X, JOB), None)))
    assert read_otherwise(bundle, Decoder(now, None)) == found
    assert all(repr(name) in not_compared(1, found) for name in found)
