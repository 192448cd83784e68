"""The weights of a graph: matrices that rows are multiplied with, tables that are looked up in, and other large constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

LEAST = 1_024
"""Numbers that a constant must have: of smaller ones nothing is saved that could be measured."""
NARROWEST = 16
"""Columns that a table must have: narrower ones hold values of columns, each of its own size, rather than vectors."""
FLOAT32, FLOAT64 = 1, 11
"""Types of elements, as ONNX numbers them."""


@dataclass(frozen=True)
class Constant:
    """A large constant of float32 or float64, in the shape in which it stands in the graph."""

    name: str
    values: np.ndarray


@dataclass(frozen=True)
class Product:
    """Rows times a constant matrix (K, N): MatMul, or Gemm as a layer of a network has it.

    Attributes
    ----------
    branch : it stands in a branch (`If`) or a `Scan`, out of which no value can be brought to calibrate by.
    """

    graph: GraphProto
    node: NodeProto
    weight: Constant
    branch: bool

    @property
    def matrix(self) -> np.ndarray:
        """Float32 or float64, shape (K, N)."""
        return self.weight.values.T if _attribute(self.node, "transB", 0) else self.weight.values


@dataclass(frozen=True)
class Table:
    """A constant matrix (V, d) of which rows are taken by number: vectors of words."""

    graph: GraphProto
    node: NodeProto
    weight: Constant


@dataclass(frozen=True)
class Weights:
    """What of a model can be quantised.

    Attributes
    ----------
    constants : all large ones, by name. products, tables : the places in which such constants are used in a way that allows it.
    trees : of the tree ensembles. largest : weights of the largest matrix that rows are multiplied with, however small.
    """

    model: ModelProto
    constants: dict[str, Constant]
    products: tuple[Product, ...]
    tables: tuple[Table, ...]
    trees: int
    largest: int

    @property
    def opset(self) -> int:
        """The version of the operators of the domain ai.onnx."""
        return max((e.version for e in self.model.opset_import if e.domain in ("", "ai.onnx")), default=0)


def find_weights(graph: bytes) -> Weights:
    """Read a model, those in loops and branches included. What it holds may be changed: nobody else has it."""
    import onnx

    model = onnx.load_model_from_string(graph)
    constants: dict[str, Constant] = {}
    sizes: dict[str, int] = {}
    for inner, _ in graphs(model.graph):
        for name, tensor in _constants(inner):
            if tensor.data_type not in (FLOAT32, FLOAT64):
                continue
            sizes[name] = int(np.prod(tensor.dims, dtype=np.int64))
            if sizes[name] >= LEAST:
                constants[name] = Constant(name, onnx.numpy_helper.to_array(tensor))
    products, tables, trees, largest = [], [], 0, 0
    for inner, branch in graphs(model.graph):
        for node in inner.node:
            if node.op_type in ("MatMul", "Gemm"):
                largest = max(largest, sizes.get(node.input[1], 0))
            if (weight := _factor(node, constants)) is not None:
                products.append(Product(inner, node, weight, branch))
            elif (weight := _looked_up_in(node, constants)) is not None:
                tables.append(Table(inner, node, weight))
            elif node.op_type.startswith("TreeEnsemble"):
                trees += len(set(_attribute(node, "nodes_treeids", ()))) or len(_attribute(node, "tree_roots", ()))
    return Weights(model, constants, tuple(products), tuple(tables), trees, largest)


def graphs(graph: GraphProto, branch: bool = False) -> Iterator[tuple[GraphProto, bool]]:
    """A graph and those within its nodes, each with whether it is in a branch or a `Scan`."""
    yield graph, branch
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g, branch or node.op_type != "Loop")


def drop_unused(model: ModelProto) -> None:
    """Take constants out that no node reads any more."""
    used = {name for inner, _ in graphs(model.graph) for node in inner.node for name in node.input}
    used |= {output.name for inner, _ in graphs(model.graph) for output in inner.output}
    for graph, _ in graphs(model.graph):
        for i in reversed(range(len(graph.node))):
            if graph.node[i].op_type == "Constant" and graph.node[i].output[0] not in used:
                del graph.node[i]
        for i in reversed(range(len(graph.initializer))):
            if graph.initializer[i].name not in used:
                del graph.initializer[i]


def _constants(graph: GraphProto) -> Iterator[tuple[str, Any]]:
    """Name and tensor of each constant, initialisers that a caller may replace excepted."""
    inputs = {value.name for value in graph.input}
    yield from ((tensor.name, tensor) for tensor in graph.initializer if tensor.name not in inputs)
    for node in graph.node:
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            yield from ((node.output[0], a.t) for a in node.attribute if a.name == "value")


def _factor(node: NodeProto, constants: dict[str, Constant]) -> Constant | None:
    """The constant matrix with which a node multiplies its rows."""
    if node.op_type not in ("MatMul", "Gemm") or node.domain not in ("", "ai.onnx"):
        return None
    weight = constants.get(node.input[1])
    if weight is None or weight.values.ndim != 2 or node.input[0] in constants:
        return None
    plain = all(
        _attribute(node, name, usual) == usual for name, usual in (("alpha", 1.0), ("beta", 1.0), ("transA", 0))
    )
    return weight if plain and np.isfinite(weight.values).all() else None


def _looked_up_in(node: NodeProto, constants: dict[str, Constant]) -> Constant | None:
    if node.op_type != "Gather" or node.domain not in ("", "ai.onnx") or _attribute(node, "axis", 0) != 0:
        return None
    weight = constants.get(node.input[0])
    if (
        weight is None
        or weight.values.ndim != 2
        or weight.values.shape[1] < NARROWEST
        or not np.isfinite(weight.values).all()
    ):
        return None
    return weight


def _attribute(node: NodeProto, name: str, usual: Any) -> Any:
    import onnx

    return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), usual)
