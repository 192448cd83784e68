"""Fitting and applying a recipe as a whole."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import sparse
from spox import Tensor, argument, build

from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Task
from penstock.bundle.packing import pack
from penstock.errors import RecipeError, SchemaMismatch
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.tail import LINEAR, TREES, Tail

DAY_US = 86_400_000_000


@pytest.fixture
def people(table):
    """Five rows of every kind, with gaps."""
    return table(
        age=("numeric", [40.0, None, 20.0, 60.0, 40.0]),
        height=("numeric", [1.5, 1.6, 1.7, 1.8, 1.9]),
        job=("categorical", ["cook", "nurse", None, "cook", "ärztin"]),
        loan=("binary", ["yes", "no", "no", "yes", None]),
        note=("text", ["Free PRIZE!", "prize, now", "", None, "now or never"]),
        since=("datetime", [0, DAY_US, None, 40 * DAY_US, 400 * DAY_US]),
    )


def test_features_are_what_the_steps_say_in_the_order_of_the_outputs(people, fit):
    """Names and values, from the typed table to one matrix."""
    fitted = fit('outputs = ["one_hot(loan)", "impute(age)", "height"]', *people)
    assert fitted.names == ("loan=no", "loan=yes", "loan is missing", "impute(age)", "height")
    assert fitted.transform(people[0])[[0, 1, 4]].tolist() == [
        [0.0, 1.0, 0.0, 40.0, 1.5],
        [1.0, 0.0, 0.0, 40.0, np.float32(1.6)],
        [0.0, 0.0, 1.0, 40.0, np.float32(1.9)],
    ]


def test_only_columns_in_use_are_inputs(people, fit):
    """The others need not even be sent."""
    fitted = fit('outputs = ["ordinal(job)", "height"]', *people)
    assert (fitted.layout.numbers, fitted.layout.strings, fitted.layout.times) == (("height",), ("job",), ())
    assert fitted.transform(people[0].select(["job", "height"])).shape == (5, 2)


def test_a_step_learns_from_what_the_graph_makes_of_the_level_before(people, fit):
    """The mean of the filled column, not of the column."""
    fitted = fit('outputs = ["standardise(impute(age, constant, 1000))"]', *people)
    assert fitted.transform(people[0]).mean() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("tail", [TREES, LINEAR])
def test_a_tail_makes_a_matrix_of_all_kinds(people, fit, tail):
    """The default recipe with each learner's tail; the linear one has no missing value left."""
    fitted = fit('outputs = ["ALL_INPUTS"]', *people, tail)
    features = fitted.transform(people[0])
    assert features.dtype == np.float32
    assert features.flags["C_CONTIGUOUS"]
    assert features.shape == (5, len(fitted.names))
    assert np.isnan(features).any() == (tail is TREES)


def test_the_linear_tail_marks_only_what_was_missing(people, fit):
    """height had no gap."""
    names = fit('outputs = ["age", "height"]', *people, LINEAR).names
    assert names == ("age", "height", "age is missing")


@pytest.mark.parametrize("tail", [TREES, LINEAR])
def test_features_are_named_by_the_expression_that_makes_them(people, fit, tail):
    """Whatever else is in the recipe, and whatever a learner does to finish them; learners and reports index by name."""
    for others in ([], ["height"], ["log(height)"]):
        outputs = [*others, "age", "standardise(age)", "quantile_bin(log(age), 3)", "clamp(age, 0.05)"]
        names = fit(f"outputs = {outputs!r}".replace("'", '"'), *people, tail).names
        assert set(names) >= {
            *("age", "standardise(age)", "quantile_bin(log(age), bins=3)", "clamp(age, low=0.05)"),
            *others,
        }
        assert not any("(2)" in name for name in names)


def test_neighbours_that_a_tail_brings_together_keep_their_names(people, fit):
    """The categories between them are finished first."""
    names = fit('outputs = ["log(age)", "loan", "log(height)"]', *people, LINEAR).names
    assert {"log(age)", "log(height)"} < set(names)


def test_a_selection_among_forms_of_one_column_says_which_it_kept(people, fit):
    """They had one name."""
    fitted = fit('outputs = ["select_variance(group(age, log(age)))", "ordinal(job)"]', *people)
    assert [choice.name for choice in fitted.selections[0].columns] == ["age", "log(age)"]


def test_what_a_step_cannot_tell_apart_is_numbered(people, fit):
    """The first power of a column is the column."""
    assert fit('outputs = ["age", "polynomial(age)"]', *people).names == ("age", "age (2)", "age^2")


def test_the_same_fit_gives_the_same_bytes(people, fit):
    """Bundles are addressed by digest."""
    text = 'outputs = ["ALL_INPUTS", "quantile_bin(age, 3)", "missing_indicator(ALL_INPUTS)"]'
    first, second = fit(text, *people, LINEAR), fit(text, *people, LINEAR)
    assert first.model() == first.model() == second.model()


def test_a_fitted_recipe_travels_between_processes(people, fit):
    """With or without a session that is open."""
    fitted = fit('outputs = ["ALL_INPUTS"]', *people, TREES)
    expected = fitted.transform(people[0])
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301 - our own bytes
    assert again.model() == fitted.model()
    assert np.array_equal(again.transform(people[0]), expected, equal_nan=True)


