"""Values of a source that cannot be read and count as missing: how many, where, and what is said of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.data.decode import Unread
from penstock.data.split import TRAIN
from penstock.errors import SourceError
from penstock.project.privacy_lines import line_of

if TYPE_CHECKING:
    import pyarrow as pa

LOST_ROWS = 20  # so many values of which none can be read are a column lost


@dataclass
class Unreadable:
    """Values that cannot be read, counted by column; a training row of each as an example."""

    counts: dict[str, int] = field(default_factory=dict)
    training: dict[str, int] = field(default_factory=dict)  # of these, in training rows
    examples: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)  # of columns of which no value was read yet
    read: set[str] = field(default_factory=set)  # columns of which a value was read

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

    def note_read(self, decoder: Decoder, arrays: Sequence[pa.Array]) -> None:
        """Note of which columns of a batch any value was read. `arrays`: one for each column of the decoder, as they are stored."""
        for spec, array in zip(decoder.columns, arrays, strict=True):
            if spec.name not in self.read:
                if _has_value(array, spec.kind):
                    self.read.add(spec.name)
                else:
                    self.kinds[spec.name] = spec.kind

    def refuse_lost(self, quiet: Collection[str] = ()) -> None:
        """Refuse a source of which a column would be lost; of `quiet` columns no value is told.

        Raises
        ------
        SourceError : a column has at least `LOST_ROWS` values, and none of them can be read as it is to be.
        """
        for name, count in self.counts.items():
            if count >= LOST_ROWS and name not in self.read:
                kind = self.kinds[name]
                raise SourceError(
                    f"none of {count} values of column {name!r} can be read as {kind}{self._example(name, quiet)}",
                    why="the version before, or the declaration, says that it is; every value would be missing",
                    way_out=f"have the file written as before; or say under [data] how it is written now, as {_way_out(name, kind)}; "
                    f"or name it in [data] drop",
                )

    def told(self, quiet: Collection[str] = ()) -> list[str]:
        """In words; of `quiet` columns no value is told."""
        return [
            f"column {name!r}: {count} {'value cannot' if count == 1 else 'values cannot'} be read and count as missing"
            f"{self._example(name, quiet)}"
            for name, count in self.counts.items()
            if count
        ]

    def _example(self, name: str, quiet: Collection[str]) -> str:
        return "" if name in quiet else self.examples.get(name, "")


def _has_value(array: pa.Array, kind: Kind) -> bool:
    import pyarrow.compute as pc

    if kind is Kind.NUMERIC:
        return bool(pc.any(pc.invert(pc.is_nan(array))).as_py())
    if kind is Kind.DATETIME:
        return bool(pc.any(pc.not_equal(array, MISSING_TIME)).as_py())
    return bool(array.null_count < len(array))


def _way_out(name: str, kind: Kind) -> str:
    said = {Kind.NUMERIC: f"decimal.{line_of(name, ',')}", Kind.DATETIME: f"formats.{line_of(name, '%d.%m.%Y')}"}.get(
        kind
    )
    other = f"kinds.{line_of(name, 'categorical')}"
    return f"{said}, or {other}" if said else other
