"""The parity gate: what ships answers as what was learned, on ordinary and on odd rows.

A difference counts as none where |difference| <= 1e-5 max(1, |answer| / scale). Where an answer lies within 1e-5 of the
decision threshold, the two sides may fall on different labels; such rows are exempt and counted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from penstock.errors import ParityError

TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Parity:
    """What the gate found.

    largest : the largest |difference| / max(1, |answer| / scale) over all rows and outputs.
    near_threshold : rows whose answer lies within the tolerance of the threshold.
    """

    rows: int
    largest: float
    wrong_rows: int
    near_threshold: int

    @property
    def passed(self) -> bool:
        return self.wrong_rows == 0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "tolerance": TOLERANCE, "passed": self.passed}


def compare(graph: np.ndarray, learner: np.ndarray, *, scale: float = 1.0, threshold: float | None = None) -> Parity:
    """Compare the graph's answers with the learner's own.

    Parameters
    ----------
    graph, learner : float, shape (n, k). Probabilities, or values of the standardised target (`scale` 1).
    threshold : of a binary decision on column 1.

    >>> compare(np.array([[0.2, 0.8]]), np.array([[0.2, 0.80001]])).passed
    True
    """
    if graph.shape != learner.shape:
        raise ParityError(
            f"the graph answers with shape {graph.shape}, the learner with {learner.shape}",
            why="the graph and the learner disagree on what they answer",
            way_out="report this as a bug of the learner's emitter, or leave the learner out of [search] learners",
        )
    a, b = graph.astype(np.float64), learner.astype(np.float64)
    allowed = np.maximum(1.0, np.abs(b) / scale)
    difference = np.abs(a - b) / allowed
    difference = np.where(np.isnan(a) & np.isnan(b), 0.0, difference)
    wrong = ~(difference <= TOLERANCE)  # NaN on one side only is wrong, too
    near = 0
    if threshold is not None and a.shape[1] == 2:
        near = int((np.abs(b[:, 1] - threshold) <= TOLERANCE).sum())
    largest = float(np.nanmax(difference)) if difference.size else 0.0
    return Parity(len(a), largest, int(wrong.any(axis=1).sum()) if a.size else 0, near)


def require(parity: Parity, *, what: str) -> Parity:
    """Refuse to go on with a graph that answers differently.

    Raises
    ------
    ParityError
    """
    if not parity.passed:
        raise ParityError(
            f"{what}: {parity.wrong_rows} of {parity.rows} rows differ, by up to {parity.largest:.3g}",
            why=f"the tolerance is {TOLERANCE:g}; a graph that answers differently must not ship",
            way_out="leave this learner or step out of the project and report a bug with the run's id",
        )
    return parity
