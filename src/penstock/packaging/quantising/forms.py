"""The forms in which a graph's weights can be had smaller, all in standard ONNX operators.

A row must get the bits that it gets in a batch, so nothing here depends on other rows: where the scale of 8-bit inputs is not
known beforehand, each row has its own. (ONNX's `DynamicQuantizeLinear` takes one scale for a whole batch.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, final

import numpy as np

from penstock.packaging.quantising.weights import LEAST, Product, Table, Weights, drop_unused

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

HALF_MAX = 65_504.0
SCALE_MAX = 1e30
"""Weights beyond this would leave float32 on the way."""
SEVEN_BITS = 64
"""Largest 8-bit weight. With more, two products of 8 bits do not fit the 16 in which processors without VNNI add them up, and the
answer would depend on the processor."""
EIGHT_BITS, ZERO = 127, 128
"""Largest 8-bit input, and the code of 0: unsigned ones, which are the faster."""
DEEPEST = 2**31 // (SEVEN_BITS * ZERO)
"""Rows of a matrix up to which its sums of products fit 32 bits whatever they are."""
BLOCK = 32
"""Weights that share a scale in 4 bits."""
SHRUNK = np.linspace(0.7, 1.0, 7)
"""A block's scale is the one of these shares of its largest weight that leaves the least error."""

Ranges = Mapping[str, float]
Place = TypeVar("Place", Product, Table)


class Form(Protocol):
    """One way to quantise. What it makes is a graph of the same inputs and outputs."""

    name: ClassVar[str]
    says: ClassVar[str]
    """In the table of the documentation."""
    calibrated: ClassVar[bool]
    """Whether it needs to know how large inputs become."""

    def objection(self, weights: Weights) -> str | None:
        """Why it does not apply to this graph; None where it does."""
        ...

    def apply(self, weights: Weights, ranges: Ranges) -> bytes:
        """The quantised graph. `weights` are changed and of no further use."""
        ...


@final
class Float16:
    """Half-precision weights."""

    name: ClassVar[str] = "float16"
    says: ClassVar[str] = "matrices and tables are stored in 16 bits and widened again; it computes as before"
    calibrated: ClassVar[bool] = False

    def objection(self, weights: Weights) -> str | None:
        if (why := _no_matrices(weights)) is not None:
            return why
        fits = any(map(_fits_half, weights.products)) or any(map(_fits_half, weights.tables))
        return None if fits else "each of its matrices has weights beyond 65,504"

    def apply(self, weights: Weights, ranges: Ranges) -> bytes:
        return _rewritten(weights, _half, _half_table, fits=_fits_half)


@final
class Int8Dynamic:
    """8-bit weights and inputs, with a scale for each row."""

    name: ClassVar[str] = "int8-dynamic"
    says: ClassVar[str] = (
        "matrices and what they are multiplied with in 8 bits; each row's scale is found as it is answered"
    )
    calibrated: ClassVar[bool] = False

    def objection(self, weights: Weights) -> str | None:
        return _no_matrices(weights)

    def apply(self, weights: Weights, ranges: Ranges) -> bytes:
        return _rewritten(weights, _dynamic)


@final
class Int8Static:
    """8-bit weights and inputs, with a scale that calibration found."""

    name: ClassVar[str] = "int8-static"
    says: ClassVar[str] = (
        "as `int8-dynamic`, with the scale of inputs found beforehand, on training rows: fewer operators, less exact"
    )
    calibrated: ClassVar[bool] = True

    def objection(self, weights: Weights) -> str | None:
        if (why := _no_matrices(weights)) is not None:
            return why
        if not weights.products:
            return "it has tables but no matrix that rows are multiplied with: there is nothing to calibrate"
        if all(p.branch for p in weights.products):
            return "its matrices stand in branches, of which no value can be seen to calibrate by"
        return None

    def apply(self, weights: Weights, ranges: Ranges) -> bytes:
        def static(writer: _Writer, product: Product) -> None:
            _static(writer, product, ranges[product.node.input[0]])

        return _rewritten(weights, static, leave=lambda product: product.branch)


