"""impute_by_group, against pandas' groupby."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from penstock.errors import RecipeError
from penstock.features.step import Form
from penstock.features.steps.impute_by_group import ImputeByGroup
from penstock.testing.step import apply

USUAL = {"median": "median", "mean": "mean", "mode": lambda values: values.mode().min()}


@pytest.mark.parametrize("strategy", list(USUAL))
@pytest.mark.parametrize("n_groups", [1, 2])
def test_groups_are_filled_as_by_groupby(block, strategy, n_groups):
    """For each combination of the groups' columns, within 1e-5."""
    generator = np.random.default_rng(0)
    values = (generator.integers(-3, 9, (300, 2)) + generator.choice([0, 0.5], (300, 2))).astype(np.float32)
    values[generator.random(values.shape) < 0.3] = np.nan
    by = generator.choice([0.1, 2, -7], (300, n_groups)).astype(np.float32)
    frame = pd.DataFrame(values.astype(np.float64))
    usual = frame.groupby([*by.T]).transform(USUAL[strategy])
    inputs = [block(Form.NUMBERS, *values.T), block(Form.NUMBERS, *by.T, names=["g", "h"][:n_groups])]
    fitted = ImputeByGroup(strategy, 1).fit(inputs, None, seed=0)
    assert np.allclose(apply(fitted, *inputs), frame.fillna(usual), atol=1e-5)
    assert fitted.names == ("a", "b")


def test_a_group_with_few_values_or_never_seen_gets_what_is_usual_for_all(block):
    """Also one whose number lies between two that were seen, or next to one."""
    train = block(Form.NUMBERS, [1, 1, 1, 9, np.nan, 5, 5]), block(Form.NUMBERS, [0, 0, 0, 1, 1, 2, 2])
    fitted = ImputeByGroup(min_rows=2).fit(train, None, seed=0)
    groups = [0, 1, 2, 3, -1, 0.5, np.nextafter(np.float32(2), np.float32(3)), np.nan]
    rows = block(Form.NUMBERS, [np.nan] * 8), block(Form.NUMBERS, groups)
    assert apply(fitted, *rows).ravel().tolist() == [1, 3, 5, 3, 3, 3, 3, 3]


def test_a_missing_group_is_a_group(block):
    """If it was there in training."""
    train = block(Form.NUMBERS, [1, 3, 8]), block(Form.NUMBERS, [0, 0, np.nan])
    fitted = ImputeByGroup("mean", 1).fit(train, None, seed=0)
    rows = block(Form.NUMBERS, [np.nan, np.nan, 7]), block(Form.NUMBERS, [np.nan, 0, np.nan])
    assert apply(fitted, *rows).ravel().tolist() == [8, 2, 7]


def test_groups_at_the_ends_of_float32_and_next_to_each_other(block):
    """Told apart exactly."""
    most = np.finfo(np.float32).max
    numbers = [most, -most, 0, 1e-45, -1e-45, 1, np.nextafter(np.float32(1), np.float32(2))]
    train = block(Form.NUMBERS, range(7)), block(Form.NUMBERS, numbers)
    fitted = ImputeByGroup("mean", 1).fit(train, None, seed=0)
    assert apply(fitted, block(Form.NUMBERS, [np.nan] * 7), train[1]).ravel().tolist() == list(range(7))


def test_a_column_without_values_is_filled_with_zero(block):
    """There is nothing to learn from."""
    train = block(Form.NUMBERS, [np.nan] * 2), block(Form.NUMBERS, [0, 1])
    assert apply(ImputeByGroup().fit(train, None, seed=0), *train).ravel().tolist() == [0, 0]


def test_too_many_groups_are_refused(block):
    """With ways out."""
    numbers = np.arange(2_000)
    with pytest.raises(RecipeError, match="4,008,004 combinations") as refused:
        ImputeByGroup().fit([block(Form.NUMBERS, numbers), block(Form.NUMBERS, numbers, numbers)], None, seed=0)
    assert "quantile_bin" in refused.value.way_out
