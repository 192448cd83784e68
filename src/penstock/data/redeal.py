"""Dealing rows anew, after the split settings or the target changed: a row that was seen does not become a sealed test row.

Seen are rows that trained, that validated, or whose envelope was opened. Those that were still sealed may go anywhere; their
old envelopes are retired, so that no row lies sealed in one place while it is worked with in another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.data.memory import UNKNOWN, RowMemory
from penstock.data.seal import opened_envelopes
from penstock.data.split import TEST, TRAIN, VALID
from penstock.data.versions import DatasetVersion, load_memory
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore


@dataclass(frozen=True)
class Earlier:
    """The last version of another way of dealing, and what it remembers of its rows and of those before it.

    Attributes
    ----------
    opened : indices of its envelopes that were opened.
    """

    version: DatasetVersion
    memory: RowMemory
    opened: frozenset[int]

    @classmethod
    def of(cls, ledger: Ledger, objects: ObjectStore, version: DatasetVersion, *, as_of: str | None = None) -> Earlier:
        """`as_of`: the instant at which it matters what was opened; now, unless an old version is worked out again."""
        opened = opened_envelopes(ledger, version.lineage, as_of=as_of)
        return cls(version, load_memory(objects, version), frozenset(opened))

    def seen(self, part: np.ndarray, envelope: np.ndarray) -> np.ndarray:
        """Of rows with these parts and envelopes, which ones were seen: bool, of the same shape."""
        opened = (part == TEST) & np.isin(envelope, sorted(self.opened))
        return (part == TRAIN) | (part == VALID) | opened

    def seen_beyond(self, now: RowMemory, *, same_groups: bool) -> RowMemory:
        """What was seen and is not among the rows of now: remembered, so that none of it is sealed when it comes later."""
        before = self.memory
        new = (now.parts_of_content(before.content)[0] == UNKNOWN) & (now.parts_of_rows(before.row)[0] == UNKNOWN)
        kept = self.seen(before.part, before.envelope) & new
        n = int(kept.sum())
        return RowMemory(
            row=before.row[kept],
            content=before.content[kept],
            target=before.target[kept],
            group=before.group[kept] if same_groups else np.zeros(n, dtype=np.uint64),
            part=np.where(before.part[kept] == TRAIN, TRAIN, VALID).astype(np.int8),
            envelope=np.full(n, -1, dtype=np.int16),
            count=np.zeros(n, dtype=np.int64),
        )
