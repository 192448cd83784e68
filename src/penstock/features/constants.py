"""Constants of a graph, made quickly.

spox finds out type and value of every node by ONNX's inference, in a small model of its own, twice, and of a constant once more by running
it. What a constant is, is known before: said at once it takes a tenth of the time, and graphs have more constants than anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from spox import Var

_KINDS = "biufU"  # of NumPy's types: others are left to spox


def const(value: Any) -> Var:
    """As ``op.const(value)``, to the same bytes of the graph.

    >>> str(const(np.array([1, 2], np.float32)).type)
    'float32[2]'
    """
    array = np.asarray(value)
    return _maker()(array) if array.dtype.kind in _KINDS else _slowly(array)


@cache
def _maker() -> Callable[[np.ndarray], Var]:
    """`_quickly`, where this release of spox is inside as that expects: it is tried once, and has to give what `_slowly` gives."""
    samples: list[np.ndarray] = [
        np.array([[0.5, -1.0]], np.float32),
        np.array(["a", "é"]),
        np.asarray(7),
        np.zeros(0, bool),
    ]
    for sample in samples:
        slowly = _slowly(sample)
        try:
            quickly = _quickly(sample)
            same = quickly.type == slowly.type and _written(quickly) == _written(slowly)
        except Exception:  # noqa: BLE001  # whatever another release does with its own names, its front door stays
            same = False
        if not same:
            return _slowly
    return _quickly


def _slowly(array: np.ndarray) -> Var:
    import spox.opset.ai.onnx.v21 as op

    return op.const(array)


def _quickly(array: np.ndarray) -> Var:
    import spox.opset.ai.onnx.v21 as op
    from spox import Tensor
    from spox._attributes import AttrTensor
    from spox._value_prop import PropValue

    if array.dtype.kind != "U":
        array = array.astype(np.dtype(array.dtype.name))  # of C's types of one size NumPy's usual one
    fields = dict.fromkeys(op._Constant.Attributes.__dataclass_fields__)
    fields["value"] = AttrTensor(array, "value")
    node = op._Constant(op._Constant.Attributes(**fields), op._Constant.Inputs(), infer_types=False)
    kind = Tensor(np.str_ if array.dtype.kind == "U" else array.dtype, array.shape)
    node.outputs.output.type = kind
    made: Any = node.outputs.into_vars({"output": PropValue(kind, array)}).output
    return made


def _written(constant: Var) -> bytes:
    """A graph that gives it in another shape, which asks for its value, too."""
    import spox
    import spox.opset.ai.onnx.v21 as op

    outputs = {"same": op.identity(constant), "flat": op.reshape(constant, op.const(np.array([-1])))}
    return spox.build({}, outputs).SerializeToString(deterministic=True)
