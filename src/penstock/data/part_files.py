"""Parts that have sources of their own: the published test file of a data set, the export of another month.

They hold the same columns. Their rows are read one source after the other, and a column that is made on the way says from
which one a row is: which part it is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.bundle.specs import EncodedColumn
from penstock.data.source import Batch, Source
from penstock.errors import SplitError
from penstock.objects.digests import digest_of_json
from penstock.project.split_settings import FILE_COLUMN


@dataclass(frozen=True)
class PartFiles:
    """A source of training rows and, by part (``"valid"``, ``"test"``), those of the others, as one source."""

    train: Source
    others: Mapping[str, Source]

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the training rows, and `FILE_COLUMN`.

        Raises
        ------
        SplitError : two sources do not have the same columns, or one has that name.
        """
        names = self.train.names
        if FILE_COLUMN in names:
            raise SplitError(
                f"the source has a column {FILE_COLUMN!r}",
                why="the part of a row is kept under this name while files are dealt",
                way_out="give the column another name",
            )
        for part, other in self.others.items():
            if set(other.names) != set(names):
                _refuse(part, other.names, names, other.origin)
        return (*names, FILE_COLUMN)

    @property
    def why(self) -> tuple[str, ...]:
        return self.train.why

    @property
    def options(self) -> dict[str, Any]:
        return self.train.options

    @property
    def origin(self) -> dict[str, Any]:
        return {**self.train.origin, "files": {part: other.origin for part, other in sorted(self.others.items())}}

    def digest(self) -> str:
        return digest_of_parts(self.train.digest(), {part: other.digest() for part, other in self.others.items()})

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        names = self.names
        for part, source in (("train", self.train), *sorted(self.others.items())):
            for batch in source.batches(rows):
                columns = dict(batch.columns.items())
                columns[FILE_COLUMN] = EncodedColumn([part], np.zeros(len(batch), dtype=np.int32))
                yield Batch.of({name: columns[name] for name in names})


def digest_of_parts(train: str, others: Mapping[str, str]) -> str:
    """One digest of several sources."""
    return digest_of_json({"train": train, **others})


def _refuse(part: str, has: tuple[str, ...], names: tuple[str, ...], origin: Mapping[str, Any]) -> None:
    lacking = [name for name in names if name not in has]
    extra = [name for name in has if name not in names]
    what = [f"it lacks {', '.join(map(repr, lacking[:5]))}"] if lacking else []
    what += [f"it has {', '.join(map(repr, extra[:5]))}, which the training rows have not"] if extra else []
    raise SplitError(
        f"the {part} rows do not have the columns of the training rows",
        why=f"{next(iter(origin.values()), part)}: {'; '.join(what)}",
        way_out="write them with the same columns; without a header, say so and name the columns ([data] header, columns)",
    )
