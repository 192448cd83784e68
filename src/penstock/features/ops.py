"""The operator sets of all graphs, and constants in the few types that they use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import spox.opset.ai.onnx.ml.v5 as ml
import spox.opset.ai.onnx.v21 as op

from penstock.features.constants import const

if TYPE_CHECKING:
    from spox import Var

__all__ = ["concat", "const", "floats", "ints", "ml", "op", "take", "texts"]


def floats(values: Any) -> Var:
    return const(np.asarray(values, dtype=np.float32))


def ints(values: Any) -> Var:
    return const(np.asarray(values, dtype=np.int64))


def texts(values: Any) -> Var:
    return const(np.asarray(values, dtype=np.str_))


def concat(blocks: list[Var]) -> Var:
    """Blocks (n, k1), (n, k2), ... side by side: (n, k1 + k2 + ...)."""
    return blocks[0] if len(blocks) == 1 else op.concat(blocks, axis=1)


def take(block: Var, columns: list[int], width: int) -> Var:
    """Some columns of a block (n, width), in order: (n, len(columns))."""
    if columns == list(range(width)):
        return block
    first, last = columns[0], columns[-1]
    if columns == list(range(first, last + 1)):
        return op.slice(block, ints([first]), ints([last + 1]), ints([1]))
    return op.gather(block, ints(columns), axis=1)
