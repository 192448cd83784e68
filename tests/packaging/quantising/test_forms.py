"""Each form of a graph: near the exact one, the same bits for a row alone, and an answer to why it does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import spox.opset.ai.onnx.ml.v3 as ml
import spox.opset.ai.onnx.v21 as op
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from spox import Tensor, argument, build

from penstock.bundle.graph import open_session
from penstock.packaging.quantising.calibrate import input_ranges
from penstock.packaging.quantising.forms import BLOCK, FORMS, HALF_MAX, eight_bit_codes, four_bit_codes
from penstock.packaging.quantising.weights import LEAST, find_weights

ALLOWED = {"float16": 2e-3, "int8-dynamic": 0.05, "int8-static": 0.05, "int4": 0.2}
"""Largest difference, of the largest answer, that random weights and inputs may give."""


def layer(matrix: np.ndarray, shift: np.ndarray | None = None) -> bytes:
    """Rows times a matrix, and a constant added where there is one; float64 inside where the matrix is."""
    x = argument(Tensor(np.float32, ("n", len(matrix))))
    own = op.cast(x, to=matrix.dtype.type)
    y = op.matmul(own, op.const(matrix))
    if shift is not None:
        y = op.add(y, op.const(shift.astype(matrix.dtype)))
    data: bytes = build({"x": x}, {"y": op.cast(y, to=np.float32)}).SerializeToString()
    return data


def gemm(matrix: np.ndarray, shift: np.ndarray, **attributes: Any) -> bytes:
    """A layer as exporters of networks write it."""
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1, **attributes)
    ends = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", None]) for n in ("x", "y")]
    kept = [numpy_helper.from_array(np.ascontiguousarray(matrix.T), "w"), numpy_helper.from_array(shift, "b")]
    graph = helper.make_graph([node], "layer", ends[:1], ends[1:], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def applied(graph: bytes, form: str, x: np.ndarray) -> bytes:
    weights = find_weights(graph)
    assert FORMS[form].objection(weights) is None
    return FORMS[form].apply(weights, input_ranges(find_weights(graph), {"x": x}))


def answers(graph: bytes, x: np.ndarray) -> np.ndarray:
    found: np.ndarray = open_session(graph).run(None, {"x": x})[0]
    return found


def one_by_one(graph: bytes, x: np.ndarray) -> np.ndarray:
    session = open_session(graph)
    return np.concatenate([session.run(None, {"x": x[i : i + 1]})[0] for i in range(len(x))])


def random_layer(seed: int, rows: int, columns: int, dtype: type = np.float32) -> tuple[bytes, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0, 0.3, (rows, columns)).astype(dtype)
    x = (rng.normal(0, 2, (23, rows)) * (rng.random((23, rows)) < 0.4)).astype(np.float32)
    x[0] = 0.0
    return layer(matrix, rng.normal(0, 1, columns).astype(np.float32)), x


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=12)
@given(
    seed=st.integers(0, 1000),
    rows=st.sampled_from([64, 65, 300, 1024]),
    columns=st.sampled_from([1, 2, 17, 64]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_layer_stays_near_and_a_row_alone_gets_the_bits_of_the_batch(
    form: str, seed: int, rows: int, columns: int, dtype: type
) -> None:
    """Whatever its shape and precision, also a row of zeros and rows of a block that is not full."""
    columns = max(columns, -(-LEAST // rows))
    graph, x = random_layer(seed, rows, columns, dtype)
    made = applied(graph, form, x)
    exact, got = answers(graph, x), answers(made, x)
    assert np.abs(got - exact).max() <= ALLOWED[form] * np.abs(exact).max()
    assert (one_by_one(made, x) == got).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_smaller_by_what_it_says(form: str) -> None:
    """16, 8 and 4 bits of 32, and the scales."""
    graph, x = random_layer(0, 512, 64)
    share = len(applied(graph, form, x)) / len(graph)
    low, high = {"float16": (0.49, 0.52), "int4": (0.12, 0.18)}.get(form, (0.24, 0.28))
    assert low < share < high


@pytest.mark.parametrize("form", FORMS)
def test_the_same_graph_gives_the_same_bytes(form: str) -> None:
    graph, x = random_layer(1, 128, 16)
    assert applied(graph, form, x) == applied(graph, form, x)


@pytest.mark.parametrize("form", FORMS)
def test_a_gemm_is_a_product_and_its_constant_is_added(form: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (9, 128)).astype(np.float32)
    graph = gemm(rng.normal(0, 1, (128, 16)).astype(np.float32), np.full(16, 50, np.float32))
    made = applied(graph, form, x)
    assert np.abs(answers(made, x) - answers(graph, x)).max() < ALLOWED[form] * 50
    assert (one_by_one(made, x) == answers(made, x)).all()


@pytest.mark.parametrize("form", ["int8-dynamic", "int8-static", "int4"])
def test_a_gemm_that_does_more_than_add_is_left_as_it_is(form: str) -> None:
    """alpha, beta and transA would have to be done by something else."""
    matrix, shift = np.ones((128, 16), np.float32), np.ones(16, np.float32)
    assert FORMS[form].objection(find_weights(gemm(matrix, shift, alpha=0.5))) is not None


@pytest.mark.parametrize("form", FORMS)
def test_numbers_beyond_what_is_usual_stay_numbers(form: str) -> None:
    """Rows a thousand times larger than any that calibrated, and very small ones."""
    graph, x = random_layer(5, 128, 16)
    made = applied(graph, form, x)
    for scale in (1e-30, 1e3, 1e30):
        assert np.isfinite(answers(made, (x * np.float32(scale)).astype(np.float32))).all()


def test_eight_bits_of_weights_leave_room_for_two_products_in_sixteen_bits() -> None:
    """Processors without VNNI add two products up in 16 bits: with larger weights their sums would saturate."""
    codes, scales = eight_bit_codes(np.random.default_rng(0).normal(0, 9, (100, 7)))
    assert 2 * 255 * int(np.abs(codes.astype(int)).max()) < 2**15
    assert scales.shape == (7,)


@given(st.integers(0, 500), st.integers(1, 100), st.integers(1, 5))
def test_four_bits_are_at_most_half_a_step_away_or_cut_for_the_good_of_their_block(
    seed: int, rows: int, columns: int
) -> None:
    """The error of a block is never larger than with the plain scale, and a matrix of zeros stays one."""
    matrix = np.random.default_rng(seed).standard_t(3, (rows, columns)).astype(np.float32)
    codes, scales = four_bit_codes(matrix)
    assert codes.shape == matrix.shape
    assert np.abs(codes).max() <= 7
    back = codes * np.repeat(scales, BLOCK, axis=0)[:rows]
    for start in range(0, rows, BLOCK):
        block = matrix[start : start + BLOCK]
        plain = np.maximum(np.abs(block).max(axis=0) / 7, 1e-30)
        simple = np.rint(block / plain) * plain
        error = ((back[start : start + BLOCK] - block) ** 2).sum(axis=0)
        assert (error <= ((simple - block) ** 2).sum(axis=0) * 1.001 + 1e-9).all()
    assert not four_bit_codes(np.zeros((40, 3)))[0].any()


def in_a_loop(matrix: np.ndarray, table: np.ndarray) -> bytes:
    """For each number in ``x``, a row of a table times a matrix: what a text's pieces go through."""
    x = argument(Tensor(np.float32, ("n", 1)))
    numbers = op.cast(op.reshape(x, op.const(np.array([-1]))), to=np.int64)

    def one(i: Any, go_on: Any) -> list[Any]:
        own = op.gather(numbers, op.reshape(i, op.const(np.array([1]))))
        y = op.matmul(op.gather(op.const(table), own, axis=0), op.const(matrix))
        return [go_on, op.reshape(y, op.const(np.array([matrix.shape[1]])))]

    (made,) = op.loop(op.size(numbers), v_initial=[], body=one)
    data: bytes = build({"x": x}, {"y": made}).SerializeToString()
    return data


