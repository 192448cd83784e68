"""Values of a source that cannot be read and count as missing: how many, where, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from penstock.data.decode import Unread
from penstock.data.split import TRAIN


@dataclass
class Unreadable:
    """Values that cannot be read, counted by column; a training row of each as an example."""

    counts: dict[str, int] = field(default_factory=dict)
    training: dict[str, int] = field(default_factory=dict)  # of these, in training rows
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, unread: list[Unread], parts: np.ndarray, start: int) -> None:
        """Those of a batch whose first row is row `start` of all. `parts`: of all rows."""
        for one in unread:
            self.counts[one.column] = self.counts.get(one.column, 0) + len(one.rows)
            trained = np.flatnonzero(parts[start + one.rows] == TRAIN)
            if len(trained):
                self.training[one.column] = self.training.get(one.column, 0) + len(trained)
                at = trained[0]
                why = one.problems[int(one.codes[at])].why
                self.examples.setdefault(one.column, f" (row {start + int(one.rows[at]) + 1}: {why})")

    def told(self) -> list[str]:
        return [
            f"column {name!r}: {count} {'value cannot' if count == 1 else 'values cannot'} be read and count as missing"
            f"{self.examples.get(name, '')}"
            for name, count in self.counts.items()
            if count
        ]
