"""`[goal]`, `[scope]`, `[quantise]`, `[recipe]`, `[search]`, `[retrain]`: what is good enough, where it will work, and how it is learned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from penstock.project.sections.section import Fault, Section, Share, not_positive


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


class QuantiseSection(Section, frozen=True):
    forms: tuple[Literal["float16", "int8-dynamic", "int8-static", "int4"], ...] = (
        "float16",
        "int8-dynamic",
        "int8-static",
        "int4",
    )
    max_loss: Share = 0.01  # of the goal's metric, at the worse end of the interval
    max_changed: Share = 0.02  # of answers
    rows: int = 512  # training rows that calibrate

    def faults(self) -> Iterator[Fault]:
        if not self.forms:
            yield "forms", "it names no form", "name one, or remove the setting"
        if len(set(self.forms)) < len(self.forms):
            yield "forms", "it names a form twice", "name each once"
        for key in ("max_loss", "max_changed"):
            share = getattr(self, key)
            if not 0 <= share <= 1:
                yield key, f"{share} is not between 0 and 1", "write a share, such as 0.01"
        yield from not_positive(self, "rows")


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