@final
class Int4:
    """4-bit weights."""

    name: ClassVar[str] = "int4"
    says: ClassVar[str] = (
        "matrices in 4 bits with a scale for 32 weights each; inputs stay as they are, tables take 8 bits"
    )
    calibrated: ClassVar[bool] = False

    def objection(self, weights: Weights) -> str | None:
        if (why := _no_matrices(weights)) is not None:
            return why
        if not weights.products:
            return (
                "it has tables but no matrix that rows are multiplied with; tables are had in 8 bits, see int8-dynamic"
            )
        if weights.opset < 21:
            return f"its operators are those of opset {weights.opset}; 4-bit tensors came with 21"
        return None

    def apply(self, weights: Weights, ranges: Ranges) -> bytes:
        weights.model.ir_version = max(weights.model.ir_version, 10)
        return _rewritten(weights, _four_bits)


FORMS: dict[str, Form] = {form.name: form for form in (Float16(), Int8Dynamic(), Int8Static(), Int4())}
"""All forms by name, in the order in which they are told."""


# ---------------------------------------------------------------- what each does to a product or a table


def _half(writer: _Writer, product: Product) -> None:
    """The weights are widened once, when the graph is loaded: onnxruntime folds what hangs on constants alone."""
    import onnx

    values = product.weight.values
    weight = writer.cast(writer.constant("half", values.astype(np.float16)), values.dtype, of=np.dtype(np.float16))
    node = onnx.NodeProto()
    node.CopyFrom(product.node)
    node.input[1] = weight
    writer.nodes.append(node)


def _half_table(writer: _Writer, table: Table) -> None:
    """Rows are widened as they are taken: a table stays small in memory, too."""
    values = table.weight.values
    half = writer.constant("half", values.astype(np.float16))
    found = writer.node("Gather", [half, table.node.input[1]], axis=0)
    writer.named(writer.cast(found, values.dtype, of=np.dtype(np.float16)), table.node.output[0])


def _dynamic(writer: _Writer, product: Product) -> None:
    """``m (x / m) W`` with ``m`` the largest |x| of a row: what is left lies in [-1, 1], and its scale is a constant."""
    unit, most = _by_row(writer, product)
    scores = _in_whole_numbers(writer, product, unit, 1.0)
    _put_out(writer, product, writer.node("Mul", [writer.cast(scores, product.matrix.dtype), most]))


def _static(writer: _Writer, product: Product, reach: float) -> None:
    x = writer.cast(product.node.input[0], np.dtype(np.float32), of=product.matrix.dtype)
    scores = _in_whole_numbers(writer, product, x, reach)
    _put_out(writer, product, writer.cast(scores, product.matrix.dtype))


def _in_whole_numbers(writer: _Writer, product: Product, x: str, reach: float) -> str:
    """x W, float32, from 8 bits each; x beyond `reach` is held there.

    The product is written in whole numbers, not as `MatMul` between `DequantizeLinear`: that is left to a runtime to see through,
    and onnxruntime, where an `Add` follows, multiplies in float32 instead, more slowly than before.
    """
    step, zero = np.float32(reach / EIGHT_BITS), writer.constant("zero", np.array(ZERO, np.uint8))
    codes, scales = eight_bit_codes(product.matrix)
    rounded = writer.node("QuantizeLinear", [x, writer.constant("step", np.array(step)), zero])
    sums = writer.node("MatMulInteger", [rounded, writer.constant("codes", codes), zero])
    floats = writer.cast(sums, np.dtype(np.float32), of=np.dtype(np.int32))
    return writer.node("Mul", [floats, writer.constant("scales", scales * step)])


def _four_bits(writer: _Writer, product: Product) -> None:
    """A wide product is had in float32, from rows in [-1, 1]: its numbers may lie beyond float32."""
    is_wide = product.matrix.dtype == np.float64
    x, most = _by_row(writer, product) if is_wide else (product.node.input[0], "")
    codes, scales = four_bit_codes(product.matrix)
    packed = writer.four_bits("codes", codes)
    weight = writer.node("DequantizeLinear", [packed, writer.constant("scales", scales)], axis=0, block_size=BLOCK)
    scores = writer.node("MatMul", [x, weight])
    if is_wide:
        scores = writer.node("Mul", [writer.cast(scores, product.matrix.dtype), most])
    _put_out(writer, product, scores)


