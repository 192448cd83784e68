"""A loaded bundle answers rows and frames alike, and refuses what it was not made for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.bundle.decoder import EncodedColumn, Frame
from penstock.bundle.format import read_bundle, write_bundle
from penstock.bundle.kinds import Kind
from penstock.bundle.packing import pack
from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError, NewerFormat, RequestError, SchemaMismatch
from penstock.objects.digests import canonical_json
from penstock.testing.toy_bundle import JOBS, ROWS, toy_parts, write_toy_bundle

CONTRACT_KEYS = {"prediction", "decision", "reason", "novelty", "missing", "unknown", "withheld"}


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit and in type: JSON tells 1, 1.0 and true apart."""
    return json.dumps(one) == json.dumps(other)


def test_answers_have_exactly_the_keys_of_the_contract(bundle: Bundle) -> None:
    """And a key only where the row had one."""
    content = "interval" if bundle.signature.task == "regression" else "probabilities"
    for row, answer in zip(ROWS, bundle.predict(ROWS), strict=True):
        assert set(answer) == CONTRACT_KEYS | {content} | ({"key"} if "id" in row else set())


def test_an_answer_is_plain_json(bundle: Bundle) -> None:
    """No numpy value gets out."""
    answers = bundle.predict(ROWS)
    assert same(json.loads(json.dumps(answers)), answers)


