"""What a check looks at: a reference, a window, and the settings; values of a column are extracted once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from penstock.bundle.kinds import Kind, Task
from penstock.errors import BadParameter
from penstock.monitoring.reference import ColumnReference, Reference, known_share, word_counts
from penstock.monitoring.window import Window
from penstock.serving.settings import ObjectiveSettings


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """What a window is held against.

    Parameters
    ----------
    alpha : chance that any check at all alarms on a window like the reference. It is shared out over all checks
        (Bonferroni). Every further look has this chance again: watched hourly at 0.01, one alarm in four days is chance.
    minimum_rows : fewer rows are not judged.
    deadline_ms : declared limit of the latency's 99th percentile; None: latency is shown, never an alarm.
    error_share : share of requests refused above which an alarm is raised.
    objectives : declared service levels, which are told beside the checks and are no alarm of their own.
    sample : the share of answered requests that is journalled.
    """

    alpha: float = 0.01
    minimum_rows: int = 30
    deadline_ms: float | None = None
    error_share: float = 0.05
    objectives: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    sample: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise BadParameter(f"alpha is {self.alpha}", "it is a chance of a false alarm", "write 0.01")
        if self.minimum_rows < 1:
            raise BadParameter(f"minimum_rows is {self.minimum_rows}", "it is a number of rows", "write 30")


@dataclass(frozen=True)
class Labelled:
    """The rows of a window whose outcome is known.

    Attributes
    ----------
    y : int64 class numbers or float64 targets, shape (n_labelled,)
    rows : their positions in the window, shape (n_labelled,)
    """

    y: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class View:
    """One window beside its reference.

    Attributes
    ----------
    task, class_names, threshold : of the model.
    """

    reference: Reference
    window: Window
    settings: MonitorSettings
    task: Task
    class_names: tuple[str, ...] = ()
    threshold: float | None = None
    labelled: Labelled | None = None
    _values: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _words: dict[str, list[list[str]]] = field(default_factory=dict, repr=False)

    @property
    def rows(self) -> int:
        """Rows that are compared."""
        return len(self.window.frame)

    @cached_property
    def columns(self) -> dict[str, ColumnReference]:
        """The watched columns."""
        return {name: column for name, column in self.reference.columns.items() if name in self.window.frame}

    def values(self, name: str) -> np.ndarray:
        """The values of a column in the window, missing ones left out."""
        if name not in self._values:
            frame = self.window.frame
            self._values[name] = frame[name][~frame.missing(name)]
        return self._values[name]

    def words(self, name: str) -> list[list[str]]:
        """The words of each text of a column in the window."""
        if name not in self._words:
            self._words[name] = word_counts(self.values(name).tolist())
        return self._words[name]

    def numbers(self, name: str) -> np.ndarray:
        """What the sketch of a column is of: its numbers, or the numbers of words of its texts."""
        if self.columns[name].kind is Kind.TEXT:
            return np.array([len(words) for words in self.words(name)], dtype=np.float64)
        return self.values(name)

    def known_words(self, name: str) -> np.ndarray:
        """The share of known words of each text that has words."""
        shares = [known_share(words, self.columns[name].words) for words in self.words(name)]
        known = np.array(shares, dtype=np.float64)
        return known[~np.isnan(known)]

    def counts(self, name: str) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Values, and rows of each in reference and window, of a column that is compared value by value.

        Everything that has no count of its own is the last one, "(other)". Of categories the reference is the held-out
        rows: which values training rows had was chance, so they say too much of these and too little of all others.
        """
        column, values = self.columns[name], self.values(name)
        if column.sketch is not None:
            known: list[Any] = column.sketch.values.tolist()
            there = (column.sketch.upto - column.sketch.below).astype(np.float64)
            texts = [f"{value:g}" for value in known]
            at = np.searchsorted(column.sketch.values, values)
            inside = (at < len(known)) & (column.sketch.values[np.minimum(at, len(known) - 1)] == values)
            now = np.bincount(at[inside], minlength=len(known)).astype(np.float64)
            rest = len(values) - int(inside.sum())
            return [*texts, "(other)"], np.r_[there, 0.0], np.r_[now, float(rest)]
        number = {value: i for i, (value, _) in enumerate(column.counts)}
        codes = np.fromiter((number.get(v, len(number)) for v in values.tolist()), dtype=np.int64, count=len(values))
        if column.heldout_rows:
            counted = [*column.heldout_counts, column.heldout_rows - sum(column.heldout_counts)]
        else:
            counted = [*(count for _, count in column.counts), column.other]
        there = np.array(counted, dtype=np.float64)
        return [*number, "(other)"], there, np.bincount(codes, minlength=len(number) + 1).astype(np.float64)
