"""Numeric steps on random tables: all rows at once = row by row = after save and load, bit for bit."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Task
from penstock.bundle.packing import to_float32
from penstock.features.step import Columns, Form, Target
from penstock.features.steps.clamp import Clamp
from penstock.features.steps.impute_by_group import ImputeByGroup
from penstock.features.steps.impute_nearest import ImputeNearest
from penstock.features.steps.kmeans_bin import KmeansBin
from penstock.features.steps.log import Log
from penstock.features.steps.min_max import MinMax
from penstock.features.steps.pca import Pca
from penstock.features.steps.polynomial import Polynomial
from penstock.features.steps.power import Power
from penstock.features.steps.products import Products
from penstock.features.steps.random_projection import RandomProjection
from penstock.features.steps.robust_scale import RobustScale
from penstock.features.steps.tree_bin import TreeBin
from penstock.features.steps.truncated_svd import TruncatedSvd
from penstock.features.steps.uniform_bin import UniformBin
from penstock.features.steps.whiten import Whiten
from penstock.testing.step import model, same_bits

STEPS = [
    *[RobustScale(), MinMax(), MinMax(-2.0, 5.0, clip=True), Clamp(), Clamp(0.2, 0.4)],
    *[Log(), Log("one_plus", "10"), Log("plain", "2"), Power(), Power(standardise=False)],
    *[Polynomial(), Polynomial(3), Products()],
    *[
        Pca(2),
        Pca(3, 0.5),
        TruncatedSvd(2),
        RandomProjection(4),
        RandomProjection(3, "sparse"),
        Whiten(),
        Whiten("pca"),
    ],
    *[ImputeByGroup(min_rows=2), ImputeByGroup("mean", 1), ImputeNearest(2, 5), ImputeNearest()],
    *[UniformBin(7), KmeansBin(4, "one_hot"), TreeBin(4, 2.0), TreeBin(6, 1.0, "one_hot")],
]

NUMBERS = st.one_of(
    st.floats(),  # NaN, infinities, numbers beyond float32
    st.floats(-100, 100),
    st.sampled_from([0.0, -0.0, 1.0, 1.0000001, -3.5, 7.0, 1e9, 1e9 + 64]),
)


def _table(rows: list[list[float]]) -> Columns:
    """As the decoder packs it: float32, infinities at its ends."""
    return Columns(to_float32(np.array(rows, dtype=np.float64)), ("a", "b", "c"), Form.NUMBERS)


def _rows(least: int, most: int) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=least, max_size=most)


def _run(session, values: np.ndarray) -> np.ndarray:
    """The same columns for each argument."""
    return session.run(None, {given.name: values for given in session.get_inputs()})[0]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}-{'-'.join(map(str, vars(step).values()))}")
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(train=_rows(1, 25), fresh=_rows(1, 9))
def test_in_one_go_equals_row_by_row_equals_after_save_and_load(step, train, fresh):
    """For rows of the fit and others; and no output is infinite."""
    target = Target(np.arange(len(train)) % 3, Task.MULTICLASS)
    fitted = step.fit([_table(train)] * step.arity, target, seed=1)
    if not fitted.names:
        return
    rows = _table([*train, *fresh])
    graph = model(fitted, [rows] * step.arity)
    whole = _run(open_session(graph), rows.values)
    assert whole.shape == (len(rows), len(fitted.names))
    assert not np.isinf(whole).any()
    assert model(pickle.loads(pickle.dumps(fitted)), [rows] * step.arity) == graph  # noqa: S301
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "step.onnx")
        path.write_bytes(graph)
        loaded = open_session(path)
    assert same_bits(_run(loaded, rows.values), whole)
    for i in range(len(rows)):
        assert same_bits(_run(loaded, rows.values[i : i + 1]), whole[i : i + 1])