def test_it_can_be_written_into_a_larger_graph(people, fit):
    """As packaging does, behind inputs of its own."""
    fitted = fit('outputs = ["ALL_INPUTS"]', *people, TREES)
    inputs = {
        "numbers": argument(Tensor(np.float32, ("n", 2))),
        "strings": argument(Tensor(np.str_, ("n", 3))),
        "times": argument(Tensor(np.int64, ("n", 1))),
    }
    session = open_session(build(inputs, {"x": fitted.emit(inputs)}).SerializeToString())
    output = session.run(None, pack(people[0], fitted.layout))[0]
    assert np.array_equal(output, fitted.transform(people[0]), equal_nan=True)


def test_no_rows_give_no_rows(people, fit):
    """An empty part of a data set, dense or sparse."""
    fitted = fit('outputs = ["ALL_INPUTS"]', *people, TREES)
    assert fitted.transform(people[0].take(slice(0, 0))).shape == (0, len(fitted.names))


def test_one_row_can_be_fitted(people, fit):
    """There is little to learn, but nothing fails."""
    frame, specs = people
    row = frame.take(slice(1, 2))
    assert fit('outputs = ["ALL_INPUTS"]', row, specs, LINEAR).transform(row).shape[0] == 1


def test_a_wide_matrix_is_sparse_and_the_same(table, fit):
    """More than 2,000 features come as CSR, in row chunks, equal to the graph's dense answer."""
    words = [" ".join(f"w{(7 * i + j) % 2500}" for j in range(9)) for i in range(2600)]
    frame, specs = table(note=("text", words), size=("numeric", [*range(2599), None]))
    fitted = fit('outputs = ["tfidf(note)", "size"]', frame, specs)
    features = fitted.transform(frame)
    assert sparse.isspmatrix_csr(features)
    assert features.dtype == np.float32
    dense = open_session(fitted.model()).run(None, pack(frame.take(slice(2500, None)), fitted.layout))[0]
    assert np.array_equal(features[2500:].toarray(), dense, equal_nan=True)
    assert fitted.transform(frame.take(slice(0, 0))).shape == (0, fitted.width)


def test_a_step_that_finds_nothing_leaves_the_rest(table, fit):
    """No term is frequent enough; what is built on it is gone too."""
    frame, specs = table(note=("text", ["a", "b"]), size=("numeric", [1.0, 2.0]))
    fitted = fit('outputs = ["standardise(group(tfidf(note), size))", "quantile_bin(tfidf(note))"]', frame, specs)
    assert fitted.names == ("standardise(size)",)
    assert fitted.transform(frame).tolist() == [[-1.0], [1.0]]


def test_a_recipe_that_leaves_no_feature_is_refused(table, fit):
    """With what to do instead."""
    frame, specs = table(note=("text", ["a", "b"]))
    with pytest.raises(RecipeError, match="leaves no feature"):
        fit('outputs = ["tfidf(note)"]', frame, specs)


def test_fitting_on_no_rows_is_refused(people, fit):
    """There is nothing to learn from."""
    frame, specs = people
    with pytest.raises(RecipeError, match="no rows"):
        fit('outputs = ["age"]', frame.take(slice(0, 0)), specs)


def test_strings_that_nobody_makes_numbers_of_are_refused(people, fit):
    """Without a tail the recipe itself must."""
    with pytest.raises(RecipeError, match="column 'job' comes out of the recipe as categorical"):
        fit('outputs = ["job"]', *people)


def test_a_column_that_the_table_lacks_is_named(people, fit):
    """The specs promise it, the rows do not have it."""
    frame, specs = people
    with pytest.raises(SchemaMismatch, match="'age'"):
        fit('outputs = ["age"]', frame.select(["job"]), specs)


def test_two_thousand_columns_are_one_operator(table):
    """A wide table is fitted and applied as a block."""
    rows = np.random.default_rng(0).normal(size=(20, 2000))
    frame, specs = table(**{f"c{j}": ("numeric", rows[:, j]) for j in range(2000)})
    recipe = Recipe.parse('outputs = ["ALL_NUMERIC"]')
    fitted = fit_recipe(recipe, Tail(numbers=("standardise(x)",)), frame, specs, None, Task.REGRESSION, 0)
    assert len(fitted.model()) < 100_000
    assert np.allclose(fitted.transform(frame), (rows - rows.mean(0)) / rows.std(0), atol=1e-5)


def test_names_that_double_with_each_step_end_in_an_error(table, fit):
    """Twenty products of products had three names of eight million characters each."""
    frame, *more = table(**{name: ("numeric", [1.0, 2.0, 4.0]) for name in "abc"})
    levels = "\n".join(
        f'z{level} = "products({f"z{level - 1}" if level else "group(a, b, c)"})"' for level in range(20)
    )
    with pytest.raises(RecipeError, match=r"a column that 'products' makes is called by 1[0-9],[0-9]{3} characters"):
        fit(f'outputs = ["z19"]\n[assignments]\n{levels}\n', frame, *more)
