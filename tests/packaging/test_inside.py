"""Every value between the inputs and the outputs of a graph can be looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import spox
import spox.opset.ai.onnx.v21 as op

from penstock.bundle.packing import pack
from penstock.bundle.runtime import Bundle
from penstock.packaging.inside import look_inside
from penstock.testing.toy_bundle import ROWS, write_toy_bundle


def test_what_is_between_is_found_by_its_bits() -> None:
    """By shape, type and value; constants are left out."""
    x = spox.argument(spox.Tensor(np.float32, ("n", 2)))
    doubled = op.mul(x, op.const(np.float32(2)))
    graph = spox.build({"x": x}, {"y": op.add(doubled, op.const(np.float32(1)))}).SerializeToString()
    inside = look_inside(graph, {"x": np.array([[1.0, 2.0]], np.float32)})
    assert inside.equal_to(np.array([[2.0, 4.0]], np.float32)) in set(inside.values) - {"x", "y"}
    assert not any("Constant" in name for name in inside.values)
    assert inside.equal_to(np.array([[2.0, 4.0]], np.float64)) is None
    assert inside.equal_to(np.array([[2.0, 4.1]], np.float32)) is None
    assert [name for name, _ in inside.shaped(inside.values["y"])][-1] == "y"


def test_the_outputs_are_those_that_are_served(tmp_path: Path) -> None:
    """Looking changes nothing: the probabilities of every toy row, strings and missing values among them."""
    bundle = Bundle.load(write_toy_bundle(tmp_path / "toy"))
    for row in ROWS:
        frame, _ = bundle.decoder.decode_rows([row])
        feeds = pack(frame, bundle.signature.layout)
        inside = look_inside(bundle.read("graph.onnx"), feeds)
        (answer,) = bundle.predict([json.loads(json.dumps(row))])
        shares = answer["probabilities"]
        assert inside.values["probabilities"][0].tolist() == list(shares.values())