def _table(writer: _Writer, table: Table) -> None:
    """Rows of a table in 8 bits, each with its own scale."""
    values = table.weight.values
    scale = (
        np.maximum(np.abs(values).max(axis=1, keepdims=True), np.finfo(np.float32).tiny).astype(np.float32) / EIGHT_BITS
    )
    codes = np.clip(np.rint(values / scale), -EIGHT_BITS, EIGHT_BITS).astype(np.int8)
    numbers = table.node.input[1]
    taken = writer.node("Gather", [writer.constant("codes", codes), numbers], axis=0)
    found = writer.cast(taken, np.dtype(np.float32), of=codes.dtype)
    spread = writer.node("Gather", [writer.constant("scales", scale), numbers], axis=0)
    product = writer.node("Mul", [found, spread])
    writer.named(writer.cast(product, values.dtype), table.node.output[0])


def _by_row(writer: _Writer, product: Product) -> tuple[str, str]:
    """The inputs of a product over the largest |number| of their row, float32, and that number, of the product's own type."""
    x, dtype = product.node.input[0], product.matrix.dtype
    most = writer.node("ReduceMax", [writer.node("Abs", [x]), writer.constant("last", np.array([-1]))], keepdims=1)
    most = writer.node("Max", [most, writer.constant("tiny", np.array(np.finfo(np.float32).tiny, dtype))])
    return writer.cast(writer.node("Div", [x, most]), np.dtype(np.float32), of=dtype), most


