"""The distribution of a column in a few hundred numbers, exact where it has few distinct values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sketch:
    """Some of the distinct values, and how many rows lie below and up to each.

    Attributes
    ----------
    values : float64, shape (n_points,), rising
    below, upto : int64, shape (n_points,): rows < and <= each value. Both are exact, whatever was left out between.
    rows : number of values sketched; mean and std are theirs.
    """

    values: Floats
    below: Ints
    upto: Ints
    rows: int
    mean: float
    std: float

    @classmethod
    def of(cls, numbers: npt.ArrayLike, points: int = 1000) -> Sketch:
        """A sketch of numbers (NaN left out), with at most `points` values that split the rows evenly."""
        known = np.asarray(numbers, dtype=np.float64)
        known = np.sort(known[np.isfinite(known)])
        last = np.r_[known[1:] != known[:-1], True] if len(known) else np.zeros(0, dtype=bool)
        upto = np.flatnonzero(last) + 1
        values = known[last]
        below = np.r_[0, upto[:-1]] if len(upto) else upto
        if len(values) > points:
            wanted = np.linspace(1, len(known), points)
            pick = np.unique(np.searchsorted(upto, wanted, side="left"))
            values, below, upto = values[pick], below[pick], upto[pick]
        mean, std = (float(known.mean()), float(known.std())) if len(known) else (float("nan"), float("nan"))
        return cls(values, below.astype(np.int64), upto.astype(np.int64), len(known), mean, std)

    @property
    def exact(self) -> bool:
        """Whether every distinct value is kept."""
        return bool(len(self.values) == 0 or (self.below[1:] == self.upto[:-1]).all())

    def distance(self, sample: npt.ArrayLike) -> float:
        """Kolmogorov-Smirnov distance to a sample: the largest gap between the two shares up to (or below) a value.

        Looked at on both sides of each kept value, so that a jump that moves aside by a hair is seen. Left out values
        make it smaller than the exact one by at most 1 / n_points.
        """
        numbers = np.sort(np.asarray(sample, dtype=np.float64))
        if len(numbers) == 0 or self.rows == 0:
            return float("nan")
        upto = np.searchsorted(numbers, self.values, side="right") / len(numbers) - self.upto / self.rows
        below = np.searchsorted(numbers, self.values, side="left") / len(numbers) - self.below / self.rows
        return float(max(np.abs(upto).max(), np.abs(below).max()))

    def share_up_to(self, at: npt.ArrayLike) -> Floats:
        """The share of rows up to each value; evenly spread between two kept values that have others between."""
        wanted = np.asarray(at, dtype=np.float64)
        place = np.searchsorted(self.values, wanted, side="right") - 1
        last = np.clip(place, 0, len(self.values) - 1)
        after = np.minimum(last + 1, len(self.values) - 1)
        gap = np.where(after > last, self.values[after] - self.values[last], 1.0)
        between = np.where(after > last, self.below[after] - self.upto[last], 0)
        part = np.clip((wanted - self.values[last]) / gap, 0.0, 1.0)
        return np.where(place < 0, 0.0, (self.upto[last] + part * between) / max(1, self.rows))

    def quantile(self, share: float) -> float:
        """The smallest kept value up to which at least that share of the rows lies."""
        if self.rows == 0:
            return float("nan")
        return float(self.values[min(int(np.searchsorted(self.upto, share * self.rows)), len(self.values) - 1)])

    def to_json(self) -> dict[str, Any]:
        numbers = {"rows": self.rows, "mean": _none(self.mean), "std": _none(self.std)}
        return {**numbers, "values": self.values.tolist(), "below": self.below.tolist(), "upto": self.upto.tolist()}

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Sketch:
        below, upto = (np.asarray(obj[name], dtype=np.int64) for name in ("below", "upto"))
        mean, std = (float("nan") if obj[name] is None else obj[name] for name in ("mean", "std"))
        return cls(np.asarray(obj["values"], dtype=np.float64), below, upto, obj["rows"], mean, std)


def _none(value: float) -> float | None:
    return None if np.isnan(value) else value
