"""The reference profile of a bundle: what the training rows looked like, and how the model answered held-out rows.

Columns are profiled on training rows, of which there are most. Answers, the rates of values outside what was seen in
training, and the shares of categories are taken from held-out rows: on its own training rows a model is too sure of itself,
nothing is unseen, and the values that happened to be there look commoner than they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.specs import ColumnSpec
from penstock.bundle.words import packed_words
from penstock.errors import NewerFormat
from penstock.evaluation.bootstrap import Estimate
from penstock.monitoring.answered import ModelAnswers, confidence_of
from penstock.monitoring.sketch import Sketch

FORMAT = 1
MOST_COUNTED = 200  # values of a category with a count of their own
MOST_KNOWN = 10_000  # values of a category that count as known
MOST_WORDS = 5_000  # of a text column's vocabulary
MOST_TEXTS = 20_000  # texts that are looked at
FEW_VALUES = 20  # a number with at most so many distinct values is compared value by value
_POINTS = 40_000  # of all sketches together: bounds the size of reference.json


@dataclass(frozen=True)
class ColumnReference:
    """One column of the training rows, and what of it lies outside that on held-out rows.

    Attributes
    ----------
    rows, missing : training rows, and those without a value.
    sketch : of the values (numeric) or of the number of words (text).
    counts : rows of each common value, the commonest first (categorical, binary). `other`: rows of all further ones.
    known : values that were seen but are not in `counts`.
    words : the vocabulary (text); known_words : sketch of the share of known words in held-out texts.
    heldout_rows, heldout_outside : held-out rows with a value, and those of them outside the range or unknown.
    heldout_counts : held-out rows of each value of `counts`; the others are ``heldout_rows - sum(heldout_counts)``.
    first, last : of instants (datetime), microseconds since 1970.
    """

    name: str
    kind: Kind
    rows: int
    missing: int
    sketch: Sketch | None = None
    counts: tuple[tuple[str, int], ...] = ()
    other: int = 0
    known: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    known_words: Sketch | None = None
    heldout_rows: int = 0
    heldout_outside: int = 0
    heldout_counts: tuple[int, ...] = ()
    first: int | None = None
    last: int | None = None

    @property
    def has_few_values(self) -> bool:
        """Whether a number is compared value by value, as a category is."""
        return self.sketch is not None and self.sketch.exact and len(self.sketch.values) <= FEW_VALUES

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"kind": self.kind.value, "rows": self.rows, "missing": self.missing}
        plain["heldout"] = {"rows": self.heldout_rows, "outside": self.heldout_outside}
        if self.sketch is not None:
            plain["sketch"] = self.sketch.to_json()
        if self.counts:
            plain |= {"counts": [list(one) for one in self.counts], "other": self.other, "known": sorted(self.known)}
            plain["heldout"]["counts"] = list(self.heldout_counts)
        if self.known_words is not None:
            plain |= {"words": sorted(self.words), "known_words": self.known_words.to_json()}
        if self.first is not None:
            plain |= {"first": self.first, "last": self.last}
        return plain

    @classmethod
    def from_json(cls, name: str, obj: Mapping[str, Any]) -> ColumnReference:
        return cls(
            name=name,
            kind=Kind(obj["kind"]),
            rows=obj["rows"],
            missing=obj["missing"],
            sketch=Sketch.from_json(obj["sketch"]) if "sketch" in obj else None,
            counts=tuple((value, count) for value, count in obj.get("counts", ())),
            other=obj.get("other", 0),
            known=frozenset(obj.get("known", ())),
            words=frozenset(obj.get("words", ())),
            known_words=Sketch.from_json(obj["known_words"]) if "known_words" in obj else None,
            heldout_rows=obj["heldout"]["rows"],
            heldout_outside=obj["heldout"]["outside"],
            heldout_counts=tuple(obj["heldout"].get("counts", ())),
            first=obj.get("first"),
            last=obj.get("last"),
        )


@dataclass(frozen=True)
class Reference:
    """The whole profile.

    Attributes
    ----------
    heldout_rows : rows whose answers were profiled.
    labels : held-out rows per predicted class, by class number; empty for a regression. value : sketch of the predictions
        of a regression. confidence : sketch of the top probability of a classifier. novelty : sketch of the scores.
    novelty_limit : above it a row counts as novel; novel : held-out rows that did.
    metric, quality : the goal's metric and its score where the model was judged; None where it is not known.
    """

    columns: Mapping[str, ColumnReference]
    heldout_rows: int
    labels: tuple[int, ...]
    value: Sketch | None
    confidence: Sketch | None
    novelty: Sketch
    novelty_limit: float
    novel: int
    metric: str | None = None
    quality: Estimate | None = None

    def to_json(self) -> dict[str, Any]:
        """The stored form, `reference.json`."""
        return {
            "format": FORMAT,
            "kind": "reference",
            "columns": {name: column.to_json() for name, column in self.columns.items()},
            "answers": {
                "rows": self.heldout_rows,
                "labels": list(self.labels),
                "value": None if self.value is None else self.value.to_json(),
                "confidence": None if self.confidence is None else self.confidence.to_json(),
                "novelty": self.novelty.to_json(),
                "novelty_limit": None if np.isinf(self.novelty_limit) else self.novelty_limit,
                "novel": self.novel,
            },
            "quality": None if self.quality is None else {"metric": self.metric, **self.quality.to_json()},
        }

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Reference:
        """Raises NewerFormat for a profile of a later release."""
        if obj.get("format") != FORMAT or obj.get("kind") != "reference":
            raise NewerFormat(
                f"this is no reference profile of format {FORMAT}",
                why=f"it says kind {obj.get('kind')!r}, format {obj.get('format')!r}",
                way_out="upgrade Penstock, or package the model again",
            )
        answers, quality = obj["answers"], obj["quality"]
        limit = answers["novelty_limit"]
        return cls(
            columns={name: ColumnReference.from_json(name, column) for name, column in obj["columns"].items()},
            heldout_rows=answers["rows"],
            labels=tuple(answers["labels"]),
            value=None if answers["value"] is None else Sketch.from_json(answers["value"]),
            confidence=None if answers["confidence"] is None else Sketch.from_json(answers["confidence"]),
            novelty=Sketch.from_json(answers["novelty"]),
            novelty_limit=float("inf") if limit is None else limit,
            novel=answers["novel"],
            metric=None if quality is None else quality["metric"],
            quality=None if quality is None else Estimate.from_json(quality),
        )


def build_reference(
    train: Frame,
    specs: Sequence[ColumnSpec],
    answers: ModelAnswers,
    heldout: Frame,
    *,
    novelty_limit: float = float("inf"),
    quality: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`reference.json` of a bundle.

    Parameters
    ----------
    train : training rows. specs : of the columns to watch, the inputs of the model.
    answers : of the bundle to the rows of `heldout`, as `Bundle.predict_frame` gives them.
    heldout : rows that the learner did not see (validation rows).
    novelty_limit : of the decision rule.
    quality : the goal's metric on held-out rows, ``{"metric", "value", "low", "high"}``, against which live quality is held.
    """
    watched = [spec for spec in specs if spec.name in train]
    sketched = sum(spec.kind in (Kind.NUMERIC, Kind.TEXT) for spec in watched)
    points = int(np.clip(_POINTS // max(1, sketched), 100, 1000))
    columns = {spec.name: _column(spec.name, train, heldout, points) for spec in watched}
    confidence = confidence_of(answers)
    reference = Reference(
        columns=columns,
        heldout_rows=len(heldout),
        labels=() if answers.probabilities is None else _label_counts(answers),
        value=None if answers.value is None else Sketch.of(answers.value),
        confidence=None if confidence is None else Sketch.of(confidence),
        novelty=Sketch.of(answers.novelty),
        novelty_limit=novelty_limit,
        novel=int(np.count_nonzero(answers.novelty > novelty_limit)),
        metric=None if quality is None else quality["metric"],
        quality=None if quality is None else Estimate.from_json(quality),
    )
    return reference.to_json()


def outside_of(column: ColumnReference, values: np.ndarray) -> int:
    """How many values (missing ones left out) lie beyond the range of the training rows, or are not known from them."""
    if column.kind is Kind.NUMERIC:
        assert column.sketch is not None
        if column.sketch.rows == 0:
            return len(values)
        low, high = column.sketch.values[0], column.sketch.values[-1]
        return int(np.count_nonzero((values < low) | (values > high)))
    if column.kind in (Kind.BINARY, Kind.CATEGORICAL):
        known = column.known | {value for value, _ in column.counts}
        return sum(value not in known for value in values.tolist())
    return 0


def word_counts(texts: Iterable[str]) -> list[list[str]]:
    """The words of each text, as the graph gets them."""
    return [packed_words(text).split() for text in texts]


def known_share(words: Sequence[str], vocabulary: frozenset[str]) -> float:
    """Share of the words that are known; NaN of a text without words."""
    return sum(word in vocabulary for word in words) / len(words) if words else float("nan")


def _column(name: str, train: Frame, heldout: Frame, points: int) -> ColumnReference:
    kind, rows = train.kinds[name], len(train)
    there = ~train.missing(name)
    values, held = train[name][there], heldout[name][~heldout.missing(name)]
    missing = rows - len(values)
    if kind is Kind.NUMERIC:
        column = ColumnReference(name, kind, rows, missing, Sketch.of(values, points))
    elif kind is Kind.DATETIME:
        ends = (int(values.min()), int(values.max())) if len(values) else (MISSING_TIME, MISSING_TIME)
        return ColumnReference(name, kind, rows, missing, first=ends[0], last=ends[1])
    elif kind is Kind.TEXT:
        return _text_column(name, rows, missing, values, held, points)
    else:
        counts = sorted(Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0]))
        rest = counts[MOST_COUNTED:]
        known = frozenset(value for value, _ in rest[: MOST_KNOWN - MOST_COUNTED])
        common = tuple(counts[:MOST_COUNTED])
        column = ColumnReference(name, kind, rows, missing, None, common, sum(n for _, n in rest), known)
    now = Counter(held.tolist()) if column.counts else Counter()
    return replace(
        column,
        heldout_rows=len(held),
        heldout_outside=outside_of(column, held),
        heldout_counts=tuple(now[value] for value, _ in column.counts),
    )


def _text_column(
    name: str, rows: int, missing: int, values: np.ndarray, held: np.ndarray, points: int
) -> ColumnReference:
    words = word_counts(values[:MOST_TEXTS].tolist())
    texts_with = Counter(word for text in words for word in set(text))
    common = sorted(texts_with.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]
    vocabulary = frozenset(word for word, _ in common)
    known = [known_share(text, vocabulary) for text in word_counts(held[:MOST_TEXTS].tolist())]
    length = Sketch.of([len(text) for text in words], points)
    return ColumnReference(
        name, Kind.TEXT, rows, missing, length, words=vocabulary, known_words=Sketch.of(known, points),
        heldout_rows=len(held),
    )  # fmt: skip


def _label_counts(answers: ModelAnswers) -> tuple[int, ...]:
    assert answers.label is not None
    assert answers.probabilities is not None
    return tuple(np.bincount(answers.label, minlength=answers.probabilities.shape[1]).tolist())
