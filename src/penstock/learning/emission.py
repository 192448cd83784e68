"""Small pieces of graph that several learners share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.features.constants import const

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
        scores = op.mul(scores, const(np.array([[0.0, 1.0]], np.float32)))
    return op.softmax(scores, axis=1)


def logarithm(x: Var) -> Var:
    """The natural logarithm of float32 (n, k), with the same bits for a row alone and within a batch.

    ONNX Runtime's Log takes up to 16 values at once and what is left over by another routine, one bit away. Here every value
    leads a block of 16 of its own.
    """
    import spox.opset.ai.onnx.v21 as op

    blocks = op.mul(op.unsqueeze(x, const(np.array([2]))), const(np.ones((1, 1, 16), np.float32)))  # (n, k, 16)
    return op.gather(op.log(blocks), const(np.int64(0)), axis=2)
