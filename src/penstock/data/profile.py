"""What the training rows look like, column by column: for suggestions, and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from penstock.bundle.decoder import Frame, Kind, TargetSpec
from penstock.bundle.values import class_text
from penstock.data.origins import itself

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP_VALUES = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ColumnProfile:
    """One column.

    Attributes
    ----------
    count : rows with a value. missing : rows without. distinct : different values.
    low, high, mean, std, quantiles : of numbers (by `QUANTILES`); low and high of instants are ISO text.
        Of numbers that are kept less an origin they are those of the source, ints where a float would round them.
    top : the most frequent values with their rows. mean_words, max_chars : of texts.
    """

    name: str
    kind: Kind
    count: int
    missing: int
    distinct: int
    low: float | str | None = None
    high: float | str | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: tuple[float, ...] = ()
    top: tuple[tuple[str, int], ...] = ()
    mean_words: float | None = None
    max_chars: int | None = None

    @property
    def missing_share(self) -> float:
        rows = self.count + self.missing
        return self.missing / rows if rows else 0.0

    def to_json(self) -> dict[str, Any]:
        plain = {key: value for key, value in asdict(self).items() if value not in (None, ())}
        return {**plain, "kind": str(self.kind)}


@dataclass(frozen=True)
class Profile:
    """All columns, and the target: rows of each class, or its numbers."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    classes: dict[str, int] = field(default_factory=dict)
    target: ColumnProfile | None = None

    def __getitem__(self, name: str) -> ColumnProfile:
        return next(column for column in self.columns if column.name == name)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": 1,
            "kind": "profile",
            "rows": self.rows,
            "columns": [column.to_json() for column in self.columns],
            "classes": self.classes,
            "target": self.target.to_json() if self.target else None,
        }


def profile(frame: Frame, y: np.ndarray, target: TargetSpec, origins: Mapping[str, int] | None = None) -> Profile:
    """Profile rows: give it training rows only. `origins`: what numbers of the frame are kept less."""
    known = origins or {}
    columns = tuple(profile_column(name, frame[name], kind, known.get(name, 0)) for name, kind in frame.kinds.items())
    if target.task.is_classification:
        counts = np.bincount(y[y >= 0], minlength=len(target.classes))
        classes = {class_text(label): int(n) for label, n in zip(target.classes, counts, strict=True)}
        return Profile(frame.n_rows, columns, classes)
    return Profile(frame.n_rows, columns, target=profile_column(target.name, y, Kind.NUMERIC))


def profile_column(name: str, array: np.ndarray, kind: Kind, origin: int = 0) -> ColumnProfile:
    """Statistics of one typed column, shape (n,); `origin`: what its numbers are kept less."""
    if kind is Kind.NUMERIC:
        return _numbers(name, array, origin)
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pa.array(array)
    if kind is Kind.DATETIME:
        present = array[array != np.iinfo(np.int64).min]
        ends = (_instant(present.min()), _instant(present.max())) if len(present) else (None, None)
        distinct = _distinct(np.sort(present))
        return ColumnProfile(name, kind, len(present), len(array) - len(present), distinct, low=ends[0], high=ends[1])
    if kind is Kind.TEXT:
        there = [text for text in array if text is not None]
        words, longest = sum(len(text.split()) for text in there), max(map(len, there), default=0)
        distinct = len(pc.unique(values.drop_null())) if there else 0
        mean = words / len(there) if there else 0.0
        gaps = len(array) - len(there)
        return ColumnProfile(name, kind, len(there), gaps, distinct, mean_words=mean, max_chars=longest)
    counted = pc.value_counts(values.drop_null())
    pairs = list(zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)) if len(values) else []
    count = len(values) - values.null_count
    common = {"count": count, "missing": values.null_count, "distinct": len(pairs)}
    return ColumnProfile(name, kind, **common, top=_most(pairs))


def _numbers(name: str, array: np.ndarray, origin: int) -> ColumnProfile:
    present = array[~np.isnan(array)]
    if len(present) == 0:
        return ColumnProfile(name, Kind.NUMERIC, 0, len(array), 0)
    ordered = np.sort(present)
    distinct = _distinct(ordered)
    with np.errstate(over="ignore", invalid="ignore"):  # of huge and infinite numbers: then they are infinite or NaN
        quantiles = tuple(itself(float(q), origin) for q in np.quantile(ordered, QUANTILES))
        mean, std = float(present.mean()), float(present.std())
    return ColumnProfile(
        name, Kind.NUMERIC, len(present), len(array) - len(present), distinct,
        low=itself(float(ordered[0]), origin), high=itself(float(ordered[-1]), origin), mean=itself(mean, origin), std=std, quantiles=quantiles,
    )  # fmt: skip


def _distinct(ordered: np.ndarray) -> int:
    """Different values of a sorted array. (`numpy.unique` counts them with a hash table: seven times slower.)"""
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1 if len(ordered) else 0


def _most(pairs: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:TOP_VALUES])


def _instant(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=int(microseconds))).isoformat().replace("+00:00", "Z")
