"""Personal values are protected alike in rows and in columns, never twice, and never shown."""

from __future__ import annotations

import json
from decimal import ROUND_FLOOR, Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.decoder import ColumnSpec, Decoder, EncodedColumn
from penstock.bundle.kinds import Kind
from penstock.bundle.privacy.actions import ACTIONS, parse_action
from penstock.bundle.privacy.keys import FILE, VARIABLE, check_of, find_key, write_key, write_key_of
from penstock.bundle.privacy.protecting import Protector
from penstock.bundle.privacy.protection import Mask, Protection
from penstock.bundle.privacy.transforms import keyed_hash, shift_days, transform_of
from penstock.bundle.raw import HiddenValue
from penstock.errors import DeclarationError, PrivacyError

VECTORS = json.loads(files("penstock.bundle").joinpath("conformance.json").read_text("utf-8"))["personal"]
KEY = bytes.fromhex(VECTORS["key"])
EMAIL = Mask("email", "@", r"[^\s@]+@[^\s@]+\.[a-z]{2,9}")


@pytest.mark.parametrize("vector", VECTORS["columns"], ids=lambda vector: vector["about"])
def test_every_vector_is_protected_as_written_at_both_speeds(vector: dict[str, Any]) -> None:
    """Rows and columns; text goes through the bulk speed too."""
    spec = ColumnSpec.from_json({"name": "x", **vector["column"]})
    protector = Protector((spec,), KEY)
    subject = spec.privacy.subject if spec.privacy else ""
    for case in vector["cases"]:
        row = {"x": case["value"], **({subject: case["subject"]} if subject else {})}
        if "problem" in case:
            with pytest.raises(HiddenValue) as refused:
                protector.value("x", case["value"], row)
            assert refused.value.code == case["problem"], case
        else:
            assert protector.value("x", case["value"], row) == case["protected"], case
        if all(value is None or isinstance(value, str) for value in row.values()):
            columns = {name: EncodedColumn.of([value]) for name, value in row.items()}
            column, problems = protector.column("x", columns)
            got = None if column.codes[0] < 0 else column.values[column.codes[0]]
            assert got == case.get("protected"), case
            assert [p.code for p in problems] == ([case["problem"]] if "problem" in case else [])


VALUES = st.lists(
    st.one_of(
        st.none(),
        st.text(max_size=12),
        st.integers(-(10**20), 10**20).map(str),
        st.floats(allow_nan=False).map(repr),
        st.dates().map(str),
        st.datetimes().map(str),
        st.ip_addresses().map(str),
        st.emails().map(lambda address: f"write to {address} soon"),
        st.sampled_from(["", " ", "?", "NA", "12,5", "\u00a07 "]),
    ),
    max_size=12,
)
KINDS = {"band": Kind.NUMERIC, "month": Kind.DATETIME, "year": Kind.DATETIME, "shift": Kind.DATETIME}


@st.composite
def personal(draw: st.DrawFn) -> ColumnSpec:
    written = draw(
        st.sampled_from(
            [
                "drop",
                "mask",
                "mask:hits",
                "hash",
                "band:10",
                "band:0.25",
                "band:0.1",
                "prefix:2",
                "month",
                "year",
                "network",
                "shift",
            ]
        )
    )
    action = parse_action(written)
    kind = Kind.TEXT if written == "mask:hits" else KINDS.get(action.name, Kind.CATEGORICAL)
    protection = Protection(
        written,
        missing=tuple(draw(st.lists(st.sampled_from(["?", "NA", "7"]), max_size=2))),
        decimal=draw(st.sampled_from([".", ","])),
        formats=draw(st.sampled_from([(), ("iso",), ("%d/%m/%Y", "iso")])),
        masks=(EMAIL,) if written == "mask:hits" else (),
    )
    return ColumnSpec("x", kind, privacy=protection)


@settings(max_examples=400, deadline=None)
@given(personal(), VALUES, st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=12, max_size=12))
def test_rows_and_columns_agree_bit_for_bit(spec: ColumnSpec, texts: list[str | None], who: list[str | None]) -> None:
    """The same arrays and problems; rows that were protected before give them again; no problem shows a value."""
    decoder = Decoder((spec, ColumnSpec("who", Kind.CATEGORICAL)), None).with_key(KEY)
    rows = [{"x": text, "who": one} for text, one in zip(texts, who, strict=False)]
    columns = {"x": EncodedColumn.of(texts), "who": EncodedColumn.of(who[: len(texts)])}
    by_rows, row_problems = decoder.decode_rows(rows)
    by_columns, column_problems = decoder.decode_columns(columns)
    assert by_rows["x"].tobytes() == by_columns["x"].tobytes() if by_rows["x"].dtype != object else True
    assert by_rows["x"].dtype != object or by_rows["x"].tolist() == by_columns["x"].tolist()
    assert row_problems == column_problems
    assert all(problem.value is None for problem in row_problems)
    if not row_problems:
        kept = [decoder.protector.row(row) for row in rows]
        again, none = decoder.decode_rows(kept)
        assert not none
        assert str(again["x"].tolist()) == str(by_rows["x"].tolist())
        assert [decoder.protector.row(row) for row in kept] == kept


