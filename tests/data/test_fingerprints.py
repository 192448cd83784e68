"""Fingerprints know equal rows, whatever they are written like, and tell nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.decoder import ColumnSpec, Decoder, EncodedColumn, Kind
from penstock.data.canonical import canonical_text
from penstock.data.fingerprints import fingerprints, frame_fingerprints, positions, row_hashes

KEY = bytes(range(64))


def as_bytes(prints: np.ndarray) -> list[bytes]:
    """One object of 16 bytes for each row."""
    return [bytes(row) for row in np.ascontiguousarray(prints).view(np.dtype("V16")).ravel()]


def of_rows(table: dict[str, list[str | None]], key: bytes = KEY) -> list[bytes]:
    columns = {name: EncodedColumn.of(values) for name, values in table.items()}
    return as_bytes(fingerprints(row_hashes(columns, len(next(iter(table.values())))), key))


@pytest.mark.parametrize(
    ("texts", "canonical"),
    [
        (["1.50", " 1.5", "+1.5", "15e-1"], "1.5"),
        (["7", "007", "7.0", "7.", "0.7e1"], "7"),
        (["True", "true", "TRUE"], "true"),
        (["-0", "0.0", "0"], "0"),
        (["9223372036854775807"], "9223372036854775807"),
        (["caf\u00e9", "cafe\u0301 "], "caf\u00e9"),
        (["1_000"], "1_000"),
        (["inf"], "inf"),
        (["1e999"], "1e999"),
    ],
)
def test_one_value_has_one_canonical_text(texts: list[str], canonical: str) -> None:
    """Numbers in any notation, truth values in any case, Unicode in any form."""
    assert {canonical_text(text) for text in texts} == {canonical}


def test_equal_rows_and_only_those_have_equal_fingerprints() -> None:
    """A value in another column is another row; so is another value."""
    first, second, third, fourth, fifth = of_rows({"a": ["1", "1.0", "x", None, "1"], "b": ["x", " x", "1", "x", None]})
    assert first == second
    assert len({first, third, fourth, fifth}) == 4


def test_an_absent_column_is_a_column_without_values() -> None:
    """So a new, empty column changes no row; the order of columns does not matter."""
    assert of_rows({"a": ["1"], "b": ["2"]}) == of_rows({"b": ["2"], "new": [None], "a": ["1"], "blank": [" "]})


def test_another_key_gives_other_fingerprints() -> None:
    """Without the ledger's key nothing can be looked up."""
    assert of_rows({"a": ["1"]}) != of_rows({"a": ["1"]}, bytes(64))


def test_fingerprints_do_not_show_that_sums_are_made() -> None:
    """Sums are linear: f(a,c) + f(b,d) = f(a,d) + f(b,c). What is stored is not."""
    columns = {"x": EncodedColumn.of(["a", "b", "a", "b"]), "z": EncodedColumn.of(["c", "d", "d", "c"])}
    prints = fingerprints(row_hashes(columns, 4), KEY)
    assert not np.array_equal(prints[0] + prints[1], prints[2] + prints[3])


def test_decoded_rows_from_text_and_json_are_the_same() -> None:
    """Missing markers, number formats and JSON types make no difference once decoded."""
    decoder = Decoder(
        (
            ColumnSpec("n", Kind.NUMERIC, missing=("?",), decimal=","),
            ColumnSpec("c", Kind.CATEGORICAL, missing=("unknown",)),
            ColumnSpec("d", Kind.DATETIME),
            ColumnSpec("t", Kind.TEXT),
        ),
        None,
    )
    csv, _ = decoder.decode_columns(
        {
            "n": EncodedColumn.of(["1,50", "?"]),
            "c": EncodedColumn.of(["unknown", " a"]),
            "d": EncodedColumn.of(["2026-11-20", None]),
            "t": EncodedColumn.of(["hello you", "x"]),
        }
    )
    rows, _ = decoder.decode_rows([{"n": 1.5, "d": "2026-11-20T00:00:00Z", "t": "hello you"}, {"c": "a", "t": "x"}])
    names = ["n", "c", "d", "t"]
    assert as_bytes(frame_fingerprints(csv, names, KEY)) == as_bytes(frame_fingerprints(rows, names, KEY))


def test_no_rows_have_no_fingerprints() -> None:
    """The empty case keeps its shape."""
    assert fingerprints(row_hashes({"a": EncodedColumn.of([])}, 0), KEY).shape == (0, 2)


def test_positions_are_uniform_and_differ_between_purposes() -> None:
    """Chi-square of ten bins, and no correlation between the purposes of one row."""
    hashes = row_hashes({"a": EncodedColumn.of([str(i) for i in range(20_000)])}, 20_000)
    part, envelope = (positions(hashes, p).astype(np.float64) / 2**64 for p in ("part:0", "envelope:0"))
    for share in (part, envelope):
        counts = np.histogram(share, bins=10, range=(0, 1))[0]
        assert ((counts - 2000) ** 2 / 2000).sum() < 35  # 9 degrees of freedom: p = 6e-5
    assert abs(np.corrcoef(part, envelope)[0, 1]) < 0.03


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), min_size=2, max_size=30))
def test_collisions_happen_only_between_rows_of_equal_canonical_text(pairs: list[tuple[str, str]]) -> None:
    """For any texts."""
    prints = of_rows({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]})
    canonical = [(canonical_text(a), canonical_text(b)) for a, b in pairs]
    for i in range(len(pairs)):
        for j in range(i):
            assert (prints[i] == prints[j]) == (canonical[i] == canonical[j])
