"""A small bundle written by hand: for the tests of everything that loads, serves or copies bundles.

Columns: age and income (numeric), job (categorical), member (binary, true or false), joined (datetime), note (text),
id (identifier, the key). The model abstains when age is outside [18, 90] or income outside [0, 200000] ("novel"), and when
its largest probability is below 0.6 ("low confidence").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import spox.opset.ai.onnx.ml.v3 as ml
import spox.opset.ai.onnx.v21 as op
from spox import Tensor, Var, argument, build

from penstock.bundle.decoder import ColumnSpec, Decoder, TargetSpec
from penstock.bundle.format import write_bundle
from penstock.bundle.history import History, Past
from penstock.bundle.kinds import MISSING_TIME, Kind, Task
from penstock.bundle.packing import Layout
from penstock.bundle.runtime import Bundle
from penstock.bundle.signature import DecisionRule, InputColumn, Interval, Scale, Signature, WhenMissing
from penstock.objects.digests import canonical_json
from penstock.packaging.fallback import is_answered

ToyTask = Literal["binary", "multiclass", "regression"]

JOBS = ("admin.", "nurse", "pilot")
ROWS: tuple[dict[str, Any], ...] = (
    {
        "age": 41,
        "income": 52000.5,
        "job": "nurse",
        "member": True,
        "joined": "2019-03-01",
        "note": "Call back!",
        "id": 17,
    },
    {"age": 33, "income": None, "job": "astronaut", "member": False, "joined": "2020-02-29T10:00:00Z", "note": ""},
    {"age": 150, "income": 1e6, "job": "pilot", "member": "TRUE", "joined": None, "note": "Rückruf später"},
    {"age": "27", "income": "30000", "job": " admin. ", "id": "b-2"},
    {"age": 30, "income": 20000, "job": "pilot", "member": False},
    {},
)
"""Rows that the toy bundle takes: full, with unknown and missing values, novel, as text, empty."""

_SPECS = (
    ColumnSpec("id", Kind.IDENTIFIER),
    ColumnSpec("age", Kind.NUMERIC),
    ColumnSpec("income", Kind.NUMERIC, missing=("?",)),
    ColumnSpec("job", Kind.CATEGORICAL, missing=("unknown",)),
    ColumnSpec("member", Kind.BINARY, boolean_text=True),
    ColumnSpec("joined", Kind.DATETIME, formats=("iso",)),
    ColumnSpec("note", Kind.TEXT),
)
_TARGETS = {
    "binary": TargetSpec("bought", Task.BINARY, ("no", "yes")),
    "multiclass": TargetSpec("grade", Task.MULTICLASS, (1, 2, 3)),
    "regression": TargetSpec("price", Task.REGRESSION),
}
_YEAR = 365 * 86_400_000_000  # microseconds


def write_toy_bundle(
    folder: Path,
    *,
    task: ToyTask = "binary",
    version: int = 1,
    looks_back: bool = False,
    toil: int = 0,
    late: bool = False,
    missing: Mapping[str, WhenMissing] | None = None,
    offsets: Mapping[str, float] | None = None,
) -> Path:
    """Write the toy bundle; another version is another model (other weights), with another digest.

    Parameters
    ----------
    looks_back : its income is a column of the history: the mean age of those with the same job who joined earlier.
    toil : so many products of matrices of 512 x 512 are worked out with each execution, whatever its rows, and come to nothing:
        some 5 ms each.
    late : a fallback answers where the model would be too late: the same with half the weights, and without toil.
    missing : what becomes of rows that lack a field. The fallback of those that say so has neither age nor income, nor novelty.
    offsets : what is subtracted of age and income before the graph, which adds it again.

    Returns
    -------
    Path : the folder, which holds the bundle.
    """
    decoder, signature = toy_parts(task)
    if looks_back:
        past = Past("income", "mean", "joined", ("job",), "age", rows=5)
        decoder = replace(decoder, history=History((past,), tuple(decoder.spec(name) for name in past.needs)))
    signature = replace(signature, missing=missing or {}, layout=signature.layout.with_offsets(offsets or {}))
    files = {
        "decoder.json": canonical_json(decoder.to_json()),
        "signature.json": canonical_json(signature.to_json()),
        "graph.onnx": _graph(signature, slope=1.0 + 0.25 * (version - 1), toil=toil),
        "examples.json": canonical_json({"format": 1, "rows": [], "answers": []}),
        "reference.json": canonical_json({"format": 1, "rows": 0, "columns": {}}),
        "card.json": canonical_json({"format": 1, "model": signature.model, "version": version}),
        "card.md": f"# {signature.model} {version}\n\nA toy.\n".encode(),
    }
    instead = {"late": replace(signature, missing={})} if late else {}
    if signature.fields_that("fallback"):
        instead["missing"] = _without_numbers(signature)
    for why, its in instead.items():
        files[f"fallback-{why}.onnx"] = _graph(its, slope=0.5)
        files[f"fallback-{why}.json"] = canonical_json({"format": 1, "signature": its.to_json(), "answers": []})
    draft = Path(folder).parent / f".{Path(folder).name}.examples"
    write_bundle(draft, files, audit_head="toy")
    bundle = Bundle.load(draft)
    rows = [row for row in ROWS if is_answered(bundle, row)]
    answers = bundle.predict(rows)
    for why, its in instead.items():
        plain = {"format": 1, "signature": its.to_json(), "answers": bundle.fallbacks[why].predict(rows)}
        files[f"fallback-{why}.json"] = canonical_json(plain)
    for file in draft.iterdir():
        file.unlink()
    draft.rmdir()
    files["examples.json"] = canonical_json({"format": 1, "rows": rows, "answers": answers})
    write_bundle(folder, files, audit_head="toy")
    return Path(folder)


def toy_parts(task: ToyTask) -> tuple[Decoder, Signature]:
    """The decoder and the signature of the toy bundle."""
    target = _TARGETS[task]
    inputs = _SPECS[1:]
    examples = (41, 52000.5, "nurse", "true", "2019-03-01", "Call back!")
    known = (None, None, JOBS, ("false", "true"), None, None)
    regression = task == "regression"
    signature = Signature(
        model="toy",
        task=target.task,
        target=target,
        layout=Layout.of(inputs),
        columns=tuple(
            InputColumn(spec.name, spec.kind, example, values)
            for spec, example, values in zip(inputs, examples, known, strict=True)
        ),
        key="id",
        decision=DecisionRule(
            threshold=0.5 if task == "binary" else None,
            abstain_below=None if regression else 0.6,
            novelty_limit=0.75,
            abstain_when_novel=True,
        ),
        scale=Scale(mean=250_000.25, std=1234.5) if regression else None,
        interval=Interval(coverage=0.9, low=-2000.1, high=2500.7) if regression else None,
        goal_metric="r2" if regression else "accuracy",
    )
    return Decoder(_SPECS, target), signature


def _without_numbers(signature: Signature) -> Signature:
    """What a model takes that does without age and income."""
    columns = tuple(column for column in signature.columns if column.kind is not Kind.NUMERIC)
    return replace(signature, layout=replace(signature.layout, numbers=(), offsets=()), columns=columns, missing={})


def _graph(signature: Signature, *, slope: float, toil: int = 0) -> bytes:
    inputs = {
        "strings": argument(Tensor(np.str_, ("n", 3))),
        "times": argument(Tensor(np.int64, ("n", 1))),
    }
    if signature.layout.numbers:
        inputs = {"numbers": argument(Tensor(np.float32, ("n", 2))), **inputs}
        given = inputs["numbers"]
        if signature.layout.subtracted is not None:
            given = op.add(given, op.const(signature.layout.subtracted.astype(np.float32)))
        numbers, outside = _numbers(given)
    else:
        years = _years(inputs["times"])
        numbers = op.mul(op.concat([years, years], axis=1), _float32(0.0))
        outside = op.less(op.concat([years] * 4, axis=1), _float32(-np.inf))
    features = op.concat([numbers, _strings(inputs["strings"]), _years(inputs["times"])], axis=1)  # (n, 6)
    novel = op.reduce_max(op.cast(outside, to=np.float32), _int64([1]), keepdims=0)  # (n,)
    novelty = op.add(op.mul(novel, _float32(0.5)), _float32(0.4))
    if toil:
        novelty = op.add(novelty, _nothing(features, toil))
    is_novel = op.greater(novelty, _float32(signature.decision.novelty_limit))
    outputs: dict[str, Var] = {"novelty": novelty, "outside": outside}
    certain = op.const(np.array(0, dtype=np.int64))
    if signature.task is Task.REGRESSION:
        outputs["value"] = op.matmul(features, _weights(1, slope))
        decision = op.where(is_novel, op.const(np.array(2, dtype=np.int64)), certain)
    else:
        n_classes = len(signature.target.classes)
        scores = op.matmul(features, _weights(n_classes, slope))
        probabilities = op.softmax(scores, axis=1)
        confidence = op.reduce_max(probabilities, _int64([1]), keepdims=0)
        unsure = op.less(confidence, _float32(signature.decision.abstain_below or 0.0))
        decision = op.where(unsure, op.const(np.array(1, dtype=np.int64)), certain)
        decision = op.where(is_novel, op.const(np.array(2, dtype=np.int64)), decision)
        outputs["probabilities"] = probabilities
        outputs["label"] = op.arg_max(probabilities, axis=1, keepdims=0)
    outputs["decision"] = decision
    return build(inputs, outputs).SerializeToString()


def _numbers(numbers: Var) -> tuple[Var, Var]:
    """Imputed and scaled numbers (n, 2), and which of the six inputs lies outside its range (n, 6)."""
    low, high = op.const(np.array([18, 0], np.float32)), op.const(np.array([90, 200_000], np.float32))
    out = op.or_(op.less(numbers, low), op.greater(numbers, high))
    never = op.greater(
        op.concat([numbers, numbers], axis=1), op.const(np.full(4, np.inf, np.float32))
    )  # strings and times are never outside here
    middle, spread = op.const(np.array([40, 50_000], np.float32)), op.const(np.array([10, 20_000], np.float32))
    filled = op.where(op.isnan(numbers), middle, numbers)
    scaled = op.div(op.sub(op.clip(filled, _float32(-1e6), _float32(1e6)), middle), spread)
    return scaled, op.concat([out, never], axis=1)


def _strings(strings: Var) -> Var:
    """job, member and note as numbers (n, 3); anything unknown is 0."""
    job, member, note = op.split(strings, num_outputs=3, axis=1)
    return op.concat(
        [
            ml.label_encoder(job, keys_strings=list(JOBS), values_floats=[-1.0, 0.5, 1.0], default_float=0.0),
            ml.label_encoder(member, keys_strings=["true"], values_floats=[1.0], default_float=0.0),
            ml.label_encoder(
                note, keys_strings=["call back", "rückruf später"], values_floats=[1.0, -1.0], default_float=0.0
            ),
        ],
        axis=1,
    )


def _years(times: Var) -> Var:
    """Years before 2025, as float32 (n, 1); 0 where missing."""
    absent = op.equal(times, _int64([MISSING_TIME]))
    since = op.sub(_int64([55 * _YEAR]), op.where(absent, _int64([55 * _YEAR]), times))
    return op.div(op.cast(op.div(since, _int64([_YEAR // 365])), to=np.float32), _float32(365.0))


def _nothing(features: Var, toil: int) -> Var:
    """0, after a while. It depends on the rows, so that no optimiser works it out beforehand."""
    side = 512
    of_rows = op.mul(op.reduce_max(features, keepdims=0), _float32(0.0))
    rotation = np.roll(np.eye(side, dtype=np.float32), 1, axis=1)
    matrix = op.add(op.const(rotation), of_rows)
    for _ in range(toil):
        matrix = op.matmul(matrix, op.const(rotation))
    return op.mul(op.reduce_max(matrix, keepdims=0), _float32(0.0))


def _weights(n_outputs: int, slope: float) -> Var:
    one = np.array([0.7, 0.4, 0.9, 0.6, 0.3, 0.05]) * slope
    columns = [one * (-1.0) ** (k + 1) / (1 + k // 2) for k in range(n_outputs)]
    return op.const(np.stack(columns, axis=1).astype(np.float32))  # (6, n_outputs)


def _float32(value: float) -> Var:
    return op.const(np.array(value, dtype=np.float32))


def _int64(values: list[int]) -> Var:
    return op.const(np.array(values, dtype=np.int64))
