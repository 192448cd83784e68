"""Strings that the decoder prepares: each function against a second definition, and both speeds against each other."""

from __future__ import annotations

import binascii
import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import Layout, pack
from penstock.bundle.preparing import (
    FUNCTIONS,
    SPACE,
    Prepared,
    characters,
    hash_tokens,
    hash_value,
    lowercase,
    no_punct,
    prepare_columns,
    reader_of,
    sparse_bigrams,
    tokens,
)
from penstock.bundle.requests import RequestReader
from penstock.bundle.signature import InputColumn, Signature
from penstock.bundle.specs import ColumnSpec, TargetSpec

TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "Welcome to AML - please fasten your seat-belts!",
        "  \t ",
        "العربية، نص",
        "中文。",
        "ÄRGER 😀!",
        "e\u0301",
        "a\u00a0b",
        "¿Qué?",
    ]
)
WORDS = st.lists(st.sampled_from(["The", "quick", "fox", "a_b", "中"]), max_size=9).map(" ".join)


@given(TEXTS)
def test_tokens_stand_between_whitespace(text: str) -> None:
    """One space between them, none around; twice is once."""
    made = tokens(text)
    assert made.split(" ") == (made.split() or [""])
    assert tokens(made) == made


@given(TEXTS)
def test_tokens_without_punctuation_keep_what_is_inside(text: str) -> None:
    """ASCII as a regular expression has it; twice is once."""
    made = no_punct(tokens(text))
    assert no_punct(made) == made
    if text.isascii():
        ends = r"[!-/:-@\[-`{-~]*"
        expected = [re.fullmatch(f"{ends}(.*?){ends}", token)[1] for token in tokens(text).split()]
        assert made.split() == [token for token in expected if token]


def test_the_example_of_amazon() -> None:
    """Prefix and suffix only; a lone hyphen goes."""
    assert (
        no_punct(tokens("Welcome to AML - please fasten your seat-belts!"))
        == "Welcome to AML please fasten your seat-belts"
    )
    assert no_punct("«¡Hola!» ... (€5)") == "Hola €5"


@given(TEXTS)
def test_lower_case_is_that_of_unicode(text: str) -> None:
    """And composed, as everything that the decoder gives."""
    assert lowercase(text).casefold() == lowercase(lowercase(text)).casefold()
    assert lowercase("E\u0301 ÄRGER Σ") == "é ärger σ"


@given(WORDS, st.integers(2, 10))
def test_sparse_bigrams_are_all_pairs_within_the_window(text: str, size: int) -> None:
    """An underscore for each step between the two."""
    words = text.split()
    expected = [
        words[i] + "_" * (j - i) + words[j] for i, j in itertools.combinations(range(len(words)), 2) if j - i < size
    ]
    assert sparse_bigrams(size)(text).split() == expected


@given(TEXTS)
def test_characters_can_be_put_together_again(text: str) -> None:
    """Words, with the sign for a space between them."""
    assert characters(tokens(text)).replace(" ", "").replace(SPACE, " ") == tokens(text).replace(SPACE, " ")


@given(st.text(max_size=10), st.integers(2, 10**6))
def test_a_bucket_is_the_checksum_modulo_their_number(value: str, buckets: int) -> None:
    """CRC-32 as everywhere; nothing stays nothing."""
    expected = "" if value == "" else str(binascii.crc32(value.encode()) % buckets)
    assert hash_value(buckets)(value) == expected
    assert hash_tokens(buckets)("a " + (tokens(value) or "b")).split()[0] == str(binascii.crc32(b"a") % buckets)


def test_the_checksum_is_the_one_of_the_standard() -> None:
    """The check value of CRC-32/ISO-HDLC, so that other languages find the same bucket."""
    assert hash_value(2**31)("123456789") == str(0xCBF43926 % 2**31)


