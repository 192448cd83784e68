"""What selection drops is not asked for any more; and what a prediction costs."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.fitted import FittedRecipe
from penstock.features.fitter import Fitter
from penstock.features.recipe import Recipe
from penstock.features.tail import LINEAR, TREES

ROWS = 800


@pytest.fixture(scope="module")
def rows() -> tuple[Frame, list[ColumnSpec], np.ndarray]:
    """Eight numbers, of which two tell something, and two categories, of which one does."""
    random = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {f"n{i}": random.normal(size=ROWS) for i in range(8)}
    columns |= {name: random.choice(list("abc"), ROWS).astype(object) for name in ("job", "town")}
    y = (columns["n0"] + columns["n1"] + (columns["job"] == "a") + 0.3 * random.normal(size=ROWS) > 0).astype(np.int64)
    columns["n1"][::9] = np.nan
    kinds = {name: Kind.NUMERIC if name[0] == "n" else Kind.CATEGORICAL for name in columns}
    return Frame(columns, kinds), [ColumnSpec(name, kind) for name, kind in kinds.items()], y


def _fit(text: str, rows, tail=TREES) -> FittedRecipe:
    frame, specs, y = rows
    return fit_recipe(Recipe.parse(text), tail, frame, specs, y, Task.BINARY, 0)


@pytest.mark.parametrize("tail", [TREES, LINEAR], ids=["trees", "linear"])
@pytest.mark.parametrize(
    "text",
    [
        'outputs = ["select_l1(ALL_NUMERIC, 0.2)", "select_information(ALL_CATEGORICAL, 0.02)"]',
        'outputs = ["select_l1(standardise(impute(ALL_NUMERIC)), 0.2)"]',
        'outputs = ["select_information(one_hot(ALL_CATEGORICAL), 0.02)", "n3"]',
        'outputs = ["select_l1(target_encode(ALL_CATEGORICAL), 0.2)"]',
        'outputs = ["quantile_bin(select_l1(standardise(group(n0, n1, n2, n3)), 0.2), 4, one_hot)"]',
    ],
)
def test_the_features_are_the_same_without_the_dropped_columns(text, tail, rows):
    """Bit for bit those of the recipe that names the kept columns by hand, and of the graph before it was narrowed."""
    fitted = _fit(text, rows, tail)
    needed = {*fitted.layout.numbers, *fitted.layout.strings}
    assert needed < set(rows[0].columns)
    whole = fitted.transform(rows[0])
    assert whole.shape == (ROWS, len(fitted.names))
    only = rows[0].select([name for name in rows[0].columns if name in needed])
    assert np.array_equal(fitted.transform(only), whole, equal_nan=True)
    assert all(any(column in name for column in needed) for name in fitted.names)


def test_by_hand_it_is_the_same(rows):
    """A selection is the recipe of the columns that it keeps."""
    chosen = _fit('outputs = ["select_l1(standardise(ALL_NUMERIC), 0.2)"]', rows)
    by_hand = _fit(f'outputs = ["standardise(group({", ".join(chosen.layout.numbers)}))"]', rows)
    assert set(chosen.layout.numbers) == {"n0", "n1"}
    assert chosen.layout == by_hand.layout
    assert np.array_equal(chosen.transform(rows[0]), by_hand.transform(rows[0]), equal_nan=True)


def test_columns_that_another_output_needs_stay(rows):
    """Dropped by a selection, and used beside it; and a step over several columns keeps all of its own."""
    fitted = _fit('outputs = ["select_l1(standardise(ALL_NUMERIC), 0.2)", "n5", "pca(group(n6, n7), 1)"]', rows)
    assert set(fitted.layout.numbers) == {"n0", "n1", "n5", "n6", "n7"}
    mixed = _fit('outputs = ["select_l1(pca(ALL_NUMERIC, 8), 0.2)"]', rows)
    assert len(mixed.layout.numbers) == 8


def test_a_selection_that_keeps_nothing_leaves_the_rest(rows):
    """And a recipe of nothing else is refused."""
    fitted = _fit('outputs = ["select_information(town, 0.5)", "n0"]', rows)
    assert (fitted.names, fitted.layout.strings) == (("n0",), ())
    with pytest.raises(RecipeError, match="leaves no feature"):
        _fit('outputs = ["select_information(town, 0.5)"]', rows)


COSTS = """\
cost_unit = "EUR"
outputs = ["select_information(ALL_NUMERIC, 0.002, price={price})", "job"]
[costs]
n0 = 0.5
n1 = 0.25
n6 = 1
job = 0.125
"""


def test_the_cost_of_a_prediction_is_that_of_the_inputs_it_needs(rows):
    """Columns that were dropped are told beside it."""
    fitted = _fit(COSTS.format(price=0), rows)
    assert fitted.costs.unit == "EUR"
    assert {"n0", "n1", "job"} <= set(fitted.costs.columns)
    assert fitted.costs.total == sum(fitted.costs.columns.values())
    cheaper = _fit(COSTS.format(price=0.2), rows)
    assert "n0" not in cheaper.layout.numbers or "n6" not in cheaper.layout.numbers
    assert cheaper.costs.total < fitted.costs.total or cheaper.costs.saved
    assert "n6" in cheaper.costs.saved
    dear = _fit(COSTS.format(price=1e6), rows)
    assert set(dear.costs.columns) == {"job"}
    (selection,) = dear.selections
    assert "for a cost of 0.5" in selection.columns[0].why
    assert selection.step == "select_information"
    assert not any(choice.kept for choice in selection.columns)  # so that nothing of it is in the plan


def test_what_columns_are_made_of_is_asked_of_each_step_once(rows, monkeypatch):
    """Each of these steps reads the one below twice: there are 1,024 ways to the column at the bottom."""
    asked = []
    origins = Fitter.origins
    monkeypatch.setattr(Fitter, "origins", lambda self, block: (asked.append(block), origins(self, block))[1])
    lines = "\n".join(f'z{k} = "pca(group(z{k - 1}, log(z{k - 1})), 1)"' for k in range(1, 11))
    fitted = _fit(f'outputs = ["z10"]\n[costs]\nn0 = 1\n[assignments]\nz0 = "n0"\n{lines}', rows)
    assert fitted.costs.columns == {"n0": 1.0}
    assert 20 <= len(asked) < 100


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('outputs = ["n0"]\n[costs]\njop = 1', "line 3, column 1", "did you mean 'job'"),
        ('outputs = ["n0"]\n[costs]\nn0 = -1', "line 3, column 1", "from 0 to"),
        ('outputs = ["n0"]\n[costs]\nn0 = "dear"', "line 3, column 1", "from 0 to"),
        ('outputs = ["n0"]\n[costs]\nn0 = nan', "line 3, column 1", "from 0 to"),
        ('costs = 3\noutputs = ["n0"]', "line 1, column 1", "is not a table"),
        ('cost_unit = 3\noutputs = ["n0"]', "line 1, column 1", "is 3"),
    ],
)
def test_wrong_costs_are_refused_where_they_stand(text, place, said, rows):
    """With line and column, what is expected, and the nearest name."""
    with pytest.raises(RecipeError) as refused:
        _fit(text, rows)
    assert place in str(refused.value)
    assert said in str(refused.value)


def test_costs_are_part_of_what_a_recipe_says():
    """In its fixed layout, and read back; those of Amazon's JSON know none."""
    recipe = Recipe.parse('outputs=["a"]\ncost_unit="ms"\n[costs]\n"b.c"=2\na=1')
    assert recipe.canonical() == 'outputs = ["a"]\ncost_unit = "ms"\n\n[costs]\n"a" = 1.0\n"b.c" = 2.0\n'
    assert Recipe.parse(recipe.canonical()) == recipe
    with pytest.raises(RecipeError, match="unknown section"):
        Recipe.parse('{"outputs": ["a"], "costs": {}}')
