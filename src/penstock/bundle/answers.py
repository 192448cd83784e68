"""How the outputs of the graph become answers: one place for the row path, the bulk path and the self-test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.bundle.signature import Signature
from penstock.bundle.values import class_text

Answer: TypeAlias = dict[str, Any]

ANSWER, LOW_CONFIDENCE, NOVEL = 0, 1, 2
"""Values of the graph's output `decision`."""


class Answerer:
    """Makes the answer to one row, with the keys of the HTTP contract and `withheld`.

    On "abstain" the prediction is null, and what was withheld is under `withheld`, which is for the journal only. The
    scores are told all the same: whoever has to decide instead wants to see them.
    """

    def __init__(self, signature: Signature) -> None:
        self._columns = signature.columns
        self._classes = signature.target.classes
        self._class_keys = [class_text(label) for label in signature.target.classes]
        self._rule = signature.decision
        self._scale = signature.scale
        self._interval = signature.interval

    def rescale(self, value: Any) -> Any:
        """The standardised answer of the graph in the target's units; a float or a float64 array."""
        return value if self._scale is None else value * self._scale.std + self._scale.mean

    def bounds(self, point: Any) -> tuple[Any, Any] | None:
        """The interval around predictions in the target's units; a float or a float64 array."""
        return None if self._interval is None else (point + self._interval.low, point + self._interval.high)

    def classification(
        self,
        label: int,
        probabilities: list[float],
        decision: int,
        novelty: float,
        outside: Sequence[bool] | np.ndarray,
        missing: list[str],
        unknown: list[str],
        key: str | None,
    ) -> Answer:
        """The answer of a classifier, from one row of the graph's outputs."""
        shares = dict(zip(self._class_keys, probabilities, strict=True))
        content = {"prediction": self._classes[label], "probabilities": shares}
        confidence = probabilities[label]
        return self._answer(content, decision, confidence, novelty, outside, missing, unknown, key)

    def regression(
        self,
        point: float,
        decision: int,
        novelty: float,
        outside: Sequence[bool] | np.ndarray,
        missing: list[str],
        unknown: list[str],
        key: str | None,
    ) -> Answer:
        """The answer of a regression, from a prediction in the target's units."""
        bounds = self.bounds(point)
        content = {"prediction": point, "interval": None if bounds is None else list(bounds)}
        return self._answer(content, decision, None, novelty, outside, missing, unknown, key)

    def _answer(
        self,
        content: dict[str, Any],
        decision: int,
        confidence: float | None,
        novelty: float,
        outside: Sequence[bool] | np.ndarray,
        missing: list[str],
        unknown: list[str],
        key: str | None,
    ) -> Answer:
        answer: Answer = {} if key is None else {"key": key}
        if decision == ANSWER:
            answer.update(content)
            answer["decision"] = "answer"
            answer["reason"] = answer["withheld"] = None
        else:
            answer.update({**content, "prediction": None})
            answer["decision"] = "abstain"
            answer["reason"] = self._reason(decision, confidence, novelty, outside)
            answer["withheld"] = {"prediction": content["prediction"]}
        answer["novelty"] = novelty
        answer["missing"] = missing
        answer["unknown"] = unknown
        return answer

    def _reason(
        self, decision: int, confidence: float | None, novelty: float, outside: Sequence[bool] | np.ndarray
    ) -> str:
        if decision == LOW_CONFIDENCE:
            limit = self._rule.abstain_below
            if confidence is None or limit is None:
                return "low confidence"
            return f"low confidence: {_below(confidence, limit)} is below {limit:g}"
        flagged = [column for column, out in zip(self._columns, outside, strict=True) if out]
        if not flagged:
            return f"novel: the row is unlike the training data (novelty {novelty:.3g})"
        ranged = [column.name for column in flagged if column.kind in (Kind.NUMERIC, Kind.DATETIME)]
        valued = [column.name for column in flagged if column.kind not in (Kind.NUMERIC, Kind.DATETIME)]
        parts = []
        if ranged:
            parts.append(f"{_listed(ranged)} outside the range seen in training")
        if valued:
            parts.append(f"{_listed(valued)} not among the values seen in training")
        return f"novel: {'; '.join(parts)}"


