"""Both speeds of the decoder pass every conformance vector, and agree bit for bit on anything else."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.bundle.decoder import ColumnSpec, Decoder, EncodedColumn, TargetSpec
from penstock.bundle.instants import time_zone
from penstock.bundle.kinds import MISSING_TIME, Kind, Task
from penstock.bundle.packing import Layout, pack
from penstock.bundle.preparing import Prepared, prepare_columns, reader_of
from penstock.bundle.words import normalise_text, packed_words
from penstock.errors import DeclarationError

VECTORS = json.loads(files("penstock.bundle").joinpath("conformance.json").read_text("utf-8"))
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def stored(value: Any, kind: Kind) -> Any:
    """What the frame holds for a decoded value of a vector, as something whose bits can be compared."""
    if kind is Kind.NUMERIC:
        return np.float64(np.nan if value is None else value).tobytes()
    if kind is Kind.DATETIME:
        if value is None:
            return MISSING_TIME
        since = datetime.fromisoformat(value) - EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return value


def bits(column: np.ndarray) -> Any:
    """The contents of a column as something whose bits can be compared."""
    return column.tolist() if column.dtype == object else (str(column.dtype), column.tobytes())


@pytest.mark.parametrize("vector", VECTORS["columns"], ids=lambda vector: vector["about"])
def test_every_vector_decodes_as_written_at_both_speeds(vector: dict[str, Any]) -> None:
    """Values and problem codes are those of the file; text goes through the bulk speed too."""
    spec = ColumnSpec.from_json({"name": "x", **vector["column"]})
    decoder = Decoder((spec,), None)
    for case in vector["cases"]:
        value = case["value"]
        results = [decoder.decode_rows([{"x": value}])]
        if value is None or isinstance(value, str):
            results.append(decoder.decode_columns({"x": EncodedColumn.of([value])}))
        for frame, problems in results:
            got = frame["x"][0]
            shown = got.tobytes() if spec.kind is Kind.NUMERIC else got
            assert [problem.code for problem in problems] == ([case["problem"]] if "problem" in case else []), case
            assert shown == stored(case.get("decoded"), spec.kind), case


@pytest.mark.parametrize("vector", VECTORS["columns"], ids=lambda vector: vector["about"])
def test_a_whole_column_decodes_like_its_rows(vector: dict[str, Any]) -> None:
    """All text values of a vector in one column, also those that keep it off the fast path."""
    spec = ColumnSpec.from_json({"name": "x", **vector["column"]})
    cases = [case for case in vector["cases"] if case["value"] is None or isinstance(case["value"], str)]
    assert_speeds_agree(spec, [case["value"] for case in cases] * 2)
    assert_speeds_agree(spec, [case["value"] for case in cases if "decoded" in case] * 2)


@pytest.mark.parametrize("vector", VECTORS["targets"], ids=lambda vector: vector["about"])
def test_every_target_vector_decodes_as_written_at_both_speeds(vector: dict[str, Any]) -> None:
    """Class numbers, or numbers, and problem codes are those of the file."""
    target = TargetSpec.from_json({"name": "y", **vector["target"]})
    decoder = Decoder((), target)
    for case in vector["cases"]:
        value = case["value"]
        results = [decoder.decode_target_values([value])]
        if value is None or isinstance(value, str):
            results.append(decoder.decode_target_columns(EncodedColumn.of([value])))
        for array, problems in results:
            expected = case.get("decoded")
            if target.task is Task.REGRESSION:
                assert array.dtype == np.float64
                assert array.tobytes() == stored(expected, Kind.NUMERIC), case
            else:
                assert array.dtype == np.int64
                assert array.tolist() == [-1 if expected is None else expected], case
            assert [problem.code for problem in problems] == ([case["problem"]] if "problem" in case else []), case


@pytest.mark.parametrize("vector", VECTORS["packed"], ids=lambda vector: repr(vector["text"]))
def test_words_with_digits_are_packed_with_their_shape(vector: dict[str, str]) -> None:
    """That there is a number of so many digits says more than the number itself, which hardly comes twice."""
    assert packed_words(vector["text"]) == vector["packed"]


@pytest.mark.parametrize("vector", VECTORS["prepared"], ids=lambda vector: vector["tree"]["function"])
def test_strings_are_prepared_as_written_at_both_speeds(vector: dict[str, Any]) -> None:
    """Trees of functions over columns: one row at a time, and all at once."""
    tree = Prepared.from_json(vector["tree"])
    rows = [case["values"] for case in vector["cases"]]
    expected = [case["prepared"] for case in vector["cases"]]
    assert [reader_of(tree)([row[name] for name in tree.columns]) for row in rows] == expected
    assert prepare_columns(tree, {name: [row[name] for row in rows] for name in tree.columns}) == expected


@pytest.mark.parametrize("vector", VECTORS["words"], ids=lambda vector: repr(vector["text"]))
def test_words_are_taken_out_of_text_as_written(vector: dict[str, str]) -> None:
    """Also when the words are taken again: the result is its own normal form."""
    assert normalise_text(vector["text"]) == vector["words"]
    assert normalise_text(vector["words"]) == vector["words"]


def assert_speeds_agree(spec: ColumnSpec, texts: list[str | None]) -> None:
    """Frames and problems of the two speeds are the same."""
    decoder = Decoder((spec,), None)
    by_rows, row_problems = decoder.decode_rows([{spec.name: text} for text in texts])
    by_columns, column_problems = decoder.decode_columns({spec.name: EncodedColumn.of(texts)})
    assert bits(by_rows[spec.name]) == bits(by_columns[spec.name])
    assert row_problems == column_problems


NUMBERLIKE = st.one_of(
    st.text("0123456789+-.,eE _'\u00a0\u0661nainfx", max_size=12),
    st.floats(allow_nan=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.integers(2**60 - 99, 2**60 + 99).map(str),
    st.floats(-1e6, 1e6).map(lambda x: f"{x:,.2f}"),
)
DATELIKE = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.datetimes().map(lambda at: at.strftime("%d/%m/%Y")),
    st.text("0123456789-:T Z+/.", max_size=26),
)
TEXTS = st.lists(
    st.one_of(
        st.none(), NUMBERLIKE, DATELIKE, st.text(max_size=10), st.sampled_from(["", " ", "?", "true", "FALSE", "-9"])
    ),
    max_size=12,
)


@st.composite
def specs(draw: st.DrawFn) -> ColumnSpec:
    decimal, thousands = draw(
        st.sampled_from([(".", ""), (".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", "'")])
    )
    return ColumnSpec(
        "x",
        draw(st.sampled_from(Kind)),
        missing=tuple(
            draw(st.lists(st.one_of(st.sampled_from(["?", "-9", "-9.0", "0", "NA"]), NUMBERLIKE), max_size=3))
        ),
        decimal=decimal,
        thousands=thousands,
        formats=tuple(
            draw(st.lists(st.sampled_from(["iso", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S"]), max_size=2, unique=True))
        ),
        timezone=draw(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])),
        origin=draw(st.sampled_from([0, 0, 2**60, -(2**63), 2**100])),
        numeric_text=draw(st.booleans()),
        boolean_text=draw(st.booleans()),
    )


@settings(max_examples=400, deadline=None)
@given(specs(), TEXTS)
@example(ColumnSpec("x", Kind.NUMERIC, missing=("nan",)), ["nan", "1", None, "1"])
@example(ColumnSpec("x", Kind.NUMERIC, decimal=",", missing=("1.5",)), ["1.5", "1,5"])
def test_rows_and_columns_agree_bit_for_bit_for_any_spec_and_text(spec: ColumnSpec, texts: list[str | None]) -> None:
    """The same arrays and the same problems, whatever the column declares."""
    assert_speeds_agree(spec, texts)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text("0123456789+-.eE", min_size=1, max_size=8),
            st.floats(allow_nan=False, allow_infinity=False).map(repr),
            st.sampled_from(["", "?", " 7 ", "-9.0"]),
        ),
        max_size=20,
    ),
    st.sampled_from([(), ("?",), ("?", "-9"), ("5",)]),
)
def test_the_fast_path_for_numbers_is_the_slow_path(texts: list[str | None], missing: tuple[str, ...]) -> None:
    """Columns of plain numbers take the fast path; their bits are those of the reader."""
    assert_speeds_agree(ColumnSpec("x", Kind.NUMERIC, missing=missing), texts)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_words_are_a_normal_form(text: str) -> None:
    """Taking the words of words changes nothing, and no word is empty."""
    words = normalise_text(text)
    assert normalise_text(words) == words
    assert words == " ".join(words.split(" ")).strip()


def test_the_decoder_in_javascript_reads_numbers_as_written(tmp_path: Path) -> None:
    """The vectors of numbers, in any JavaScript."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    browser = files("penstock.packaging.exports").joinpath("browser", "decoder.mjs").as_uri()
    program = f"""
import {{ readFileSync }} from "node:fs";
import {{ columnReader, parseJson }} from "{browser}";
const wrong = [];
let done = 0;
for (const {{ column, cases }} of parseJson(readFileSync(process.argv[2], "utf8")).columns.filter(({{ column }}) => column.kind === "numeric")) {{
  const read = columnReader({{ name: "x", ...column }});
  for (const test of cases) {{
    let got = null, problem;
    try {{ got = read(test.value); }} catch (error) {{ problem = error.code; }}
    const expected = test.decoded === undefined || test.decoded === null ? null : Number(test.decoded);
    done += 1;
    if ("problem" in test ? problem !== test.problem : problem !== undefined || !Object.is(got, expected)) wrong.push([test.value, got, problem].map(String));
  }}
}}
console.log(JSON.stringify([done, wrong]));
"""
    (tmp_path / "reads.mjs").write_text(program)
    vectors = str(files("penstock.bundle").joinpath("conformance.json"))
    shown = subprocess.run([node, tmp_path / "reads.mjs", vectors], capture_output=True, text=True, check=True).stdout
    done, wrong = json.loads(shown)
    assert wrong == []
    assert done > 100


def test_packing_clips_to_the_finite_float32_range() -> None:
    """A huge double stays finite, NaN stays NaN."""
    spec = ColumnSpec("x", Kind.NUMERIC)
    frame, _ = Decoder((spec,), None).decode_rows([{"x": 1e300}, {"x": -1e300}, {"x": None}, {"x": 0.1}])
    numbers = pack(frame, Layout.of([spec]))["numbers"]
    largest = np.finfo(np.float32).max
    np.testing.assert_array_equal(numbers[:, 0], np.array([largest, -largest, np.nan, 0.1], np.float32))


def test_an_unknown_time_zone_is_named() -> None:
    """The message says which column declares it."""
    with pytest.raises(DeclarationError, match=r"'joined'.*'Mars/Olympus'"):
        time_zone("Mars/Olympus", column="joined")
