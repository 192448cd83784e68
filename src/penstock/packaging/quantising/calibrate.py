"""How large the numbers become that each matrix of a graph is multiplied with, on rows like those that it will see."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.graph import open_session

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

    from penstock.packaging.quantising.weights import Weights

COVERED = 0.999
"""Share of rows whose largest number lies within the range; what is beyond is held at its end."""


def input_ranges(weights: Weights, feeds: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Name of each value that is multiplied with a constant matrix -> the largest |number| in nearly all rows; above 0.

    Values inside of loops are brought out as one number per round. Products in branches are left out.

    Parameters
    ----------
    feeds : packed inputs of training rows, at least one.
    """
    model = copy.deepcopy(weights.model)
    wanted = {p.node.input[0] for p in weights.products if not p.branch}
    watched = _watch(model.graph, wanted)
    if not watched:
        return {}
    session = open_session(model.SerializeToString())
    seen = session.run(list(watched.values()), dict(feeds))
    return {name: _reach(values) for name, values in zip(watched, seen, strict=True)}


def _reach(largest: np.ndarray) -> float:
    values = largest.astype(np.float64).ravel()
    values = values[np.isfinite(values)]
    reach = float(np.quantile(values, COVERED)) if len(values) else 0.0
    return reach if reach > 0 else 1.0  # of numbers that are all 0 any range will do


def _watch(graph: GraphProto, wanted: set[str]) -> dict[str, str]:
    """Have a graph put out the largest |number| of each row of the wanted values: their names -> those of the outputs."""
    import onnx

    watched: dict[str, str] = {}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "Loop":
            body = next(a.g for a in node.attribute if a.name == "body")
            for value, inner in _watch(body, wanted).items():
                _make_scalar(body, inner)
                outer = f"{inner}_of_loop"
                node.output.append(outer)
                watched[value] = outer
                graph.output.append(onnx.helper.make_tensor_value_info(outer, onnx.TensorProto.FLOAT, None))
        nodes.append(node)
    within = {name for node in nodes for name in node.output} | {value.name for value in graph.input}
    for value in sorted(wanted & within):
        found = f"greatest_of_{value}"
        axis = onnx.helper.make_node("Constant", [], [f"{found}_axis"], value_ints=[-1])
        size = onnx.helper.make_node("Abs", [value], [f"{found}_size"])
        narrow = onnx.helper.make_node("Cast", [f"{found}_size"], [f"{found}_narrow"], to=onnx.TensorProto.FLOAT)
        most = onnx.helper.make_node("ReduceMax", [f"{found}_narrow", f"{found}_axis"], [found], keepdims=0)
        nodes += [axis, size, narrow, most]
        graph.output.append(onnx.helper.make_tensor_value_info(found, onnx.TensorProto.FLOAT, None))
        watched[value] = found
    del graph.node[:]
    graph.node.extend(nodes)
    return watched


def _make_scalar(body: GraphProto, output: str) -> None:
    """A loop's outputs must have one shape in all rounds: the greatest of what is seen in a round."""
    import onnx

    inner = f"{output}_parts"
    for node in body.node:
        for i, name in enumerate(node.output):
            if name == output:
                node.output[i] = inner
    body.node.append(onnx.helper.make_node("ReduceMax", [inner], [output], keepdims=0))