@pytest.mark.parametrize("form", FORMS)
def test_matrices_and_tables_in_loops_are_quantised_too(form: str) -> None:
    """Calibration sees into the loop: the greatest of each round."""
    rng = np.random.default_rng(0)
    table, matrix = rng.normal(0, 1, (60, 64)).astype(np.float32), rng.normal(0, 1, (64, 32)).astype(np.float32)
    graph = in_a_loop(matrix, table)
    x = np.arange(60, dtype=np.float32)[:, None]
    (reach,) = input_ranges(find_weights(graph), {"x": x}).values()
    assert reach == pytest.approx(np.quantile(np.abs(table).max(axis=1), 0.999), rel=1e-6)
    made = applied(graph, form, x)
    exact, got = answers(graph, x), answers(made, x)
    assert np.abs(got - exact).max() <= ALLOWED[form] * np.abs(exact).max()
    assert (one_by_one(made, x) == got).all()
    assert len(made) < 0.65 * len(graph)


@pytest.mark.parametrize("form", FORMS)
def test_trees_have_nothing_to_quantise_and_it_is_said_why(form: str) -> None:
    x = argument(Tensor(np.float32, ("n", 3)))
    tree = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }
    y = ml.tree_ensemble_regressor(x, n_targets=1, **tree)
    weights = find_weights(build({"x": x}, {"y": y}).SerializeToString())
    why = FORMS[form].objection(weights)
    assert weights.trees == 1
    assert why is not None
    assert "1 trees" in why
    assert "compare values with thresholds" in why


