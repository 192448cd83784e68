"""What it costs to ask for the inputs of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.bundle.packing import Layout
    from penstock.features.plan import Plan


@dataclass(frozen=True)
class Costs:
    """What it costs to ask for the inputs of one prediction.

    Attributes
    ----------
    unit : of all costs: money, milliseconds; "" where the recipe does not say.
    columns : cost of each column that the model needs and that costs anything.
    saved : cost of each that the recipe names and the model does not need, because selection dropped it.
    """

    unit: str
    columns: Mapping[str, float]
    saved: Mapping[str, float]

    @classmethod
    def of(cls, unit: str, plan: Plan, layout: Layout) -> Costs:
        needed = {*layout.numbers, *layout.strings, *layout.times}
        named = {name for source in plan.sources for name in source.columns}
        return cls(
            unit,
            {name: cost for name, cost in plan.costs.items() if name in needed},
            {name: cost for name, cost in plan.costs.items() if name in named - needed},
        )

    @property
    def total(self) -> float:
        """Of one prediction."""
        return float(sum(self.columns.values()))

    def to_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "total": self.total, "columns": dict(self.columns), "saved": dict(self.saved)}
