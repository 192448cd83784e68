"""The graph of a bundle: packed rows in, arrays out, by what the signature says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from penstock.bundle.graph import open_session
from penstock.bundle.signature import Signature
from penstock.errors import BundleError

_COMMON = ("decision", "novelty", "outside")
_CLASSIFICATION = (*_COMMON, "label", "probabilities")
_REGRESSION = (*_COMMON, "value")


class ModelGraph:
    """A graph that is open, and fits its signature.

    Attributes
    ----------
    run : packed inputs by name -> its outputs: decision, int64 (n,); novelty, float32 (n,); which columns lie outside of what was
        trained on, bool (n, columns); then label, int64 (n,) and probabilities, float32 (n, classes), or the value, float32 (n, 1).

    Raises
    ------
    BundleError : it cannot be opened, or takes and gives something else than `signature` says.
    """

    run: Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]

    def __init__(self, graph: bytes, signature: Signature, folder: Path) -> None:
        self._signature = signature
        outputs = _CLASSIFICATION if signature.task.is_classification else _REGRESSION
        try:
            session = open_session(graph)
        except Exception as error:  # onnxruntime's errors have no public base class
            raise BundleError(
                f"graph.onnx in the bundle {folder} cannot be opened",
                why=str(error),
                way_out="install a newer onnxruntime, or package the model again",
            ) from error
        takes = tuple(sorted(node.name for node in session.get_inputs()))
        gives = {node.name for node in session.get_outputs()}
        if takes != tuple(sorted(signature.layout.inputs)) or not gives.issuperset(outputs):
            raise BundleError(
                f"graph.onnx in the bundle {folder} does not fit signature.json",
                why=f"it takes {list(takes)} and gives {sorted(gives)}; "
                f"the signature needs {list(signature.layout.inputs)} and {sorted(outputs)}",
                way_out="package the model again",
            )
        self.run = partial(session.run, outputs)

    def no_rows(self) -> list[np.ndarray]:
        """Its outputs for no rows at all."""
        signature = self._signature
        common: list[np.ndarray] = [
            np.zeros(0, np.int64),
            np.zeros(0, np.float32),
            np.zeros((0, len(signature.columns)), dtype=bool),
        ]
        if signature.task.is_classification:
            return [*common, np.zeros(0, np.int64), np.zeros((0, len(signature.target.classes)), np.float32)]
        return [*common, np.zeros((0, 1), np.float32)]