def eight_bit_codes(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes from -64 to 64 of a matrix (K, N), int8, and float32 scales (N,), one for each column."""
    largest = np.abs(matrix).max(axis=0)
    scales = (np.where(largest > 0, largest, 1.0) / SEVEN_BITS).astype(np.float32)
    scales = np.maximum(scales, np.finfo(np.float32).tiny)
    return np.clip(np.rint(matrix / scales), -SEVEN_BITS, SEVEN_BITS).astype(np.int8), scales


def four_bit_codes(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes from -7 to 7 of a matrix (K, N), int8, and float32 scales (ceil(K / 32), N), one for 32 weights of a column."""
    rows, columns = matrix.shape
    n_blocks = -(-rows // BLOCK)
    padded = np.zeros((n_blocks * BLOCK, columns))
    padded[:rows] = matrix
    blocks = padded.reshape(n_blocks, BLOCK, columns)
    largest = np.abs(blocks).max(axis=1, keepdims=True)  # (blocks, 1, N)
    largest = np.where(largest > 0, largest, 1.0)
    best, scales = np.full(largest.shape, np.inf), largest / 7
    for share in SHRUNK:
        tried = np.maximum((largest * share / 7).astype(np.float32), np.finfo(np.float32).tiny)
        error = ((np.clip(np.rint(blocks / tried), -7, 7) * tried - blocks) ** 2).sum(axis=1, keepdims=True)
        scales = np.where(error < best, tried, scales)
        best = np.minimum(error, best)
    codes = np.clip(np.rint(blocks / scales), -7, 7).astype(np.int8)
    return codes.reshape(-1, columns)[:rows], scales[:, 0].astype(np.float32)


def _put_out(writer: _Writer, product: Product, scores: str) -> None:
    """Give the product its own name, with what a Gemm adds."""
    added = product.node.input[2] if len(product.node.input) > 2 else ""
    writer.named(writer.node("Add", [scores, added]) if added else scores, product.node.output[0])


# ---------------------------------------------------------------- writing


class _Writer:
    """Nodes and constants that take the place of a node in a graph."""

    def __init__(self, graph: GraphProto, at: str) -> None:
        self.graph, self.at = graph, at
        self.nodes: list[NodeProto] = []
        self._made = 0

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        import onnx

        name = self._name(kind)
        self.nodes.append(onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def cast(self, x: str, to: np.dtype, output: str = "", *, of: np.dtype | None = None) -> str:
        """A value in another type; itself where it has that type already (`of`, or float32, as all that is made here)."""
        import onnx

        if not output and (of or np.dtype(np.float32)) == to:
            return x
        name = output or self._name("Cast")
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(to))
        self.nodes.append(onnx.helper.make_node("Cast", [x], [name], to=kind))
        return name

    def named(self, x: str, output: str) -> None:
        """The value that was made last, under the name that others know."""
        assert self.nodes[-1].output[0] == x
        self.nodes[-1].output[0] = output

    def constant(self, what: str, values: np.ndarray) -> str:
        import onnx

        return self._kept(onnx.numpy_helper.from_array(np.ascontiguousarray(values), self._name(what)))

    def four_bits(self, what: str, codes: np.ndarray) -> str:
        """Whole numbers from -8 to 7, two in a byte, the first in its lower half."""
        import onnx

        flat = codes.ravel().astype(np.uint8) & 0x0F
        flat = np.append(flat, np.uint8(0)) if len(flat) % 2 else flat
        packed = (flat[0::2] | (flat[1::2] << 4)).tobytes()
        kind = onnx.TensorProto.INT4
        return self._kept(onnx.helper.make_tensor(self._name(what), kind, codes.shape, packed, raw=True))

    def insert(self, place: int) -> None:
        """Put the nodes into the graph."""
        after = list(self.graph.node)[place:]
        del self.graph.node[place:]
        self.graph.node.extend([*self.nodes, *after])

    def _kept(self, tensor: TensorProto) -> str:
        self.graph.initializer.append(tensor)
        return str(tensor.name)

    def _name(self, what: str) -> str:
        self._made += 1
        return f"{self.at}__quantised_{what.lower()}_{self._made}"


def _rewritten(
    weights: Weights,
    product: Callable[[_Writer, Product], None],
    table: Callable[[_Writer, Table], None] | None = None,
    *,
    fits: Callable[[Product | Table], bool] | None = None,
    leave: Callable[[Product], bool] = lambda product: False,
) -> bytes:
    """Every product and every table written anew (tables in 8 bits, unless it is said how), but for those that are left."""
    fits = fits or _fits_scale
    for one in weights.tables:
        if fits(one):
            _replace(one, table or _table)
    for place in weights.products:
        if fits(place) and not leave(place):
            _replace(place, product)
    drop_unused(weights.model)
    data: bytes = weights.model.SerializeToString(deterministic=True)
    return data


def _replace(place: Place, write: Callable[[_Writer, Place], None]) -> None:
    writer = _Writer(place.graph, place.node.output[0])
    write(writer, place)
    nodes = list(place.graph.node)
    at = next(i for i, node in enumerate(nodes) if node.output and node.output[0] == place.node.output[0])
    place.graph.node.remove(nodes[at])
    writer.insert(at)


# ---------------------------------------------------------------- what does not apply


def _fits_half(place: Product | Table) -> bool:
    return bool(np.abs(place.weight.values).max() <= HALF_MAX)


def _fits_scale(place: Product | Table) -> bool:
    fits = bool(np.abs(place.weight.values).max() <= SCALE_MAX)
    return fits and (isinstance(place, Table) or len(place.matrix) < DEEPEST)


def _no_matrices(weights: Weights) -> str | None:
    """Trees are the usual reason, and are told of."""
    if any(map(_fits_scale, weights.products)) or any(map(_fits_scale, weights.tables)):
        return None
    if weights.largest >= LEAST:
        return "its matrices hold numbers, or have a form, that cannot be had in fewer bits"
    small = f"its largest matrix has {weights.largest} weights, and below {LEAST:,} nothing is saved"
    if not weights.trees:
        return small
    return (
        f"its {weights.trees} trees (those of the novelty score included) compare values with thresholds: a tree has no weights to be "
        f"multiplied with, and with other thresholds it is another tree; beside them, {small}"
    )
