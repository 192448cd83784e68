"""The same graph for every other server: one row of named numbers in, the model's answer out. Needs numpy and onnxruntime."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

OUTPUTS = ["label", "probabilities", "novelty", "decision"]


class Graph:
    """The graph of a bundle, with one thread, as Penstock runs it."""

    def __init__(self, bundle: str | None = None) -> None:
        folder = Path(bundle or os.environ["BUNDLE"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(folder / "graph.onnx"), options)
        signature = json.loads((folder / "signature.json").read_bytes())
        self.names = [column["name"] for column in signature["columns"]]

    def rows(self, rows: list[dict[str, float]]) -> dict[str, Any]:
        """The answers to rows of named numbers."""
        return self.numbers([[row[name] for name in self.names] for row in rows])

    def numbers(self, numbers: Any) -> dict[str, Any]:
        """The answers to numbers, shape (n, columns)."""
        found = self.session.run(OUTPUTS, {"numbers": np.asarray(numbers, dtype=np.float32)})
        return {name: values.tolist() for name, values in zip(OUTPUTS, found, strict=True)}