@settings(max_examples=300, deadline=None)
@given(st.integers(-100_000, 100_000), st.sampled_from(["0.1", "0.25", "0.3", "1", "2.5", "10", "0.001"]))
def test_a_number_lies_in_the_band_that_paper_would_give(thousandths: int, width: str) -> None:
    """Also at an edge: 0.6 in bands of 0.1 begins a band, though 0.6 / 0.1 is a little less than 6 to a machine."""
    number = Decimal(thousandths) / 1000
    transform = transform_of(ColumnSpec("x", Kind.NUMERIC, privacy=Protection(f"band:{width}")), KEY)
    given_back = transform(str(number), None)
    assert given_back is not None
    assert Decimal(given_back) == (number / Decimal(width)).to_integral_value(ROUND_FLOOR) * Decimal(width)


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6 and not text.strip().isdigit()))
def test_neither_the_row_nor_the_message_holds_the_value(secret: str) -> None:
    """Whatever the action; a value that cannot be transformed is refused without a word of it."""
    for written in ("drop", "mask", "hash", "band:10", "year", "network", "shift"):
        action = parse_action(written)
        spec = ColumnSpec("x", KINDS.get(action.name, Kind.CATEGORICAL), privacy=Protection(written))
        try:
            kept = str(Protector((spec,), KEY).row({"x": secret}))
        except HiddenValue as error:
            kept = f"{error} {error.why}"
        assert repr(secret)[1:-1] not in kept
        assert secret.strip() not in kept


def test_without_the_key_nothing_that_needs_it_is_made() -> None:
    """And a key of another project is refused."""
    decoder = Decoder((ColumnSpec("x", Kind.IDENTIFIER, privacy=Protection("hash")),), None)
    assert decoder.needs_key
    with pytest.raises(PrivacyError, match="privacy key is not here"):
        decoder.decode_rows([{"x": "ada"}])
    assert decoder.decode_rows([{"x": {"hash": "habc"}}])[0]["x"].tolist() == ["habc"]
    keyed = decoder.with_key(KEY)
    stored = Decoder.from_json(json.loads(json.dumps(keyed.to_json())))
    assert KEY.hex() not in json.dumps(keyed.to_json())
    assert KEY.hex() not in repr(keyed)
    assert stored.with_key(KEY).decode_rows([{"x": "ada"}])[0]["x"].tolist() == [keyed_hash(KEY, "ada")]
    with pytest.raises(PrivacyError, match="not the privacy key"):
        stored.with_key(bytes(32))


def test_a_decoder_without_personal_columns_is_stored_as_before() -> None:
    """So that its digest, and that of every data set and bundle, stays."""
    decoder = Decoder((ColumnSpec("age", Kind.NUMERIC, missing=("?",)),), None)
    assert decoder.to_json() == {
        "format": 1,
        "kind": "decoder",
        "columns": [{"name": "age", "kind": "numeric", "missing": ["?"]}],
        "target": None,
    }
    assert decoder.with_key(KEY) is decoder


def test_dates_keep_their_order_within_a_subject() -> None:
    """And subjects move by days of their own, never by none."""
    spec = ColumnSpec("x", Kind.DATETIME, privacy=Protection("shift:who"))
    decoder = Decoder((spec,), None).with_key(KEY)
    days = [f"2001-0{m}-1{d}" for m in range(1, 9) for d in range(5)]
    moved = {}
    for who in ("a", "b"):
        frame, _ = decoder.decode_rows([{"x": day, "who": who} for day in days])
        plain = np.array(days, dtype="datetime64[us]").astype(np.int64)
        moved[who] = set((frame["x"] - plain).tolist())
        assert len(moved[who]) == 1
    assert moved["a"] != moved["b"]
    assert all(1 <= abs(shift_days(KEY, str(i))) <= 364 for i in range(2000))


@pytest.mark.parametrize("written", ["hash ", "band:10", "keep: asked", "mask:hits", "shift:patient", "prefix: 3"])
def test_actions_are_read_as_they_are_written(written: str) -> None:
    """White space aside; the text of an action is that action again."""
    action = parse_action(written)
    assert parse_action(action.text) == action


@pytest.mark.parametrize(
    "written",
    ["", "hsh", "band", "band:0", "band:-1", "band:x", "prefix:0", "prefix:99", "keep", "mask:all", "shift:", "drop:x"],
)
def test_what_is_no_action_is_refused(written: str) -> None:
    """With what there is."""
    with pytest.raises(DeclarationError) as refused:
        parse_action(written)
    assert any(action.split(":")[0] in f"{refused.value}" for action in ACTIONS)


def test_the_key_lies_where_only_its_owner_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the bundles; the environment comes first, but for the key of a bundle itself; a file that others can read is refused."""
    bundle = tmp_path / "serving" / "bundles" / "abc"
    bundle.mkdir(parents=True)
    assert find_key(bundle) is None
    path = write_key(tmp_path / "serving", KEY)
    assert path.name == FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert write_key(tmp_path / "serving", KEY) == path
    assert find_key(bundle) == KEY
    monkeypatch.setenv(VARIABLE, bytes(32).hex())
    assert find_key(bundle) == bytes(32)
    own = write_key_of(bundle, b"o" * 32)
    assert own.stat().st_mode & 0o777 == 0o600
    assert find_key(bundle) == b"o" * 32, "that of the bundle itself is no other project's"
    own.unlink()
    monkeypatch.setenv(VARIABLE, "nonsense")
    with pytest.raises(PrivacyError, match="holds no privacy key"):
        find_key(bundle)
    monkeypatch.delenv(VARIABLE)
    path.chmod(0o644)
    with pytest.raises(PrivacyError, match="others can read"):
        find_key(bundle)
    assert len(check_of(KEY)) == 16
