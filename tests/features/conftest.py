"""Tables and short ways for the tests of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.features.fit import fit_recipe
from penstock.features.fitted import FittedRecipe
from penstock.features.recipe import Recipe
from penstock.features.step import Columns, Form
from penstock.features.tail import Tail

_TYPES = {Form.NUMBERS: np.float32, Form.STRINGS: object, Form.TEXTS: object, Form.TIMES: np.int64}


@pytest.fixture
def block() -> Callable[..., Columns]:
    """Columns from lists: ``block(Form.NUMBERS, [1, 2], [3, 4])``."""

    def make(form: Form, *columns: Sequence[Any], names: Sequence[str] = ()) -> Columns:
        values = np.empty((len(columns[0]), len(columns)), dtype=_TYPES[form])
        for j, column in enumerate(columns):
            values[:, j] = column
        return Columns(values, tuple(names) or tuple("abcdefghij"[: len(columns)]), form)

    return make


@pytest.fixture
def table() -> Callable[..., tuple[Frame, list[ColumnSpec]]]:
    """A frame and its specs: ``table(age=("numeric", [1.0, None]))``."""

    def make(**columns: tuple[str, Sequence[Any]]) -> tuple[Frame, list[ColumnSpec]]:
        kinds = {name: Kind(kind) for name, (kind, _) in columns.items()}
        arrays = {name: typed_array(list(values), kinds[name]) for name, (_, values) in columns.items()}
        return Frame(arrays, kinds), [ColumnSpec(name, kind) for name, kind in kinds.items()]

    return make


@pytest.fixture
def fit() -> Callable[..., FittedRecipe]:
    """Fit the text of a recipe on a table without a target."""

    def make(text: str, frame: Frame, specs: Sequence[ColumnSpec], tail: Tail | None = None) -> FittedRecipe:
        return fit_recipe(Recipe.parse(text), tail, frame, specs, None, Task.REGRESSION, 0)

    return make
