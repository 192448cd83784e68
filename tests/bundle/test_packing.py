"""One input per type, in the order of the layout."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from penstock.bundle.decoder import ColumnSpec, Decoder
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.packing import Layout, pack
from penstock.bundle.requests import RequestReader
from penstock.bundle.runtime import Bundle
from penstock.errors import SchemaMismatch
from penstock.testing.toy_bundle import write_toy_bundle

SPECS = (
    ColumnSpec("at", Kind.DATETIME),
    ColumnSpec("b", Kind.NUMERIC),
    ColumnSpec("note", Kind.TEXT),
    ColumnSpec("a", Kind.NUMERIC),
    ColumnSpec("member", Kind.BINARY),
)
ROWS = [
    {"at": "1970-01-01T00:00:01", "a": 1, "b": 2, "note": "Hello, World", "member": "Yes"},
    {"note": "Hello, World"},
    {"a": 3, "note": "!?"},
]


def test_a_layout_keeps_the_order_given_within_each_type() -> None:
    """And survives its stored form."""
    layout = Layout.of(SPECS)
    assert layout == Layout(("b", "a"), ("note", "member"), frozenset({"note"}), ("at",))
    assert layout.inputs == ("numbers", "strings", "times")
    assert Layout.from_json(layout.to_json()) == layout


def test_packed_inputs_have_the_types_of_the_graph() -> None:
    """Missing is NaN, "" and MISSING_TIME; texts are taken as words, other strings as they are."""
    frame, _ = Decoder(SPECS, None).decode_rows(ROWS)
    feeds = pack(frame, Layout.of(SPECS))
    assert list(feeds) == ["numbers", "strings", "times"]
    np.testing.assert_array_equal(feeds["numbers"], np.array([[2, 1], [np.nan, np.nan], [np.nan, 3]], np.float32))
    assert feeds["numbers"].flags.c_contiguous
    assert feeds["strings"].tolist() == [["hello world", "Yes"], ["hello world", ""], ["", ""]]
    assert feeds["times"].tolist() == [[1_000_000], [MISSING_TIME], [MISSING_TIME]]
    assert {name: array.dtype for name, array in feeds.items()} == {
        "numbers": np.float32,
        "strings": np.dtype(object),
        "times": np.int64,
    }


def test_only_the_inputs_that_hold_a_column_are_fed() -> None:
    """A graph of numbers has one input."""
    frame, _ = Decoder(SPECS, None).decode_rows(ROWS)
    assert list(pack(frame, Layout.of([SPECS[1]]))) == ["numbers"]


def test_the_frame_is_left_as_it_was() -> None:
    """Packing copies."""
    frame, _ = Decoder(SPECS, None).decode_rows(ROWS)
    pack(frame, Layout.of(SPECS))
    assert frame["member"].tolist() == ["Yes", None, None]


@pytest.mark.parametrize("kind", [Kind.IDENTIFIER, Kind.CONSTANT])
def test_a_column_that_is_no_input_cannot_be_packed(kind: Kind) -> None:
    """It is named."""
    with pytest.raises(SchemaMismatch, match="'id' cannot be an input"):
        Layout.of([ColumnSpec("id", kind)])


SECONDS = 1_700_000_000


@pytest.fixture
def with_offsets(tmp_path: Path) -> Bundle:
    """A bundle that takes its ages less an offset."""
    return Bundle.load(write_toy_bundle(tmp_path / "toy", offsets={"age": float(SECONDS)}))


def test_an_offset_is_subtracted_before_numbers_become_float32(with_offsets: Bundle) -> None:
    """Whole numbers, decimals, texts, missing and huge ones: a frame and a request are packed to the same bits."""
    layout = with_offsets.signature.layout
    ages = [SECONDS, SECONDS + 1, SECONDS + 0.25, str(SECONDS + 2), None, 0, -0.0, 1e300, -1e300, 2**60 + 1]
    rows = [{"age": age, "income": income} for age in ages for income in (None, -0.0, 0.1, 1e300)]
    frame, problems = with_offsets.decoder.decode_rows(rows)
    assert problems == []
    packed = pack(frame, layout)["numbers"]
    reader = RequestReader(with_offsets.decoder, with_offsets.signature)
    fed = reader.feeds(reader.read(rows).table)["numbers"]
    assert packed.tobytes() == fed.tobytes()
    largest = np.finfo(np.float32).max
    expected = [0, 1, 0.25, 2, np.nan, -SECONDS, -SECONDS, largest, -largest, 2**60 - SECONDS]
    np.testing.assert_array_equal(packed[::4, 0], np.array(expected, np.float32))
    assert np.signbit(packed[1, 1])  # nothing is subtracted of the others


def test_a_layout_without_offsets_is_stored_as_it_always_was(with_offsets: Bundle) -> None:
    """And one with them comes back; it is not for releases that would read past them."""
    assert "offsets" not in Layout.of(SPECS).to_json()
    layout = with_offsets.signature.layout
    assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
    assert with_offsets.signature.to_json()["format"] == 2
    assert replace(with_offsets.signature, layout=replace(layout, offsets=())).to_json()["format"] == 1


def test_offsets_are_those_of_numbers_of_the_layout() -> None:
    """What is said of others is left out."""
    assert Layout.of(SPECS).with_offsets({"a": 1.0, "note": 2.0, "other": 3.0}).offsets == (("a", 1.0),)


def test_the_decoder_in_javascript_packs_the_same_bits(with_offsets: Bundle, tmp_path: Path) -> None:
    """In any JavaScript: nothing of the runtime is needed for it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    dice = random.Random(0)
    ages = [SECONDS + dice.choice([1, 1e-3, 1e3, 1e9]) * dice.uniform(-1, 1) for _ in range(200)]
    rows = [{"age": age, "income": dice.uniform(-1e5, 1e5)} for age in [*ages, None, 1e300, -0.0]]
    frame, _ = with_offsets.decoder.decode_rows(rows)
    program = f"""
import {{ readFileSync }} from "node:fs";
import {{ Bundle }} from "{files("penstock.packaging.exports").joinpath("browser", "bundle.mjs").as_uri()}";
const Tensor = class {{ constructor(type, data) {{ this.data = data; }} }};
const [decoder, signature, rows] = ["decoder", "signature", "rows"].map((n) => JSON.parse(readFileSync(process.argv[2] + n + ".json")));
const bundle = new Bundle({{ Tensor }}, null, decoder, signature);
const {{ numbers }} = bundle.feeds(rows.map((row, i) => bundle.readRow(row, i).values));
process.stdout.write(Buffer.from(numbers.data.buffer).toString("hex"));
"""
    (tmp_path / "packs.mjs").write_text(program)
    folder = tmp_path / "toy"
    (folder / "rows.json").write_text(json.dumps(rows))
    done = subprocess.run([node, tmp_path / "packs.mjs", f"{folder}/"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bytes.fromhex(done.stdout) == pack(frame, with_offsets.signature.layout)["numbers"].tobytes()
