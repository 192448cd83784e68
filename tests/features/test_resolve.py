"""Plans: equal expressions once, neighbours together, tails at the end, and nothing that is not needed."""

from __future__ import annotations

import pytest

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError
from penstock.features.plan import Plan, Result, Source
from penstock.features.recipe import Recipe
from penstock.features.resolve import meanings, resolve
from penstock.features.tail import LINEAR, TREES, Tail

SPECS = [
    ColumnSpec("a", Kind.NUMERIC),
    ColumnSpec("b", Kind.NUMERIC),
    ColumnSpec("c", Kind.CATEGORICAL),
    ColumnSpec("d", Kind.BINARY),
    ColumnSpec("t", Kind.DATETIME),
    ColumnSpec("x", Kind.TEXT),
]


def _plan(text: str, tail: Tail | None = None) -> Plan:
    return resolve(Recipe.parse(text), SPECS, tail)


def _steps(plan: Plan) -> list[str]:
    return [node.step for node in plan.nodes.values()]


def test_equal_expressions_are_one_node() -> None:
    """Whatever they are called, and with defaults written out or not."""
    plan = _plan(
        'outputs = ["standardise(m)", "quantile_bin(impute(a, auto))", "quantile_bin(impute(a), 10)"]\n'
        '[assignments]\nm = "impute(a)"'
    )
    assert _steps(plan) == ["impute", "standardise", "quantile_bin"]


def test_neighbours_with_the_same_step_are_one_block() -> None:
    """One operator over both columns; the order of outputs stays."""
    plan = _plan('outputs = ["standardise(impute(a))", "standardise(impute(b))", "ordinal(c)"]')
    assert [(node.step, len(node.inputs[0])) for node in plan.nodes.values()] == [
        ("ordinal", 1),
        ("impute", 2),
        ("standardise", 1),
    ]


def test_other_parameters_stay_apart() -> None:
    """Merging must not change what is asked for."""
    plan = _plan('outputs = ["quantile_bin(a, 3)", "quantile_bin(b, 4)"]')
    assert _steps(plan) == ["quantile_bin", "quantile_bin"]


def test_a_call_on_mixed_columns_is_split_by_form() -> None:
    """Each form is fitted on its own."""
    plan = _plan('outputs = ["impute(group(a, c, d))"]')
    assert [[piece.name for piece in node.inputs[0]] for node in plan.nodes.values()] == [["a"], ["c", "d"]]


def test_what_no_output_needs_is_not_in_the_plan() -> None:
    """Unused columns do not become inputs of the graph."""
    plan = _plan('outputs = ["a"]\n[assignments]\nunused = "standardise(b)"')
    assert _steps(plan) == []
    assert plan.sources == (Source("a", Kind.NUMERIC),)


def test_an_empty_group_is_no_error_beside_others() -> None:
    """A recipe suits tables that lack a kind."""
    text = 'outputs = ["ALL_NUMERIC", "tfidf(ALL_TEXT)"]'
    assert _steps(resolve(Recipe.parse(text), SPECS[:2])) == []


def test_a_tower_of_steps_that_each_read_the_one_below_twice_has_a_meaning() -> None:
    """Each step is asked for its meaning once, and what is inside it is told in little: written out, there are 2^14 of it."""

    def tower(bottom: str) -> Recipe:
        lines = [f'z{k} = "pca(group(z{k - 1}, log(z{k - 1})), 2)"' for k in range(1, 15)]
        return Recipe.parse("\n".join(['outputs = ["z14"]', "[assignments]", f'z0 = "{bottom}"', *lines]))

    low, same, other = (meanings(tower(bottom), SPECS) for bottom in ("a", "group(a)", "b"))
    assert low == same
    assert all(low.definitions[name] != other.definitions[name] for name in low.definitions)
    assert low.outputs["z14"] == low.definitions["z14"]
    assert max(len(text) for meaning in low.definitions.values() for text in meaning) <= 200


def test_the_tail_of_trees_makes_numbers_of_the_rest() -> None:
    """Numbers are left as they are; results that are numbers too."""
    plan = _plan('outputs = ["ALL_INPUTS", "quantile_bin(a)"]', TREES)
    assert sorted(_steps(plan)) == ["date_parts", "ordinal", "quantile_bin", "tfidf"]
    assert all(piece.kind is Kind.NUMERIC for piece in plan.outputs)


def test_the_linear_tail_leaves_alone_what_is_ready() -> None:
    """Zeros and ones of one-hot, tf-idf and indicators are not standardised; date parts are."""
    plan = _plan('outputs = ["ALL_INPUTS", "missing_indicator(b)"]', LINEAR)
    scaled = next(node for node in plan.nodes.values() if node.step == "standardise")
    (filled,) = scaled.inputs[0]
    assert isinstance(filled, Result)
    inside = plan.nodes[filled.node].inputs[0]
    assert [p.name if isinstance(p, Source) else plan.nodes[p.node].step for p in inside] == ["a", "b", "date_parts"]


def test_what_no_tail_finishes_is_refused() -> None:
    """A learner sees numbers only."""
    with pytest.raises(RecipeError, match="column 'c' comes out of the recipe as categorical"):
        _plan('outputs = ["a", "c"]', Tail(strings=()))