def test_predictions_have_the_own_type_of_the_target(toy_folders: dict[str, Path]) -> None:
    """A class is the class of the decoder, a number is a float; probabilities have string keys."""
    assert Bundle.load(toy_folders["binary"]).predict(ROWS[:1])[0]["prediction"] == "yes"
    three = Bundle.load(toy_folders["multiclass"]).predict(ROWS[:1])[0]
    assert type(three["prediction"]) is int
    assert list(three["probabilities"]) == ["1", "2", "3"]
    assert sum(three["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert type(Bundle.load(toy_folders["regression"]).predict(ROWS[:1])[0]["prediction"]) is float


def test_a_novel_row_is_withheld_and_the_columns_are_named(bundle: Bundle) -> None:
    """The prediction is null; scores and the reason are there for a person to look at."""
    answer = bundle.predict([ROWS[2]])[0]
    content = "interval" if bundle.signature.task == "regression" else "probabilities"
    assert answer["decision"] == "abstain"
    assert answer["reason"] == "novel: age and income are outside the range seen in training"
    assert answer["prediction"] is None
    assert answer[content] is not None
    assert set(answer["withheld"]) == {"prediction"}
    assert answer["withheld"]["prediction"] is not None


def test_an_unsure_row_is_withheld_and_the_confidence_is_told(binary: Bundle) -> None:
    """With the limit that it misses."""
    answer = binary.predict([{}])[0]
    assert answer["decision"] == "abstain"
    assert answer["reason"] == "low confidence: 0.5 is below 0.6"
    assert answer["probabilities"] == {"no": 0.5, "yes": 0.5}
    assert answer["withheld"]["prediction"] in ("no", "yes")


def test_missing_and_unknown_fields_are_listed_in_the_order_of_the_signature(binary: Bundle) -> None:
    """An absent field, a null, an empty string and a marker are all missing; an unknown category is answered."""
    row = {"joined": None, "job": "astronaut", "income": "?", "member": "", "note": "hi"}
    answer = binary.predict([row])[0]
    assert answer["missing"] == ["age", "income", "member", "joined"]
    assert answer["unknown"] == ["job"]
    assert binary.predict([{"job": "unknown"}])[0]["unknown"] == []


def test_the_interval_lies_around_the_prediction_in_the_units_of_the_target(toy_folders: dict[str, Path]) -> None:
    """Rescaled in double."""
    bundle = Bundle.load(toy_folders["regression"])
    answer = bundle.predict(ROWS[:1])[0]
    interval, scale = bundle.signature.interval, bundle.signature.scale
    assert interval is not None
    assert scale is not None
    assert answer["interval"] == [answer["prediction"] + interval.low, answer["prediction"] + interval.high]
    frame, _ = bundle.decoder.decode_rows(ROWS[:1])
    graph = bundle._graph.run(pack(frame, bundle.signature.layout))[-1]
    assert answer["prediction"] == float(graph[0, 0]) * scale.std + scale.mean


def test_text_and_json_spellings_of_a_row_get_the_same_answer(bundle: Bundle) -> None:
    """What a CSV file says, JSON says too."""
    as_json = {"age": 41, "income": 52000.5, "job": "nurse", "member": True, "joined": "2019-03-01", "id": 17}
    as_text = {
        "age": "41",
        "income": " 52000.50",
        "job": "nurse ",
        "member": "True",
        "joined": "2019-03-01",
        "id": "17",
    }
    assert same(bundle.predict([as_json]), bundle.predict([as_text]))


def test_the_target_and_other_columns_of_the_data_set_may_be_sent(binary: Bundle) -> None:
    """They are ignored, whatever they hold."""
    plain = {"age": 41, "job": "nurse"}
    assert same(binary.predict([{**plain, "bought": ["anything"]}]), binary.predict([plain]))


@pytest.mark.parametrize(
    ("row", "code", "path", "told"),
    [
        ({"age": "old"}, "wrong-type", "rows[1].age", "'old' is not a number"),
        ({"age": True}, "wrong-type", "rows[1].age", "true is not a number"),
        ({"age": [41]}, "wrong-type", "rows[1].age", "an array"),
        ({"age": float("inf")}, "wrong-type", "rows[1].age", "finite"),
        ({"age": 10**400}, "out-of-range", "rows[1].age", "too large"),
        ({"job": {"a": 1}}, "wrong-type", "rows[1].job", "an object"),
        ({"joined": 5}, "wrong-type", "rows[1].joined", "the number 5"),
        ({"note": []}, "wrong-type", "rows[1].note", "not text"),
        ({"id": []}, "wrong-type", "rows[1].id", "identifier"),
        ({"agee": 1}, "unknown-field", "rows[1].agee", "write 'age'"),
        ("age=41", "bad-row", "rows[1]", "is a str"),
        (None, "bad-row", "rows[1]", "NoneType"),
    ],
)
def test_a_wrong_row_is_refused_with_its_path(binary: Bundle, row: Any, code: str, path: str, told: str) -> None:
    """By `check` and by `predict` alike; one wrong row refuses all."""
    for ask in (binary.check, binary.predict):
        with pytest.raises(RequestError) as caught:
            ask([ROWS[0], row, ROWS[1]])
        assert (caught.value.code, caught.value.path, caught.value.status) == (code, path, 400)
        assert told in str(caught.value)


def test_extra_fields_can_be_ignored(binary: Bundle) -> None:
    """By the caller, whatever the signature says."""
    assert same(binary.predict([{"age": 41, "colour": 3}], extra_fields="ignore"), binary.predict([{"age": 41}]))


def test_no_rows_get_no_answers(bundle: Bundle) -> None:
    """At both speeds."""
    assert bundle.predict([]) == []
    frame, _ = bundle.decoder.decode_rows([])
    assert len(bundle.predict_frame(frame)) == 0


def test_a_numpy_value_is_read_like_the_python_value(binary: Bundle) -> None:
    """Rows that come out of arrays need no conversion."""
    row = {"age": np.int64(41), "income": np.float32(52000.5), "job": np.str_("nurse"), "member": np.bool_(True)}
    assert same(binary.predict([row]), binary.predict([{"age": 41, "income": 52000.5, "job": "nurse", "member": True}]))
    with pytest.raises(RequestError):
        binary.predict([{"age": np.bool_(True)}])


def test_many_rows_are_answered_in_chunks_as_one_by_one(bundle: Bundle) -> None:
    """Also where a chunk ends; paths count from the first row of the request."""
    rows = list(ROWS) * 1500
    once = bundle.predict(ROWS)
    assert same(bundle.predict(rows)[8190:8196], (once * 1500)[8190:8196])
    with pytest.raises(RequestError, match=r"rows\[8995\]\.age"):
        bundle.predict([*rows[:8995], {"age": "old"}])


def test_a_frame_is_answered_bit_for_bit_like_its_rows(bundle: Bundle) -> None:
    """In chunks of any size."""
    frame, problems = bundle.decoder.decode_rows(ROWS)
    assert not problems
    expected = bundle.predict(ROWS)
    for chunk in (1, 4, 8192):
        answers = bundle.predict_frame(frame, chunk=chunk)
        assert same([answers.row(i) for i in range(len(answers))], expected)


ROW = st.fixed_dictionaries(
    {},
    optional={
        "age": st.one_of(st.none(), st.integers(0, 120), st.floats(allow_nan=False, allow_infinity=False)),
        "income": st.one_of(st.floats(-1e5, 1e6), st.just("?"), st.floats(0, 1e5).map(repr)),
        "job": st.one_of(st.none(), st.sampled_from(JOBS), st.text(max_size=5), st.integers(0, 9)),
        "member": st.one_of(st.booleans(), st.sampled_from(["TRUE", "false", "", "maybe"])),
        "joined": st.one_of(st.none(), st.datetimes().map(str)),
        "note": st.one_of(st.none(), st.text(max_size=20), st.just("Call  back")),
        "id": st.one_of(st.none(), st.integers(), st.text(max_size=3)),
    },
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=8))
def test_any_rows_get_the_same_bits_alone_together_and_as_a_frame(bundle: Bundle, rows: list[dict[str, Any]]) -> None:
    """Online equals batch, whatever else is in the batch."""
    together = bundle.predict(rows)
    assert same([bundle.predict([row])[0] for row in rows], together)
    frame, _ = bundle.decoder.decode_rows(rows)
    answers = bundle.predict_frame(frame, chunk=3)
    assert same([answers.row(i) for i in range(len(answers))], together)


def test_text_columns_of_a_batch_get_the_bits_of_its_rows(bundle: Bundle) -> None:
    """The bulk speed from dictionary-encoded text, with a column absent and one that the model does not know."""
    texts = [{"age": str(20 + i % 30), "job": JOBS[i % 3], "note": "call back" if i % 2 else None} for i in range(50)]
    columns = {name: EncodedColumn.of([row[name] for row in texts]) for name in ("age", "job", "note")}
    columns["colour"] = EncodedColumn.of(["red"] * 50)
    frame, problems = bundle.decoder.decode_columns(columns)
    assert not problems
    answers = bundle.predict_frame(frame)
    assert same([answers.row(i) for i in range(50)], bundle.predict(texts))


def test_an_absent_column_of_a_frame_is_all_missing(bundle: Bundle) -> None:
    """As an absent field of a row is."""
    frame = Frame({"age": np.array([41.0])}, {"age": Kind.NUMERIC})
    assert same(bundle.predict_frame(frame).row(0), bundle.predict([{"age": 41}])[0])


def test_a_frame_of_another_decoder_is_refused(bundle: Bundle) -> None:
    """Rather than read text as numbers."""
    with pytest.raises(SchemaMismatch, match="'age' is text"):
        bundle.predict_frame(Frame({"age": np.array(["41"], dtype=object)}, {"age": Kind.TEXT}))


def test_keys_are_read_as_answers_carry_them(binary: Bundle) -> None:
    """A label that comes back with JSON 17 finds the row that was sent as "17"."""
    assert binary.read_key(17) == binary.read_key(" 17") == binary.predict([{"id": "17"}])[0]["key"] == "17"


def test_the_self_test_passes_bit_for_bit_where_the_bundle_was_made(bundle: Bundle) -> None:
    """Exactly, and within the tolerance for other processors."""
    bundle.self_test(exact=True)
    bundle.self_test()


@pytest.mark.parametrize(
    ("factor", "exact", "fails"), [(1 + 1e-7, True, True), (1 + 1e-7, False, False), (1.01, False, True)]
)
def test_the_self_test_names_the_first_difference(
    tmp_path: Path, toy_folders: dict[str, Path], factor: float, exact: bool, fails: bool
) -> None:
    """The last bits may differ on another processor, more may not."""
    files = read_bundle(toy_folders["binary"]).files
    examples = json.loads(files["examples.json"])
    examples["answers"][0]["probabilities"]["yes"] *= factor
    write_bundle(tmp_path / "b", {**files, "examples.json": canonical_json(examples)}, audit_head="x")
    bundle = Bundle.load(tmp_path / "b")
    if not fails:
        return bundle.self_test(exact=exact)
    with pytest.raises(BundleError, match=r"answers\[0\]\.probabilities\.yes is 0\.97"):
        bundle.self_test(exact=exact)
    return None


def test_the_self_test_finds_another_model(tmp_path: Path, toy_folders: dict[str, Path]) -> None:
    """The graph of one version with the examples of another."""
    files = read_bundle(toy_folders["multiclass"]).files
    other = read_bundle(write_toy_bundle(tmp_path / "two", task="multiclass", version=2)).files
    write_bundle(tmp_path / "mixed", {**files, "graph.onnx": other["graph.onnx"]}, audit_head="x")
    with pytest.raises(BundleError, match="does not answer its own examples"):
        Bundle.load(tmp_path / "mixed").self_test()


def test_a_graph_that_does_not_fit_its_signature_is_refused(tmp_path: Path, toy_folders: dict[str, Path]) -> None:
    """At load, not at the first request; so is one that is no graph."""
    files = read_bundle(toy_folders["binary"]).files
    graph = read_bundle(toy_folders["regression"]).files["graph.onnx"]
    write_bundle(tmp_path / "mixed", {**files, "graph.onnx": graph}, audit_head="x")
    with pytest.raises(BundleError, match=r"does not fit signature\.json"):
        Bundle.load(tmp_path / "mixed")
    write_bundle(tmp_path / "none", {**files, "graph.onnx": b"not a graph"}, audit_head="x")
    with pytest.raises(BundleError, match="cannot be opened"):
        Bundle.load(tmp_path / "none")


@pytest.mark.parametrize("name", ["decoder.json", "signature.json"])
def test_newer_or_nonsensical_parts_are_refused(tmp_path: Path, toy_folders: dict[str, Path], name: str) -> None:
    """Though their digests are right."""
    files = read_bundle(toy_folders["binary"]).files
    for number, (contents, error) in enumerate(
        [(b'{"format":3}', NewerFormat), (b'{"format":1}', BundleError), (b"[]", BundleError), (b"\xff", BundleError)]
    ):
        write_bundle(tmp_path / str(number), {**files, name: contents}, audit_head="x")
        with pytest.raises(error):
            Bundle.load(tmp_path / str(number))


def test_a_signature_and_a_decoder_survive_their_stored_form(bundle: Bundle) -> None:
    """Everything that was declared comes back."""
    decoder, signature = toy_parts(str(bundle.signature.task))  # type: ignore[arg-type]
    assert (bundle.decoder, bundle.signature) == (decoder, signature)


def test_a_bundle_needs_nothing_but_numpy_and_onnxruntime(toy_folders: dict[str, Path]) -> None:
    """A fresh process that loads and predicts imports no other distribution and no other stage."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from penstock.bundle.runtime import Bundle\n"
        f"Bundle.load({str(toy_folders['binary'])!r}).self_test()\n"
        "names = {n.partition('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "own = {n for n in sys.modules if n.startswith('penstock.') and not n.startswith('penstock.bundle')}\n"
        "print(sorted(names), sorted(own))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    own = ["penstock.errors", "penstock.objects", "penstock.objects.digests"]
    assert shown.strip() == f"['numpy', 'onnxruntime', 'penstock'] {own}"
