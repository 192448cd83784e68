"""`[goal]`, `[scope]`, `[recipe]`, `[search]`, `[retrain]`: what is good enough, where it will work, and how it is learned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from penstock.project.sections.section import Fault, Section, not_positive


class CostsSection(Section, frozen=True):
    """What a wrong answer costs, in whatever unit; of two classes."""

    false_positive: float
    false_negative: float

    def faults(self) -> Iterator[Fault]:
        yield from not_positive(self, "false_positive", "false_negative")


class GoalSection(Section, frozen=True):
    metric: str | None = None  # default: the task's usual one
    at_least: float | None = None
    at_most: float | None = None
    human_level: float | None = None
    costs: CostsSection | None = None  # default: the threshold is the best for the metric

    def faults(self) -> Iterator[Fault]:
        if self.at_least is not None and self.at_most is not None:
            yield "", "it has both at_least and at_most", "keep the one that fits the metric"


class ScopeSection(Section, frozen=True):
    use: Literal["realtime", "batch"] = "realtime"
    target: Literal["server", "edge", "browser", "mobile"] = "server"
    cores: float | None = None
    memory_mb: float | None = None
    size_mb: float | None = None
    latency_ms: float | None = None
    requests_per_s: float | None = None

    def faults(self) -> Iterator[Fault]:
        yield from not_positive(self, "cores", "memory_mb", "size_mb", "latency_ms", "requests_per_s")


class RecipeSection(Section, frozen=True):
    file: str = "recipe.toml"


class SearchSection(Section, frozen=True):
    budget: str = "5m"
    strategy: str = "bayesian"
    learners: tuple[str, ...] | None = None  # default: all that suit
    seed: int = 0
    workers: int | None = None  # default: one per core
    imbalance: Literal["none", "weights", "oversample", "undersample", "smote", "search"] | None = None
    max_rows: int | None = None  # of a part, at once; default: what a quarter of the memory holds

    def faults(self) -> Iterator[Fault]:
        yield from not_positive(self, "workers", "max_rows")


class RetrainSection(Section, frozen=True):
    minimum_labels: int = 20
    budget: str | None = None  # default: [search] budget

    def faults(self) -> Iterator[Fault]:
        yield from not_positive(self, "minimum_labels")