def _below(number: float, limit: float) -> str:
    """A number in as few digits as still show that it is below the limit."""
    for digits in range(2, 18):
        text = f"{number:.{digits}g}"
        if float(text) < limit:
            return text
    return repr(number)


def _listed(names: list[str]) -> str:
    """ "a is", "a and b are", "a, b, c and 4 more are"."""
    if len(names) == 1:
        return f"{names[0]} is"
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more are"
    return f"{', '.join(names[:-1])} and {names[-1]} are"


def filled(answer: Answer, missing: Sequence[str]) -> Answer:
    """An answer where policies for missing fields are declared: which of them were filled as in training."""
    answer["filled"] = list(missing)
    return answer


def by_fallback(answer: Answer, missing: list[str], columns: Collection[str]) -> Answer:
    """The answer of a model that does without a field: which are missing, and which of those that it has were filled."""
    answer["missing"] = missing
    answer["filled"] = [name for name in missing if name in columns]
    answer["fallback"] = MISSING
    return answer


LATE, MISSING = "late", "missing"
"""Why another model answers instead; what an answer says as its `fallback`."""


@dataclass(frozen=True)
class Instead:
    """Rows that a fallback answered: row -> its place among the fallback's answers."""

    answers: Answers
    places: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """The answers to many rows, as arrays.

    Attributes
    ----------
    decision : int64 (n,): 0 answer, 1 abstain: low confidence, 2 abstain: novel.
    novelty : float32 (n,). outside : bool (n, inputs), by input of the signature.
    missing, unknown : bool (n, inputs).
    label, probabilities : int64 (n,) class numbers and float32 (n, K); None for a regression.
    value, low, high : float64 (n,) in the target's units; None for a classifier (low, high also without an interval).
    keys : object (n,) of str or None, or None when the signature has no key.
    instead : the rows that a model without their missing fields answered, where policies for missing fields are declared; the
        arrays hold its answers, too.

    Values are those of the model, whether it abstained or not: what an abstained row may show is the caller's to decide,
    and `row` withholds it.
    """

    answerer: Answerer
    columns: tuple[str, ...]
    decision: np.ndarray
    novelty: np.ndarray
    outside: np.ndarray
    missing: np.ndarray
    unknown: np.ndarray
    label: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    value: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    keys: np.ndarray | None = None
    instead: Instead | None = None

    def __len__(self) -> int:
        return len(self.decision)

    def row(self, i: int) -> Answer:
        """The answer to row `i`, the same dict as the row path gives."""
        decision, novelty, outside = int(self.decision[i]), float(self.novelty[i]), self.outside[i]
        missing = [name for name, flag in zip(self.columns, self.missing[i].tolist(), strict=True) if flag]
        if self.instead is not None:
            place = self.instead.places.get(i)
            if place is not None:
                return by_fallback(self.instead.answers.row(place), missing, self.instead.answers.columns)
            return filled(self._row(i, decision, novelty, outside, missing), missing)
        return self._row(i, decision, novelty, outside, missing)

    def _row(self, i: int, decision: int, novelty: float, outside: np.ndarray, missing: list[str]) -> Answer:
        unknown = [name for name, flag in zip(self.columns, self.unknown[i].tolist(), strict=True) if flag]
        key = None if self.keys is None else self.keys[i]
        if self.label is not None and self.probabilities is not None:
            return self.answerer.classification(
                int(self.label[i]), self.probabilities[i].tolist(), decision, novelty, outside, missing, unknown, key
            )
        assert self.value is not None
        return self.answerer.regression(float(self.value[i]), decision, novelty, outside, missing, unknown, key)
