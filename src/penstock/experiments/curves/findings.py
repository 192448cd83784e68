"""One thing that training curves show, with its reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal[
    "not-finite", "diverging", "exploding-gradients", "vanishing-gradients", "overfitting", "underfitting", "plateau",
    "converged",
]  # fmt: skip
ORDER: tuple[Kind, ...] = (
    "not-finite", "diverging", "exploding-gradients", "vanishing-gradients", "overfitting", "underfitting", "plateau",
    "converged",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a curve shows.

    Attributes
    ----------
    metric : the series that shows it. why : a sentence with the figures.
    step, elapsed_s : from when on; None where it holds of the whole run.
    """

    kind: Kind
    metric: str
    why: str
    step: float | None = None
    elapsed_s: float | None = None
    figures: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}"
