"""tree_bin, against scikit-learn's decision trees."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from penstock.bundle.kinds import Task
from penstock.errors import RecipeError
from penstock.features.step import Form, Target
from penstock.features.steps.tree_bin import TreeBin
from penstock.testing.step import apply


def _edges(tree):
    return np.sort(tree.tree_.threshold[tree.tree_.feature >= 0])


@pytest.mark.parametrize("bins", [2, 5, 20])
@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS, Task.REGRESSION])
@pytest.mark.parametrize("seed", range(3))
def test_bins_are_the_leaves_of_a_decision_tree(block, task, bins, seed):
    """The same edges as a tree grown best first to as many leaves, each with 2 % of the rows."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=600).astype(np.float32)
    score = np.sin(2 * x) + generator.normal(0, 0.4, 600)
    if task is Task.REGRESSION:
        y, kind = 1e6 + 50 * score, DecisionTreeRegressor
    else:
        y, kind = np.digitize(score, [0.0] if task is Task.BINARY else [-0.5, 0.0, 0.7]), DecisionTreeClassifier
    theirs = kind(max_leaf_nodes=bins, min_samples_leaf=0.02, random_state=0).fit(x[:, None], y)
    fitted = TreeBin(bins, 0.02).fit([block(Form.NUMBERS, x)], Target(y, task), seed=0)
    assert np.allclose(fitted.columns[0].edges, _edges(theirs), rtol=1e-6, atol=1e-7)
    rows = generator.normal(size=200).astype(np.float32)
    leaves = np.searchsorted(_edges(theirs), rows.astype(np.float64))
    assert apply(fitted, block(Form.NUMBERS, rows)).ravel().tolist() == leaves.tolist()


def test_a_column_that_says_nothing_is_one_bin(block):
    """And so are a constant one and one without values; missing values are told apart nonetheless."""
    columns = block(Form.NUMBERS, [1, 1, 2, 2], [7] * 4, [np.nan] * 4)
    fitted = TreeBin(5, 1).fit([columns], Target(np.array([0, 1, 0, 1]), Task.BINARY), seed=0)
    assert apply(fitted, columns).tolist() == [[0, 0, -1]] * 4


def test_a_bin_has_the_rows_that_are_asked_for(block):
    """A count, or a share of the rows that have a value."""
    x = np.arange(10)
    target = Target((x >= 1).astype(np.int64), Task.BINARY)
    for least, edge in ((1, 0.5), (3, 2.5), (0.45, 4.5)):
        fitted = TreeBin(2, least).fit([block(Form.NUMBERS, x)], target, seed=0)
        assert fitted.columns[0].edges.tolist() == [edge]


def test_many_values_are_taken_together_in_groups(block):
    """The edges lie between two groups, near those of all values."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=50_000).astype(np.float32)
    target = Target((x > 0.3).astype(np.int64), Task.BINARY)
    fitted = TreeBin(4).fit([block(Form.NUMBERS, x)], target, seed=0)
    assert abs(fitted.columns[0].edges - 0.3).min() < 1e-3


def test_without_a_target_it_says_what_to_do(block):
    """There is nothing to tell apart."""
    with pytest.raises(RecipeError, match="without a target") as refused:
        TreeBin().fit([block(Form.NUMBERS, [1, 2])], None, seed=0)
    assert "quantile_bin" in refused.value.way_out


def test_huge_values_and_targets(block):
    """Neither overflows."""
    most = np.finfo(np.float32).max
    columns = block(Form.NUMBERS, [-most, -1, 1, most])
    fitted = TreeBin(4, 1).fit([columns], Target(np.array([-1e300, -1e300, 1e300, 1e300]), Task.REGRESSION), seed=0)
    assert apply(fitted, columns).ravel().tolist() == [0, 0, 1, 1]


def test_every_value_is_looked_at_though_there_are_many(block):
    """30,000 different ones, as the column `fnlwgt` of the adult data has: the edges are still those of the tree."""
    generator = np.random.default_rng(0)
    x = generator.permutation(200_000)[:30_000].astype(np.float32)
    y = (generator.random(30_000) < 0.2 + 0.1 * np.sin(x / 20_000)).astype(np.int64)
    theirs = DecisionTreeClassifier(max_leaf_nodes=10, min_samples_leaf=0.01, random_state=0).fit(x[:, None], y)
    fitted = TreeBin(10, 0.01).fit([block(Form.NUMBERS, x)], Target(y, Task.BINARY), seed=0)
    assert fitted.columns[0].edges.tolist() == _edges(theirs).tolist()
