"""What goes on inside a graph: the values between its inputs and its outputs, for one look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Inside:
    """All values of a graph for some rows, by the graph's own names, in the order in which they are worked out.

    Attributes
    ----------
    values : without those of constants; names of inputs are among them.
    """

    values: Mapping[str, np.ndarray]

    def equal_to(self, wanted: np.ndarray) -> str | None:
        """The first value with exactly these bits; None where there is none."""
        for name, value in self.values.items():
            same = value.shape == wanted.shape and value.dtype.kind == wanted.dtype.kind
            if same and (value.tobytes() == wanted.tobytes() if value.dtype.kind != "O" else (value == wanted).all()):
                return name
        return None

    def shaped(self, like: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """The values of a shape and type, in order."""
        return [(name, v) for name, v in self.values.items() if v.shape == like.shape and v.dtype == like.dtype]


def look_inside(graph: bytes, feeds: Mapping[str, np.ndarray]) -> Inside:
    """Run a graph and keep everything.

    It is run without optimisation, so that every value is there. The outputs are those of the graph as it is served: its operators are
    the same, in the same order.
    """
    import onnx
    import onnxruntime

    model = onnx.load_model_from_string(graph)
    constants = {name for node in model.graph.node if node.op_type == "Constant" for name in node.output}
    own = [output.name for output in model.graph.output]
    between = [
        name for node in model.graph.node for name in node.output if name and name not in constants and name not in own
    ]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in between)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[Any] = session.run([*between, *own], dict(feeds))
    made = dict(zip([*between, *own], found, strict=True))
    return Inside({**feeds, **{name: value for name, value in made.items() if isinstance(value, np.ndarray)}})
