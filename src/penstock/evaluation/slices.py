"""Parts of the rows, by the values of declared columns, and the scores on them.

A model that is good on the whole can be poor for a part. Slices name those parts: the values of a category, the
quarters of a number or a date, or their crossings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.errors import DeclarationError
from penstock.evaluation.bootstrap import Estimate, intervals
from penstock.evaluation.metrics import Metric
from penstock.evaluation.scorers import Ints

if TYPE_CHECKING:
    from penstock.bundle.decoder import Frame

SMALL = 50  # rows; a smaller slice is shown, marked, and judged by no gate that asks for every slice
MOST_VALUES = 20  # of one declared slice; the rest become one
REPLICATES = 400
MISSING = "(missing)"
OTHER = "(other)"


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows in which each column has its value, and the scores there."""

    of: tuple[str, ...]  # columns
    values: tuple[str, ...]  # one of each column
    rows: int
    share: float
    small: bool
    metrics: Mapping[str, Estimate]

    @property
    def name(self) -> str:
        """As gates name it: ``job=admin.``, or ``age=30 to 38, marital=single``."""
        return ", ".join(f"{column}={value}" for column, value in zip(self.of, self.values, strict=True))

    def to_json(self) -> dict[str, Any]:
        facts = {"slice": self.name, "of": list(self.of), "values": list(self.values), "rows": self.rows}
        scores = {name: estimate.to_json() for name, estimate in self.metrics.items()}
        return {**facts, "share": self.share, "small": self.small, "metrics": scores}

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Slice:
        scores = {name: Estimate.from_json(estimate) for name, estimate in obj["metrics"].items()}
        return cls(tuple(obj["of"]), tuple(obj["values"]), obj["rows"], obj["share"], obj["small"], scores)


def slice_scores(
    frame: Frame,
    declared: Sequence[str | Sequence[str]],
    metrics: Sequence[Metric],
    y: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    *,
    threshold: float | None = None,
    seed: int = 0,
) -> list[Slice]:
    """Scores of each slice, the declared columns in order.

    Parameters
    ----------
    declared : column names, or several for their crossings, as in ``["job", ["age", "marital"]]``
    y, prediction, threshold : as in `Metric.score`, the rows of `frame`

    Raises
    ------
    DeclarationError : a column is not there, or holds text.
    """
    found = []
    for columns in (((one,) if isinstance(one, str) else tuple(one)) for one in declared):
        for values, rows in _members(frame, columns):
            few = len(rows) < SMALL
            scores = intervals(
                metrics, y[rows], prediction[rows], threshold=threshold, seed=seed, n=REPLICATES if not few else 200
            )
            found.append(Slice(columns, values, len(rows), len(rows) / max(1, len(frame)), few, scores))
    return found


def _members(frame: Frame, columns: tuple[str, ...]) -> list[tuple[tuple[str, ...], Ints]]:
    """Each combination of values that occurs, and its rows: the largest first, but quarters in their own order."""
    if len(frame) == 0:
        return []
    code, parts = np.zeros(len(frame), dtype=np.int64), []
    for column in columns:
        codes, labels = labelled(frame, column)
        parts.append(labels)
        code = code * len(labels) + codes
    present, counts = np.unique(code, return_counts=True)
    if len(columns) > 1 or frame.kinds[columns[0]] not in (Kind.NUMERIC, Kind.DATETIME):
        present = present[np.argsort(-counts, kind="stable")]
    order = np.argsort(code, kind="stable")
    members = []
    for one in present[:MOST_VALUES].tolist():
        rows = order[np.searchsorted(code[order], one) : np.searchsorted(code[order], one, side="right")]
        rest, values = one, []
        for labels in reversed(parts):
            rest, last = divmod(rest, len(labels))
            values.append(labels[last])
        members.append((tuple(reversed(values)), rows))
    if len(present) > MOST_VALUES:
        members.append(((OTHER,) * len(columns), np.flatnonzero(~np.isin(code, present[:MOST_VALUES]))))
    return members


def labelled(frame: Frame, column: str) -> tuple[Ints, list[str]]:
    """Row codes, and the label of each code: a category, or the quarter of a number or instant."""
    if column not in frame.columns:
        raise DeclarationError(
            f"the slice column {column!r} is not in the data",
            why=f"there are: {', '.join(frame.columns)}",
            way_out="correct the name under [evaluation] slices or in the gate",
        )
    values, kind = frame.columns[column], frame.kinds[column]
    if kind is Kind.TEXT:
        raise DeclarationError(
            f"the column {column!r} cannot be sliced",
            why="it holds text: almost every row has its own value",
            way_out="slice by a categorical, binary, numeric or datetime column",
        )
    if kind is Kind.NUMERIC:
        return _quarters(values, np.isnan(values), "{:.6g}".format)
    if kind is Kind.DATETIME:
        return _quarters(values, values == MISSING_TIME, _day)
    codes, seen = factorise(values)
    return codes, [MISSING if value is None else value for value in seen]


def factorise(values: npt.NDArray[Any]) -> tuple[Ints, list[str | None]]:
    """Codes of objects in the order of their first occurrence: (n_rows,) and the distinct values."""
    seen: dict[str | None, int] = {}
    codes = np.fromiter((seen.setdefault(v, len(seen)) for v in values.tolist()), dtype=np.int64, count=len(values))
    return codes, list(seen)


def _quarters(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_], text: Any) -> tuple[Ints, list[str]]:
    """Each value where there are few, quartiles of these rows otherwise; missing ones by themselves."""
    known = values[~missing]
    distinct = np.unique(known)
    codes = np.zeros(len(values), dtype=np.int64)
    if len(distinct) <= 6:
        labels = [text(v) for v in distinct]
        codes[~missing] = np.searchsorted(distinct, known)
    else:
        cuts = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="higher"))
        codes[~missing] = np.searchsorted(cuts, known, side="left")  # a cut belongs to the quarter below it
        used, codes[~missing] = np.unique(codes[~missing], return_inverse=True)
        quarters = [known[codes[~missing] == part] for part in range(len(used))]
        labels = [f"{text(quarter.min())} to {text(quarter.max())}" for quarter in quarters]
    if missing.any():
        codes[missing] = len(labels)
        labels.append(MISSING)
    return codes, labels


def _day(microseconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))).date().isoformat()