TREES = [
    Prepared("tokens", ("note",)),
    Prepared("no_punct", (Prepared("lowercase", (Prepared("tokens", ("note",)),)),)),
    Prepared("sparse_bigrams", (Prepared("tokens", ("note",)),), (3,)),
    Prepared("characters", (Prepared("tokens", ("note",)),)),
    Prepared("hash_value", ("job",), (16,)),
    Prepared("cross", (Prepared("tokens", ("note",)), Prepared("one_token", ("job",)), Prepared("tokens", ("note",)))),
]


def test_crossing_gives_every_combination() -> None:
    """Missing where one is missing; the category is one token."""
    read = reader_of(Prepared("cross", (Prepared("tokens", ("note",)), Prepared("one_token", ("job",)))))
    assert read(["Free  prize", "blue collar"]) == "Free_blue_collar prize_blue_collar"
    assert read([None, "x"]) == read(["x", None]) == read(["  ", "x"]) == ""


@pytest.mark.parametrize("tree", TREES)
def test_a_tree_is_stored_and_read_back(tree: Prepared) -> None:
    """Through JSON; what this release does not know is refused."""
    assert Prepared.from_json(json.loads(json.dumps(tree.to_json()))) == tree
    with pytest.raises(ValueError, match="unknown preparation 'stem'"):
        Prepared.from_json({"function": "stem", "inputs": ["note"], "params": []})


@given(st.lists(st.tuples(st.none() | TEXTS, st.none() | st.sampled_from(["a b", "é", "1"])), max_size=6))
def test_columns_and_rows_are_prepared_alike(rows: list[tuple[str | None, str | None]]) -> None:
    """And as they stand in the packed input, behind the columns."""
    columns = {"note": [row[0] for row in rows], "job": [row[1] for row in rows]}
    kinds = {"note": Kind.TEXT, "job": Kind.CATEGORICAL}
    frame = Frame({n: typed_array(values, kinds[n]) for n, values in columns.items()}, kinds, len(rows))
    layout = Layout.of([ColumnSpec(n, kind) for n, kind in kinds.items()], [(str(i), t) for i, t in enumerate(TREES)])
    assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
    packed = pack(frame, layout)["strings"]
    for j, tree in enumerate(TREES, len(kinds)):
        read = reader_of(tree)
        alone = [read([columns[name][i] for name in tree.columns]) for i in range(len(rows))]
        assert prepare_columns(tree, columns) == alone == packed[:, j].tolist()


def test_a_request_is_prepared_as_a_table() -> None:
    """The rows of a server and the columns of a batch give the same packed strings."""
    specs = (ColumnSpec("note", Kind.TEXT), ColumnSpec("job", Kind.CATEGORICAL), ColumnSpec("age", Kind.NUMERIC))
    target = TargetSpec("y", Task.BINARY, ("no", "yes"))
    decoder = Decoder(specs, target)
    layout = Layout.of(specs, [(str(i), tree) for i, tree in enumerate(TREES)])
    columns = tuple(InputColumn(spec.name, spec.kind, None, None) for spec in specs)
    reader = RequestReader(decoder, Signature("m", Task.BINARY, target, layout, columns))
    rows = [{"note": " Free  PRIZE! ", "job": "A b", "age": 3}, {"note": None, "job": "c"}, {"note": "x y z w"}]
    frame, _ = decoder.decode_rows(rows)
    assert reader.feeds(reader.read(rows).table)["strings"].tolist() == pack(frame, layout)["strings"].tolist()


def test_every_function_says_what_it_does() -> None:
    """Names are permanent: this list only grows."""
    assert {
        "tokens",
        "lowercase",
        "no_punct",
        "characters",
        "sparse_bigrams",
        "hash_value",
        "hash_tokens",
        "one_token",
    } <= set(FUNCTIONS)


def test_a_layout_without_prepared_strings_is_stored_as_ever() -> None:
    """Bundles of before are read as they are."""
    layout = Layout.of([ColumnSpec("job", Kind.CATEGORICAL)])
    assert "prepared" not in layout.to_json()
    assert np.array_equal(layout.slots("strings"), ["job"])
