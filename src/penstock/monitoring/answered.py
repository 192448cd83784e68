"""What the model answered to many rows, as arrays: of held-out rows and of a window alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from penstock.bundle.signature import Signature
from penstock.bundle.values import class_text


class ModelAnswers(Protocol):
    """The arrays that are read here; `penstock.bundle.answers.Answers` has them, and so has `Answered`."""

    @property
    def novelty(self) -> np.ndarray: ...
    @property
    def label(self) -> np.ndarray | None: ...
    @property
    def probabilities(self) -> np.ndarray | None: ...
    @property
    def value(self) -> np.ndarray | None: ...


@dataclass(frozen=True)
class Answered:
    """Answers by row, withheld ones included.

    Attributes
    ----------
    novelty : float64, shape (n_rows,)
    label : int64 class numbers, shape (n_rows,); None for a regression
    probabilities : float64, shape (n_rows, n_classes); None for a regression
    value : float64, shape (n_rows,), in the target's unit; None for a classifier
    """

    novelty: np.ndarray
    label: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    value: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.novelty)

    @classmethod
    def of_journal(cls, answers: Sequence[Mapping[str, Any]], signature: Signature) -> Answered:
        """From journalled answers; what was withheld on abstaining is read as the answer."""
        contents = [{**answer, **(answer.get("withheld") or {})} for answer in answers]
        novelty = np.array([a["novelty"] for a in answers], dtype=np.float64)
        if not signature.task.is_classification:
            return cls(novelty, value=np.array([c["prediction"] for c in contents], dtype=np.float64))
        names = [class_text(label) for label in signature.target.classes]
        number = {name: i for i, name in enumerate(names)}
        labels = np.array([number[class_text(c["prediction"])] for c in contents], dtype=np.int64)
        shares = np.array([[c["probabilities"][name] for name in names] for c in contents], dtype=np.float64)
        return cls(novelty, labels, shares.reshape(len(contents), len(names)))

    def take(self, rows: npt.NDArray[np.int64]) -> Answered:
        """The answers at some rows."""
        return Answered(*(None if a is None else a[rows] for a in self._arrays()))  # type: ignore[arg-type]

    @staticmethod
    def concat(parts: Sequence[Answered]) -> Answered:
        """One after another; at least one part, all of one task."""
        columns = zip(*(part._arrays() for part in parts), strict=True)
        return Answered(*(None if some[0] is None else np.concatenate(some) for some in columns))  # type: ignore[arg-type]

    def _arrays(self) -> tuple[np.ndarray | None, ...]:
        return self.novelty, self.label, self.probabilities, self.value


def confidence_of(answers: ModelAnswers) -> npt.NDArray[np.float64] | None:
    """The probability of the most probable class; None for a regression."""
    return None if answers.probabilities is None else answers.probabilities.max(axis=1).astype(np.float64)
