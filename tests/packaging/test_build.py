"""From a model to a bundle: the decision, the odd rows, the parity gate, the examples, what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.bundle.kinds import Kind
from penstock.bundle.runtime import Bundle
from penstock.errors import ParityError
from penstock.objects.digests import canonical_json as canonical

Cli = Callable[..., Any]
TASKS = ("binary", "multiclass", "regression")


@pytest.fixture(scope="module", params=TASKS)
def bundle(request: pytest.FixtureRequest, projects: Any) -> Bundle:
    """The bundle of a small project, for each task."""
    return Bundle.load(projects.made(request.param, "run") / "models/v1")


@pytest.fixture(scope="module")
def parts(projects: Any) -> dict[str, Any]:
    """What `build` takes, of the binary project."""
    from penstock.lifecycle.rows import Rows
    from penstock.lifecycle.stages import Context
    from penstock.packaging.novelty import fit_novelty
    from penstock.project.project import Project

    folder = projects.made("binary", "run")
    project = Project(folder)
    rows = Rows(Context(project), project.ledger.datasets.head("shop"), [])
    signature = Bundle.load(folder / "models/v1").signature
    [search] = project.ledger.runs("search")
    return {
        "model": project.objects.get(search.artifacts["model"]["digest"]),
        "decoder": rows.decoder,
        "signature": signature,
        "novelty": fit_novelty(rows.train[0], signature.layout, seed=0),
        "train": rows.train[0],
        "valid": rows.valid[0],
        "reference": lambda _: {"format": 1},
        "card": json.loads((folder / "models/v1/card.json").read_text(encoding="utf-8")),
        "audit_head": "head",
    }


def value_of(column: Any) -> st.SearchStrategy[Any]:
    """JSON values that a column takes: known, unknown, extreme, missing, as text."""
    from penstock.bundle.kinds import Kind

    numbers = st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-(2**53), 2**53),
        st.sampled_from(["1.5", " 7 ", "-0"]),
    )
    texts = st.one_of(st.text(max_size=20), st.sampled_from(["NaN", "0", "İstanbul", "👍🏽 ok", *(column.known or ())]))
    instants = st.one_of(st.just(column.example), st.sampled_from(["1969-12-31T23:59:59Z", "2024-02-29", "9999-12-31"]))
    kinds = {Kind.NUMERIC: numbers, Kind.DATETIME: instants}
    return st.none() | kinds.get(column.kind, texts)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_rows_are_answered_as_the_batch_that_holds_them(bundle: Bundle, data: st.DataObject) -> None:
    """Bit for bit, whatever the rows hold, for all three tasks."""
    row = st.fixed_dictionaries({}, optional={c.name: value_of(c) for c in bundle.signature.columns})
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    frame, _ = bundle.decoder.decode_rows(rows)
    bulk = bundle.predict_frame(frame)
    together = bundle.predict(rows)
    alone = [bundle.predict([one])[0] for one in rows]
    assert [canonical(a) for a in alone] == [canonical(a) for a in together]
    assert [canonical(a) for a in alone] == [canonical(bulk.row(i)) for i in range(len(rows))]


def test_examples_hold_no_row_of_the_data_set(bundle: Bundle, projects: Any) -> None:
    """Every field is drawn on its own: no training row has two of their fields side by side throughout."""
    from penstock.data.versions import load_part, load_version
    from penstock.project.project import Project

    task = bundle.signature.task.value
    project = Project(projects.made(task, "run"))
    version = load_version(project.objects, project.ledger.datasets.head("shop"))
    frame, _ = load_part(project.objects, version, "train")
    numbers = ["age", "net income"]
    seen = {tuple(float(frame[n][i]) for n in numbers) for i in range(len(frame))}
    rows = json.loads(bundle.read("examples.json"))["rows"]
    drawn = [tuple(float(row[n]) for n in numbers) for row in rows if all(row.get(n) is not None for n in numbers)]
    assert len(drawn) > 5
    assert not seen & set(drawn)


def test_examples_answer_themselves(bundle: Bundle) -> None:
    """The last one lacks every field."""
    bundle.self_test()
    assert json.loads(bundle.read("examples.json"))["rows"][-1] == {}


def test_the_signature_names_the_inputs_and_how_to_fill_them(bundle: Bundle) -> None:
    """Kinds, examples that are answered, and known categories; the key is no input."""
    columns = {column.name: column for column in bundle.signature.columns}
    assert "id" not in columns
    assert bundle.signature.key == "id"
    assert set(columns["member"].known or ()) == {"no", "yes"}
    assert columns["age"].known is None
    [answer] = bundle.predict([{name: column.example for name, column in columns.items()}])
    assert answer["missing"] == []
    assert answer["unknown"] == []


def test_the_card_says_what_a_person_must_know(bundle: Bundle) -> None:
    """Task, target, learner, data, quality against the baseline, gates, inputs, limits."""
    card = (bundle.folder / "card.md").read_text(encoding="utf-8")
    for said in (
        f"target `{bundle.signature.target.name}`",
        "linear on",
        "training",
        "95 % interval",
        "baseline",
        "passed:",
        "| `age` | numeric |",
        "What it knows about its limits",
        "after selection",
    ):
        assert said in card


def test_the_footprint_is_measured_without_a_training_library(bundle: Bundle) -> None:
    """`measure` itself refuses a runtime that loads one; figures are there and plausible."""
    from penstock.packaging.footprint import measure

    cost = measure(bundle.folder, rows=20)
    assert 0 < cost.latency_p50_ms <= cost.latency_p99_ms
    assert 0 < cost.size_mb < 10
    assert 20 < cost.memory_mb < 250, "its own, not that of the process that asked"


def test_a_graph_that_answers_otherwise_is_refused_and_nothing_is_written(
    parts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer graph of a model whose probabilities are turned round."""
    import onnx

    from penstock.packaging import build

    honest = build.answer_graph

    def wrong(model: bytes, *more: Any) -> bytes:
        return honest(turned_round(onnx.load_model_from_string(model)), *more)

    monkeypatch.setattr(build, "answer_graph", wrong)
    with pytest.raises(ParityError, match="the answer graph"):
        build.build(tmp_path / "bundle", **parts)
    assert not (tmp_path / "bundle").exists()


