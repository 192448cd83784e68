"""Which ONNX operators each built-in step, learner and form of weights writes, and who lacks them: the tables of edge.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from penstock import parts
from penstock.bundle.kinds import Task
from penstock.features.duties import forms_of, model, odd_columns
from penstock.features.step import GROUP, Target
from penstock.learning.learner import Shape
from penstock.packaging.quantising.forms import FORMS
from penstock.packaging.quantising.weights import find_weights, graphs

_CORE_ML = """
    Add ArgMax AveragePool Cast Ceil Clip Concat Constant Conv ConvTranspose Cos DepthToSpace Div Elu Erf Exp GatherND Gelu Gemm
    GlobalAveragePool GlobalMaxPool GridSample GroupNormalization HardSigmoid Identity InstanceNormalization LayerNormalization LeakyRelu
    MatMul Max MaxPool Mul PRelu Pow Range Reciprocal ReduceMax ReduceMean ReduceSum Relu Reshape Resize Round Shape Sigmoid Sin Slice
    Softmax Softplus Split Sqrt Squeeze Sub Tanh Tile Transpose Unsqueeze
"""
CORE_ML = frozenset(_CORE_ML.split())
"""What onnxruntime's Core ML provider takes as an ML program (onnxruntime, coreml_supported_mlprogram_ops.md). The rest runs on the
processor."""
LACKED = {
    "TensorFlow Lite": frozenset({"Loop", "RegexFullMatch", "Scan", "StringConcat", "StringSplit", "TfIdfVectorizer"}),
    "TensorRT": frozenset(
        {"MatMulInteger", "RegexFullMatch", "StringConcat", "StringSplit", "TfIdfVectorizer", "Unique"}
    ),
}
"""Operators of `ai.onnx` that onnx2tf (README, "Supported layers") and TensorRT's parser (onnx-tensorrt, operators.md) do not take. Neither
takes any of `ai.onnx.ml`."""


def steps_table() -> str:
    """Each step, with the operators of every form in which it may be written."""
    rows = [(f"`{name}`", operators_of_step(name)) for name in sorted(parts.BUILT_IN[GROUP])]
    return table("step", rows)


def learners_table() -> str:
    """Each learner behind the calibration that it may get; then what every graph has."""
    rows = [(f"`{name}`", operators_of_learner(name)) for name in sorted(parts.BUILT_IN["penstock.learners"])]
    return table("learner", rows)


def forms_table() -> str:
    """What each form of weights brings with it."""
    lines = ["| form | is | operators it adds |", "|---|---|---|"]
    plain = set(operators(_layer()))
    for name, form in FORMS.items():
        weights = find_weights(_layer())
        ranges = {product.node.input[0]: 1.0 for product in weights.products}
        added = sorted(set(operators(form.apply(weights, ranges))) - plain)
        lines.append(f"| `{name}` | {form.says} | {', '.join(f'`{one}`' for one in added)} |")
    return "\n".join(lines)


def table(what: str, rows: Iterable[tuple[str, set[str]]]) -> str:
    """A row for each part: its operators, and those that each runtime lacks."""
    others = list(LACKED)
    lines = [
        f"| {what} | operators | not in Core ML | {' | '.join(f'not in {o}' for o in others)} |",
        "|---|---|---|" + "---|" * len(others),
    ]
    for name, found in rows:
        own = {one for one in found if "." in one}
        cells = [found, own | (found - own - CORE_ML), *(own | (found & LACKED[o]) for o in others)]
        lines.append(f"| {name} | {' | '.join(_listed(cell) for cell in cells)} |")
    return "\n".join(lines)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "–"


def operators(graph: bytes) -> Iterator[str]:
    """The operators of a graph, those in loops and branches too; those outside of `ai.onnx` with their domain.

    What only names values (`Constant`, `Identity`) is not told.
    """
    import onnx

    for inner, _ in graphs(onnx.load_model_from_string(graph).graph):
        for node in inner.node:
            if node.op_type not in ("Constant", "Identity"):
                yield node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def operators_of_step(name: str) -> set[str]:
    """Of a step with its defaults, fitted on odd values of each form that it takes."""
    if name == "embed":
        return _of_sentences()
    step = parts.load(GROUP, name)()
    found: set[str] = set()
    for form in forms_of(step):
        inputs = [odd_columns(form, seed=10 + i) for i in range(step.arity)]
        fitted = step.fit(inputs, Target(np.arange(len(inputs[0])) % 2, Task.BINARY), seed=7)
        if fitted.names:  # a step that selects may keep none of these columns
            found |= set(operators(model(fitted, inputs)))
    return found


def operators_of_learner(name: str) -> set[str]:
    """Of a learner on each of its tasks, with the ways in which probabilities are calibrated."""
    import spox

    from penstock.learning.calibrate import LogOddsCalibration, TemperatureCalibration

    learner = parts.load("penstock.learners", name)()
    rng = np.random.default_rng(0)
    X = rng.normal(0, 1, (60, 3)).astype(np.float32)
    found: set[str] = set()
    for task in sorted(learner.tasks):
        n_classes = {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 0}[task]
        y: np.ndarray = X[:, 0].astype(np.float64) if n_classes == 0 else np.arange(60) % n_classes
        fitted = learner.fit(X, y, shape=Shape(60, 3, task, n_classes), params={})
        x = spox.argument(spox.Tensor(np.float32, ("n", 3)))
        answer: Any = fitted.emit(x)
        if task is Task.BINARY:
            answer = LogOddsCalibration((-5.0, 5.0), (1.0,), 0.1).emit(answer)
        elif task is Task.MULTICLASS:
            answer = TemperatureCalibration(1.5).emit(answer)
        found |= set(operators(spox.build({"x": x}, {"y": answer}).SerializeToString()))
    return found


def _of_sentences() -> set[str]:
    """Of `embed` with a BERT model, the smallest one that there can be."""
    from tempfile import TemporaryDirectory

    from penstock.features.steps.embed import Embed
    from penstock.testing.tiny_sentences import bert_folder

    with TemporaryDirectory() as scratch:
        step = Embed(model=str(bert_folder(Path(scratch) / "bert")))
        inputs = [odd_columns(form) for form in forms_of(step)]
        return set(operators(model(step.fit(inputs, None, seed=0), inputs)))


def _layer() -> bytes:
    """A matrix and a table, both large enough to be quantised."""
    import spox.opset.ai.onnx.v21 as op
    from spox import Tensor, argument, build

    x = argument(Tensor(np.int64, ("n",)))
    rows = op.gather(op.const(np.ones((64, 32), np.float32)), x, axis=0)
    y = op.matmul(rows, op.const(np.ones((32, 64), np.float32)))
    data: bytes = build({"x": x}, {"y": y}).SerializeToString()
    return data
