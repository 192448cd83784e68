"""By how much answers moved when a graph was quantised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from penstock.bundle.answers import Answers
from penstock.bundle.signature import Signature

NOTICED = 0.01
"""Of the target's spread: a value that moved by more counts as changed."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of the answers to the same rows.

    Attributes
    ----------
    largest, p99 : of |difference|, over rows: of the probability that moved most, or of the value in the target's spreads.
    changed : share of rows that are answered otherwise: with another class, another decision, or a value that moved by more than a
        hundredth of the target's spread.
    strange : rows for which only one of the two has a number.
    """

    rows: int
    largest: float
    p99: float
    changed: float
    strange: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def moved(quantised: Answers, exact: Answers, signature: Signature) -> Moved:
    """Compare answers to the same rows, of which there is at least one."""
    a, b = _scores(quantised, signature), _scores(exact, signature)
    odd = np.isfinite(a) != np.isfinite(b)
    with np.errstate(invalid="ignore"):
        distance = np.where(np.isfinite(a) & np.isfinite(b), np.abs(a - b), 0.0).max(axis=1)
    changed = quantised.decision != exact.decision
    if signature.task.is_classification:
        changed |= np.asarray(quantised.label) != np.asarray(exact.label)
    else:
        changed |= distance > NOTICED
    strange = odd.any(axis=1)
    return Moved(
        rows=len(distance),
        largest=float(distance.max()),
        p99=float(np.quantile(distance, 0.99)),
        changed=float((changed | strange).mean()),
        strange=int(strange.sum()),
    )


def _scores(answers: Answers, signature: Signature) -> np.ndarray:
    """Probabilities (n, K), or values in spreads of the target (n, 1); float64."""
    if answers.probabilities is not None:
        return answers.probabilities.astype(np.float64)
    assert answers.value is not None
    return (answers.value / (signature.scale.std if signature.scale else 1.0))[:, None]
