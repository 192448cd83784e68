"""Fitting a recipe on training rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Task
from penstock.bundle.packing import Layout, pack
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError, SchemaMismatch
from penstock.features.costs import Costs
from penstock.features.decoder_bins import with_edges
from penstock.features.fitted import FittedRecipe
from penstock.features.fitter import Fitter
from penstock.features.narrow import narrow
from penstock.features.offsets import offsets_of, with_origins
from penstock.features.plan import Plan
from penstock.features.recipe import Recipe
from penstock.features.resolve import resolve
from penstock.features.selection import FittedSelection, Selection
from penstock.features.step import FORMS, CrossFitted, Form, Target
from penstock.features.tail import Tail


def fit_recipe(
    recipe: Recipe,
    tail: Tail | None,
    frame: Frame,
    specs: Sequence[ColumnSpec],
    y: np.ndarray | None,
    task: Task,
    seed: int,
    *,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
    gap: float = 0.0,
) -> FittedRecipe:
    """Learn all steps of a recipe, and of a learner's tail, from training rows.

    Parameters
    ----------
    recipe : what to do with which columns.
    tail : what the learner wants of the outputs; None for nothing (then all outputs must be numbers already).
    frame : training rows, with at least the columns that the recipe uses.
    specs : the columns that the recipe may use (not the target).
    y : the target, shape (n_rows,): class numbers or float64; None where no step looks at it.
    seed : for steps that draw random numbers.
    groups, times, gap : of the rows, by the rule of their split; see `penstock.features.step.Target`.

    Raises
    ------
    RecipeError : a name, step, parameter or kind is wrong, no feature is left, or there is no row.
    """
    whole = resolve(recipe, specs, tail if tail is not None else Tail(strings=(), texts=(), times=()))
    if len(frame) == 0:
        raise RecipeError(
            "the recipe cannot be fitted on no rows", why="its steps learn from rows", way_out="check the split"
        )
    layout = _layout(whole, specs)
    absent = [name for name in (*layout.numbers, *layout.strings, *layout.times) if name not in frame]
    if absent:
        raise SchemaMismatch(
            f"the table has no column {absent[0]!r}",
            why="the recipe uses it",
            way_out="give all columns of the decoder",
        )
    own = offsets_of(frame, layout.numbers)
    target = None if y is None else Target(y, task, groups, times, gap)
    whole = with_edges(whole, frame, own, target)
    layout = _layout(whole, specs).with_offsets(own)
    offsets = with_origins(dict(layout.offsets), specs)
    fitter = Fitter(whole, layout, pack(frame, layout, order="F"), target, seed, offsets)
    selections = tuple(
        Selection(whole.nodes[n].step, step.choices)
        for n, step in fitter.fit().items()
        if isinstance(step, FittedSelection)
    )
    names = _unique(fitter.names(whole.outputs))
    plan, fitted = narrow(whole, fitter)
    if plan is not whole:
        layout = _layout(plan, specs).with_offsets(dict(layout.offsets))
    crossed = {n: step.training_values for n, step in fitted.items() if isinstance(step, CrossFitted)}
    if not names:
        raise RecipeError(
            "the recipe leaves no feature",
            why="all of its steps found nothing to learn in the training rows",
            way_out="use more columns, or keep rarer values",
        )
    costs = Costs.of(recipe.cost_unit, whole, layout)
    return FittedRecipe(layout, tuple(names), plan, fitted, crossed, selections, costs, offsets)


def _layout(plan: Plan, specs: Sequence[ColumnSpec]) -> Layout:
    """The packed inputs of a plan."""
    used = {name for source in plan.sources for name in source.columns}
    # One form stands together, so that a block of one form is a slice of its packed input.
    in_use = sorted((spec for spec in specs if spec.name in used), key=lambda spec: list(Form).index(FORMS[spec.kind]))
    return Layout.of(in_use, [(s.name, s.prepared) for s in plan.sources if s.prepared is not None])


def _unique(names: Sequence[str]) -> list[str]:
    """Names, those that occur again with a number behind them.

    >>> _unique(["age", "job", "age"])
    ['age', 'job', 'age (2)']
    """
    unique: dict[str, None] = {}
    for name in names:
        number, wanted = 1, name
        while wanted in unique:
            number += 1
            wanted = f"{name} ({number})"
        unique[wanted] = None
    return list(unique)
