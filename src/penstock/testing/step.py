"""The duties of a step of a recipe, as tests.

Inherit and supply the fixture `step`, a step with the parameters that you want held to them::

    class TestMyStep(StepContract):
        @pytest.fixture
        def step(self):
            return MyStep(strength=3)

`odd_columns` makes the table on which a step is tried, `apply` runs a fitted step as the graph does. The duties themselves need no
pytest: they are `penstock.features.duties.StepDuties`, which `penstock recipe check` asks, too.
"""

from __future__ import annotations

from typing import Any

import pytest

from penstock.features.duties import (
    ODD,
    NotAsked,
    StepDuties,
    apply,
    forms_of,
    model,
    odd_columns,
    same_bits,
)

__all__ = ["ODD", "StepContract", "apply", "forms_of", "model", "odd_columns", "same_bits"]


class StepContract(StepDuties):
    """What `penstock.features.step.Step` and `FittedStep` promise."""

    def test_columns_side_by_side_are_fitted_as_each_alone(self, step: Any) -> None:
        """What `columnwise` claims: neighbours do not change each other's outputs."""
        try:
            super().test_columns_side_by_side_are_fitted_as_each_alone(step)
        except NotAsked as reason:
            pytest.skip(str(reason))