def test_small_matrices_are_not_worth_it() -> None:
    graph = layer(np.ones((LEAST - 1, 1), np.float32))
    assert all(f"{LEAST - 1} weights" in str(form.objection(find_weights(graph))) for form in FORMS.values())


def test_weights_beyond_half_precision_are_not_had_in_it() -> None:
    """They would be infinite; where others fit, those alone are stored in 16 bits."""
    matrix = np.ones((LEAST, 1), np.float32)
    matrix[3] = HALF_MAX * 2
    assert "65,504" in str(FORMS["float16"].objection(find_weights(layer(matrix))))
    x = np.ones((2, LEAST), np.float32)
    assert np.isfinite(answers(applied(layer(matrix), "int4", x), x)).all()


def test_constants_that_values_are_compared_with_are_never_rounded() -> None:
    """A threshold that is rounded is another threshold."""
    x = argument(Tensor(np.float32, ("n", LEAST)))
    thresholds = op.const(np.linspace(0, 1, LEAST, dtype=np.float32))
    y = op.cast(op.less(x, thresholds), to=np.float32)
    weights = find_weights(build({"x": x}, {"y": y}).SerializeToString())
    assert all("nothing is saved" in str(form.objection(weights)) for form in FORMS.values())


def test_products_in_branches_are_not_calibrated() -> None:
    """No value can be brought out of a branch that is not taken; the other forms need none."""
    x = argument(Tensor(np.float32, ("n", 64)))
    weight = op.const(np.random.default_rng(0).normal(0, 1, (64, 64)).astype(np.float32))
    (y,) = op.if_(
        op.greater(op.size(x), op.const(np.int64(0))),
        then_branch=lambda: [op.matmul(x, weight)],
        else_branch=lambda: [op.neg(op.matmul(x, weight))],
    )
    graph = build({"x": x}, {"y": y}).SerializeToString()
    rows = np.random.default_rng(1).normal(0, 1, (5, 64)).astype(np.float32)
    assert "branches" in str(FORMS["int8-static"].objection(find_weights(graph)))
    assert np.allclose(answers(applied(graph, "int8-dynamic", rows), rows), answers(graph, rows), atol=1.0)


def test_four_bits_need_the_operators_that_came_with_them() -> None:
    graph, _ = random_layer(0, 64, 64)
    model = onnx.load_model_from_string(graph)
    for entry in model.opset_import:
        entry.version = 20
    assert "opset 20" in str(FORMS["int4"].objection(find_weights(model.SerializeToString())))
