"""Constants that are made quickly are those that spox makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spox
import spox.opset.ai.onnx.v21 as op

from penstock.features import constants
from penstock.features.constants import const

VALUES: list[Any] = [
    1, 2.5, True, "ä", [1, 2], [], ["a", ""], np.float32(0.1), np.float16([1, 2]), np.zeros((2, 0, 3)), np.array([np.nan, np.inf]),
    np.array([[True], [False]]), np.arange(6, dtype=np.int32)[::2], np.array(3, np.longlong), np.array([], np.str_), np.uint8([255]),
    np.arange(6.0).reshape(2, 3).T,
]  # fmt: skip


def written(constant: spox.Var) -> bytes:
    """A graph in which its value decides over a shape, where it can."""
    outputs = {"same": op.identity(constant)}
    if constant.unwrap_tensor().dtype == np.int64 and len(constant.unwrap_tensor().shape or ()) == 1:
        outputs["shaped"] = op.constant_of_shape(constant)
    return spox.build({}, outputs).SerializeToString(deterministic=True)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_constant_is_the_one_that_spox_makes(value: Any) -> None:
    """Its type, and every byte of a graph with it."""
    assert constants._maker() is constants._quickly, "this release of spox is not what it was written for"
    quickly, slowly = const(value), op.const(value)
    assert quickly.type == slowly.type
    assert written(quickly) == written(slowly)


def test_another_release_of_spox_makes_them_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its inside is another one, or gives something else."""

    def broken(array: np.ndarray) -> spox.Var:
        raise AttributeError("gone")

    for quickly in (broken, lambda array: op.const(np.zeros(1))):
        monkeypatch.setattr(constants, "_quickly", quickly)
        constants._maker.cache_clear()
        assert constants._maker() is constants._slowly
        assert written(const([1, 2])) == written(op.const([1, 2]))
    monkeypatch.undo()
    constants._maker.cache_clear()
