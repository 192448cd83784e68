"""What changed in the memory of a data set, as entries that add to the counts of those before.

A row that is in the table once more changes the count of an entry far in front, and with it the chunk that holds it: in a table that repeats itself,
all of them. So the chunks stay as they are, and a last one holds what is new and what is to be added; who reads them adds up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from penstock.data import chunks
from penstock.data.memory import RowMemory
from penstock.data.split import LEFT_OUT
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CHANGED = 4
"""At most one entry in so many may be there to add: more are written anew."""


@final
@dataclass(frozen=True)
class Change:
    """From one memory to another.

    Attributes
    ----------
    new : places in `memory` of entries that `before` does not have. changed : of those whose count is another. by : the difference, of
        each of `changed`. gone : places in `before` of entries that `memory` does not have.
    """

    before: RowMemory
    memory: RowMemory
    new: np.ndarray
    changed: np.ndarray
    by: np.ndarray
    gone: np.ndarray

    @classmethod
    def of(cls, before: RowMemory, memory: RowMemory) -> Change:
        """Both hold each entry once."""
        import pyarrow.compute as pc

        was, now = before.keys(), memory.keys()
        at = pc.index_in(now, value_set=was).fill_null(-1).to_numpy(zero_copy_only=False)
        missing = pc.index_in(was, value_set=now).is_null().to_numpy(zero_copy_only=False)
        by = memory.count - np.append(before.count, 0)[at]
        changed = np.flatnonzero((at >= 0) & (by != 0))
        return cls(before, memory, np.flatnonzero(at < 0), changed, by[changed], np.flatnonzero(missing))

    @property
    def is_none(self) -> bool:
        """Whether both say the same."""
        return not (len(self.new) or len(self.changed) or len(self.gone))

    def table(self, objects: ObjectStore, known: Sequence[dict[str, Any]]) -> pa.Table | None:
        """The entries of stored chunks, then those that are new or add; None where nothing is to be added, or too much."""
        import pyarrow as pa

        adds = any(chunk.get("adds") for chunk in known)
        if not adds and not len(self.changed) and not len(self.gone):
            return None
        if (self.before.part[self.gone] != LEFT_OUT).any():  # only of those that are left out nothing need stay
            return None
        stored = pa.concat_tables([chunks.bytes_table(objects.get(chunk["object"])) for chunk in known])
        more = len(self.new) + len(self.changed) + len(self.gone)
        entries = len(self.memory.part)
        if MOST_CHANGED * (stored.num_rows + more - entries) > entries:
            return None
        news = self.memory.take(self.new, self.memory.count[self.new])
        changes = self.memory.take(self.changed, self.by)
        left = self.before.take(self.gone, -self.before.count[self.gone])
        return pa.concat_tables([stored, *(one.to_table() for one in (news, changes, left) if len(one.part))])
