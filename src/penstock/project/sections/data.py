"""`[project]` and `[data]`: what is asked, of which data, and how their source is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from penstock.bundle.kinds import Kind, Task
from penstock.project.sections.section import Fault, Section


class ProjectSection(Section, frozen=True):
    name: str = ""  # default: the folder's name
    question: str = ""


class DataSection(Section, frozen=True):
    source: str = ""  # "" where the folder only keeps runs of scripts
    target: str = ""
    task: Task | None = None  # default: inferred from the target
    positive: str | int | float | bool | None = None  # the class that "positive" means; default: the last one
    kinds: dict[str, Kind] = {}  # overrides of the inferred kinds
    drop: tuple[str, ...] = ()  # columns that are not kept at all
    missing: tuple[str, ...] | None = None  # markers; default: found in training rows
    key: str | None = None  # an identifier column that is echoed in answers and takes labels
    format: Literal["csv", "jsonl", "parquet"] | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool = True
    columns: tuple[str, ...] | None = None
    encoding: str = "utf-8"

    def faults(self) -> Iterator[Fault]:
        if self.target in self.drop:
            yield "drop", f"it names the target {self.target!r}", "remove it from the list"