def turned_round(graph: Any) -> bytes:
    """A binary model that says 1 - p."""
    import spox.opset.ai.onnx.v21 as op
    from spox import Tensor, argument, build, inline

    kinds = {1: np.float32, 7: np.int64, 8: np.str_}
    inputs = {}
    for value in graph.graph.input:
        tensor = value.type.tensor_type
        shape = tuple(d.dim_param or d.dim_value for d in tensor.shape.dim)
        inputs[value.name] = argument(Tensor(kinds[tensor.elem_type], shape))
    scores = inline(graph)(**inputs)["probabilities"]
    turned: bytes = build(inputs, {"probabilities": op.sub(op.const(np.float32(1)), scores)}).SerializeToString()
    return turned


def rule(parts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The parts with another decision rule."""
    from dataclasses import replace

    signature = parts["signature"]
    return {**parts, "signature": replace(signature, decision=replace(signature.decision, **changes))}


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.9, 1.0])
def test_the_label_follows_the_threshold(parts: dict[str, Any], tmp_path: Path, threshold: float) -> None:
    """At or above it, the positive class."""
    from penstock.packaging.build import build

    bundle = build(tmp_path / "bundle", **rule(parts, threshold=threshold)).bundle
    answers = bundle.predict_frame(parts["valid"])
    assert answers.probabilities is not None
    expected = answers.probabilities[:, 1].astype(np.float32) >= np.float32(threshold)
    np.testing.assert_array_equal(answers.label == 1, expected)


def test_it_abstains_below_its_confidence(parts: dict[str, Any], tmp_path: Path) -> None:
    """Confidence is the probability of the label that it would give."""
    from penstock.bundle.answers import LOW_CONFIDENCE
    from penstock.packaging.build import build

    bundle = build(tmp_path / "bundle", **rule(parts, abstain_below=0.8)).bundle
    answers = bundle.predict_frame(parts["valid"])
    assert answers.probabilities is not None
    chosen = np.take_along_axis(answers.probabilities, answers.label[:, None], axis=1)[:, 0]
    unsure = chosen.astype(np.float32) < np.float32(0.8)
    assert 0.02 < unsure.mean() < 0.98
    np.testing.assert_array_equal(answers.decision == LOW_CONFIDENCE, unsure)
    withheld = answers.row(int(np.flatnonzero(unsure)[0]))
    assert withheld["prediction"] is None
    assert withheld["decision"] == "abstain"
    assert withheld["withheld"]["prediction"] in ("no", "yes")


def test_it_abstains_on_what_it_has_not_seen(parts: dict[str, Any], tmp_path: Path) -> None:
    """Novelty above its limit; the reason says so, and outranks low confidence."""
    from penstock.bundle.answers import NOVEL
    from penstock.packaging.build import build

    limit = 0.0
    bundle = build(
        tmp_path / "bundle", **rule(parts, abstain_when_novel=True, novelty_limit=limit, abstain_below=0.999)
    ).bundle
    answers = bundle.predict_frame(parts["valid"])
    np.testing.assert_array_equal(answers.decision == NOVEL, answers.novelty > np.float32(limit))
    assert (answers.decision == NOVEL).any()


def test_odd_rows_hold_what_breaks_naive_graphs(parts: dict[str, Any]) -> None:
    """A row without anything, neighbours of seen numbers, extremes, unknown and foreign texts, early and late instants."""
    from penstock.bundle.kinds import MISSING_TIME
    from penstock.packaging.odd_rows import odd_rows

    names = [column.name for column in parts["signature"].columns]
    seen = parts["train"].select(names)
    odd = odd_rows(seen)
    assert all(odd.missing(name)[0] for name in names)
    ages = seen["age"][~np.isnan(seen["age"])].astype(np.float32)
    neighbours = {float(np.nextafter(a, side, dtype=np.float32)) for a in ages for side in (-np.inf, np.inf)}
    assert len(neighbours & {float(a) for a in odd["age"]}) > 10
    assert np.abs(odd["age"][~np.isnan(odd["age"])]).max() > 1e38
    assert {"", "привет мир", "👍🏽 ok"} & {value for value in odd["job"] if value is not None}
    assert MISSING_TIME in odd["joined"]
    assert len(odd) == 256


def test_odd_rows_of_numbers_beyond_float32_are_numbers() -> None:
    """1e300 has no neighbour there, and an infinite one could not be sent."""
    from penstock.bundle.frame import Frame
    from penstock.packaging.odd_rows import odd_rows

    seen = Frame({"a": np.array([1e300, -1e308, 3.4028235e38, 1.0] * 50)}, {"a": Kind.NUMERIC})
    with np.errstate(over="raise"):
        odd = odd_rows(seen)["a"]
    assert not np.isinf(odd).any()
    assert {1e300, -1e308} <= set(odd.tolist())


def test_odd_rows_are_the_same_for_the_same_seed(parts: dict[str, Any]) -> None:
    """What a parity gate found can be found again."""
    from penstock.packaging.odd_rows import odd_rows

    first, second = (odd_rows(parts["train"], n=50, seed=4) for _ in range(2))
    for name, values in first.columns.items():
        np.testing.assert_array_equal(values, second[name])


def test_the_same_parts_give_the_same_bytes(parts: dict[str, Any], tmp_path: Path) -> None:
    """So that `reproduce` can compare digests."""
    from penstock.packaging.build import build

    assert build(tmp_path / "a", **parts).bundle.digest == build(tmp_path / "b", **parts).bundle.digest
