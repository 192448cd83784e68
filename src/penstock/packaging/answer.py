"""The answer graph: model, novelty and the decision rule in one ONNX graph.

Outputs: classification `probabilities` float32 (n, K) and `label` int64 (n,); regression `value` float32 (n, 1), the
standardised target; both `novelty` float32 (n,), `outside` bool (n, columns) and `decision` int64 (n,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.answers import LOW_CONFIDENCE, NOVEL
from penstock.bundle.kinds import Task
from penstock.bundle.packing import Layout
from penstock.bundle.signature import DecisionRule
from penstock.features.constants import const

if TYPE_CHECKING:
    from spox import Var

    from penstock.packaging.novelty import FittedNovelty


def answer_graph(model: bytes, layout: Layout, task: Task, novelty: FittedNovelty, rule: DecisionRule) -> bytes:
    """Add novelty and decision to a model graph.

    Parameters
    ----------
    model : ONNX bytes, packed inputs -> `probabilities` or `value`.
    layout : the packed inputs of `model`; the novelty score reads the same.
    """
    import onnx
    import spox.opset.ai.onnx.v21 as op
    from spox import build, inline

    inputs = packed_arguments(layout)
    graph = onnx.load_model_from_string(model)
    scores = inline(graph)(**{i.name: inputs[i.name] for i in graph.graph.input})
    score, outside = novelty.emit(inputs)
    outputs: dict[str, Var] = {"novelty": score, "outside": outside}
    decision = op.cast(const(np.zeros(1, np.int64)), to=np.int64)
    decision = op.expand(decision, op.shape(score))
    if task.is_classification:
        probabilities = scores["probabilities"]
        outputs["probabilities"] = probabilities
        outputs["label"] = label = _label(probabilities, task, rule.threshold)
        if rule.abstain_below is not None:
            chosen = op.gather_elements(probabilities, op.unsqueeze(label, const(np.array([1]))), axis=1)  # (n, 1)
            unsure = op.less(op.squeeze(chosen, const(np.array([1]))), const(np.float32(rule.abstain_below)))
            decision = op.where(unsure, const(np.int64(LOW_CONFIDENCE)), decision)
    else:
        outputs["value"] = scores["value"]
    if rule.abstain_when_novel:
        novel = op.greater(score, const(np.float32(rule.novelty_limit)))
        decision = op.where(novel, const(np.int64(NOVEL)), decision)
    outputs["decision"] = decision
    return build({name: inputs[name] for name in inputs}, outputs).SerializeToString(deterministic=True)


def packed_arguments(layout: Layout) -> dict[str, Var]:
    """The graph's inputs, one per type, only those that the layout needs."""
    from spox import Tensor, argument

    kinds = {"numbers": np.float32, "strings": np.str_, "times": np.int64}
    return {name: argument(Tensor(kinds[name], ("N", len(layout.slots(name))))) for name in layout.inputs}


def _label(probabilities: Var, task: Task, threshold: float | None) -> Var:
    import spox.opset.ai.onnx.v21 as op

    if task is Task.BINARY and threshold is not None:
        positive = op.gather(probabilities, const(np.int64(1)), axis=1)  # (n,)
        return op.cast(op.greater_or_equal(positive, const(np.float32(threshold))), to=np.int64)
    return op.arg_max(probabilities, axis=1, keepdims=0)
