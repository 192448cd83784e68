"""Small pieces of graph that several learners share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spox import Var


def probabilities(scores: Var) -> Var:
    """Class probabilities from scores (n, K); from log-odds of the second class (n, 1) where there are two.

    Two classes also go through a softmax, not through ``1 - p``: both probabilities then keep their relative precision,
    which calibration on log-odds needs.
    """
    import spox.opset.ai.onnx.v21 as op

    shape = scores.unwrap_tensor().shape
    if shape is not None and shape[1] == 1:
        scores = op.mul(scores, op.const(np.array([[0.0, 1.0]], np.float32)))
    return op.softmax(scores, axis=1)
