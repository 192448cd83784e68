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
    format: Literal["csv", "jsonl", "json", "parquet", "texts"] | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool = True
    columns: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    file_column: str | None = None  # a column that tells the file of each row
    query: str | None = None  # SQL, where the source is a database
    cursor: str | None = None  # its column by which only newer rows are fetched

    def faults(self) -> Iterator[Fault]:
        if self.target in self.drop:
            yield "drop", f"it names the target {self.target!r}", "remove it from the list"
        if not is_database(self.source):
            for key in ("query", "cursor"):
                if getattr(self, key) is not None:
                    yield (
                        key,
                        f"the source {self.source!r} is no database",
                        "remove it, or name one: sqlite:///shop.db, postgresql://",
                    )


def is_database(source: str) -> bool:
    """Whether a source is asked in SQL.

    >>> is_database("sqlite:///shop.db?table=orders"), is_database("orders.csv")
    (True, False)
    """
    return source.partition("://")[0].lower() in ("sqlite", "postgresql", "postgres") and "://" in source
