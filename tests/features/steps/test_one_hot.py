"""one_hot, against scikit-learn's OneHotEncoder."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from penstock.features.step import Form
from penstock.features.steps.one_hot import OneHot
from penstock.testing.step import apply

LETTERS = np.array(["a", "b", "c", "d", "é", "中", "Ω"], dtype=object)


def _theirs(train: np.ndarray, rows: np.ndarray, names: tuple[str, ...], **options: object) -> dict[str, np.ndarray]:
    encoder = OneHotEncoder(sparse_output=False, dtype=np.float32, **options).fit(train)
    ours = encoder.get_feature_names_out(names)
    renamed = [n.replace("_infrequent_sklearn", " is rare").replace("_", "=", 1) for n in ours]
    return dict(zip(renamed, encoder.transform(rows).T, strict=True))


@pytest.mark.parametrize("least", [1, 12, 0.15])
def test_it_is_the_one_hot_encoder(block, least):
    """Rare values share an output, unknown ones go with them, or are 0 everywhere."""
    drawn = np.random.default_rng(3).choice(7, p=[0.4, 0.2, 0.15, 0.1, 0.05, 0.05, 0.05], size=(150, 2))
    train = LETTERS[drawn]
    rows = np.vstack([train[:20], [["never", "a"], ["b", "seen"]]])
    fitted = OneHot(min_frequency=float(least)).fit([block(Form.STRINGS, *train.T)], None, seed=0)
    ours = dict(zip(fitted.names, apply(fitted, block(Form.STRINGS, *rows.T)).T, strict=True))
    theirs = _theirs(
        train, rows, ("a", "b"), min_frequency=least if least != 1 else None, handle_unknown="infrequent_if_exist"
    )
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_the_most_frequent_values_are_kept(block):
    """`max_categories` counts the values told apart; the rest are rare; ties go by the alphabet."""
    columns = block(Form.STRINGS, ["b", "b", "d", "c", "a", "a", ""])
    fitted = OneHot(max_categories=3).fit([columns], None, seed=0)
    assert fitted.names == ("a=a", "a=b", "a=c", "a is rare", "a is missing")
    assert apply(fitted, columns).argmax(axis=1).tolist() == [1, 1, 3, 2, 0, 0, 4]
    assert apply(fitted, columns).sum(axis=1).tolist() == [1.0] * 7


@pytest.mark.parametrize(("unknown", "expected"), [("rare", "a is rare"), ("zeros", None), ("own", "a is unknown")])
def test_an_unknown_value_goes_where_it_is_told(block, unknown, expected):
    """With the rare ones, nowhere, or to an output of its own; seen rare values stay rare."""
    columns = block(Form.STRINGS, ["a", "a", "b", "c"], ["x", "x", "x", "x"])
    fitted = OneHot(min_frequency=2.0, unknown=unknown).fit([columns], None, seed=0)
    seen, new = (
        {fitted.names[j] for j in np.flatnonzero(row)}
        for row in apply(fitted, block(Form.STRINGS, ["b", "new"], ["x", "x"]))
    )
    assert seen == {"a is rare", "b=x"}
    assert new == {"b=x"} | ({expected} if expected else set())


def test_a_value_missing_for_the_first_time_is_zero_everywhere(block):
    """It is neither rare nor unknown."""
    fitted = OneHot(min_frequency=2.0).fit([block(Form.STRINGS, ["a", "a", "b"])], None, seed=0)
    assert apply(fitted, block(Form.STRINGS, [""])).tolist() == [[0.0, 0.0]]


def test_values_do_not_leak_between_columns(block):
    """The same word in two columns is two values, also where it looks like another column's."""
    columns = block(Form.STRINGS, ["0\x1fx", "x"], ["x", "0\x1fx"])
    fitted = OneHot().fit([columns], None, seed=0)
    output = dict(zip(fitted.names, apply(fitted, columns).T.tolist(), strict=True))
    assert output == {"a=0\x1fx": [1, 0], "a=x": [0, 1], "b=0\x1fx": [0, 1], "b=x": [1, 0]}


def test_no_rows_give_no_rows(block):
    """An empty batch passes through."""
    fitted = OneHot().fit([block(Form.STRINGS, ["a", "b"])], None, seed=0)
    assert apply(fitted, block(Form.STRINGS, [])).shape == (0, 2)
