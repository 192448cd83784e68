"""The rows that stages work on: training rows, and validation rows with what was opened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.stages import Context

if TYPE_CHECKING:
    import numpy as np

    from penstock.bundle.decoder import Decoder, Frame, TargetSpec
    from penstock.data.versions import DatasetVersion


@dataclass(frozen=True)
class Rows:
    """One data-set version as a stage sees it. Sealed rows are not reachable from here.

    Parameters
    ----------
    spent : indices of opened envelopes, whose rows are validation rows now.
    max_rows : so many rows of a part are taken, where it has more; None: all. See `penstock.lifecycle.limits`.
    """

    context: Context
    dataset: str
    spent: list[int]
    max_rows: int | None = None

    @cached_property
    def version(self) -> DatasetVersion:
        from penstock.data.versions import load_version

        return load_version(self.context.objects, self.dataset)

    @property
    def decoder(self) -> Decoder:
        return self.version.decoder

    @property
    def target(self) -> TargetSpec:
        target = self.version.decoder.target
        assert target is not None  # a project's data set always has one
        return target

    @cached_property
    def train(self) -> tuple[Frame, np.ndarray]:
        """Typed rows and their target: int64 class codes or float64."""
        from penstock.data.doors import read_part

        return read_part(self.context.ledger, self.context.objects, self.version, "train", limit=self.max_rows)

    @property
    def told(self) -> list[str]:
        """Sentences on parts of which not all rows are taken."""
        from penstock.lifecycle.limits import told

        parts = (("training", self.version.rows["train"]), ("validation", self.version.rows["valid"]))
        limit = self.max_rows
        return [] if limit is None else [told(part, limit, rows) for part, rows in parts if rows > limit]

    @cached_property
    def train_groups(self) -> np.ndarray | None:
        """`groups_of` the training rows."""
        return self.groups_of(self.train[0])

    @cached_property
    def train_times(self) -> np.ndarray | None:
        """`times_of` the training rows."""
        return self.times_of(self.train[0])

    def groups_of(self, frame: Frame) -> np.ndarray | None:
        """A number for the group of each row, shape (n,); None where rows are not split by group."""
        from penstock.data import fingerprints as prints
        from penstock.data.versions import load_memory

        how, _, column = self.version.split.by.partition(":")
        if how != "group":
            return None
        if column in frame:
            return prints.encode(frame.columns[column], frame.kinds[column])[1]
        content = prints.frame_fingerprints(frame, self.version.inputs, self.context.ledger.secret("fingerprints"))
        return load_memory(self.context.objects, self.version).groups_of_content(content)

    def times_of(self, frame: Frame) -> np.ndarray | None:
        """The time of each row, float64, shape (n,); None where rows are not split by time, or it is not kept."""
        from penstock.data.times import times_of_frame

        split = self.version.split
        return times_of_frame(frame, split.column or "") if split.how == "time" else None

    @property
    def gap(self) -> float:
        """What lies between parts in time, in the unit of `train_times`."""
        from penstock.bundle.kinds import Kind

        split = self.version.split
        return split.gap_of(dates=self.train[0].kinds.get(split.column or "") is Kind.DATETIME) if split.gap else 0.0

    @property
    def ties(self) -> dict[str, Any]:
        """`groups`, `times` and `gap` of the training rows: what may not lie on both sides where some of them are held back."""
        times = self.train_times
        return {"groups": self.train_groups, "times": times, "gap": 0.0 if times is None else self.gap}

    @cached_property
    def valid(self) -> tuple[Frame, np.ndarray]:
        """Validation rows, then those of the spent envelopes."""
        import numpy as np

        from penstock.bundle.decoder import Frame
        from penstock.data.doors import read_part
        from penstock.data.seal import read_spent

        objects = self.context.objects
        parts = [read_part(self.context.ledger, objects, self.version, "valid", limit=self.max_rows)]
        if self.spent:
            parts.append(read_spent(self.context.ledger, objects, self.dataset, self.spent))
        return Frame.concat([f for f, _ in parts]), np.concatenate([y for _, y in parts])


def of_inputs(context: Context, inputs: dict[str, Any]) -> Rows:
    """The rows that a stage's inputs name."""
    return Rows(context, inputs["dataset"], list(inputs.get("spent", [])), inputs.get("max_rows"))
