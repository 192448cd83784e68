"""`[evaluation]` and `[[gates]]`: what is scored apart, and what a model must meet to pass."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.project.sections.section import Fault, Section

FOLDS = (2, 100)
"""The fewest and the most outer folds: one is held back while the others are learned from, and each is a whole search."""


class EvaluationSection(Section, frozen=True):
    slices: tuple[str | tuple[str, ...], ...] = ()
    protected: tuple[str, ...] = ()
    nested: int = 5  # outer folds of `penstock evaluate`

    def faults(self) -> Iterator[Fault]:
        if not FOLDS[0] <= self.nested <= FOLDS[1]:
            yield "nested", f"{self.nested} is not from {FOLDS[0]} to {FOLDS[1]}", "write 5"


class GateSection(Section, frozen=True):
    metric: str = ""
    at_least: float | None = None
    at_most: float | None = None
    slice: str | None = None
    beats_baseline: bool = False
    reproducible: bool = False  # the run that made the model was done again, and gave the same
    id: str | None = None

    def faults(self) -> Iterator[Fault]:
        if (self.at_least is not None) + (self.at_most is not None) + self.beats_baseline + self.reproducible != 1:
            yield (
                "",
                "a gate has exactly one of at_least, at_most, beats_baseline and reproducible",
                "write for example at_least = 0.8",
            )
        if bool(self.metric or self.slice) == self.reproducible:
            yield (
                "",
                "every gate is about a metric, but for reproducible = true, which has neither metric nor slice",
                'write metric = "roc_auc", or reproducible = true alone',
            )
