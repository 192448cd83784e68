"""Labels: outcomes and corrections that come back by prediction id or by key, kept in the journal.

A label names a prediction by its id, or by the key (an identifier column of the row) of the latest prediction with
that key. Sending a label again changes nothing; another label for the same prediction is a correction, and the one
with the latest `at` holds.

Where several servers answer together, a label may come to another one than gave the prediction. It is refused there, or kept as it is
(`[serving.journal] unknown_labels`), and meets its prediction by its id where the journals come together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import Kind
from penstock.bundle.raw import Unreadable
from penstock.bundle.specs import ColumnSpec
from penstock.bundle.values import column_reader
from penstock.errors import BundleError, NotFound
from penstock.serving.instants import iso_now, iso_of, parse_instant
from penstock.serving.journal import Answered, Kept, find_answered, to_record
from penstock.serving.journal_writer import JournalWriter
from penstock.serving.judges import Judge, Judges, ReadKey
from penstock.serving.latest_keys import LatestKeys
from penstock.serving.prediction_ids import PredictionId, parse_id
from penstock.serving.scanning import JournalScan

MOST_LABELLED = 500_000
"""Predictions of which a server knows the labels, of those labelled last: some 250 MB of a worker."""

_plain_key: ReadKey = column_reader(ColumnSpec("key", Kind.IDENTIFIER))
_CLOCK_ERROR = timedelta(minutes=5)  # by which the clock of who labels may be ahead of this one
_FIRST_ZONE = timedelta(hours=14)  # by which a date begins earlier somewhere
_DATE = len("2026-11-30")  # without a time
_FIELDS = frozenset({"id", "key", "model", "label", "author", "at"})


@dataclass(frozen=True, slots=True)
class Label:
    """One outcome. `label` has the target's own type; `at` is when it was observed (ISO, UTC)."""

    id: str
    label: Any
    at: str
    author: str = ""
    key: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "key": self.key, "label": self.label, "author": self.author, "at": self.at}


@dataclass(frozen=True, slots=True)
class Rejection:
    index: int
    code: str  # "unknown-prediction", "expired", "bad-label", "missing-field", "unknown-model"
    why: str

    def to_json(self) -> dict[str, Any]:
        return {"index": self.index, "code": self.code, "why": self.why}


@dataclass(frozen=True, slots=True)
class LabelResult:
    """What became of a list of labels: `accepted` counts those taken, `new` is what has to be stored of them; `unmatched` are those taken whose
    prediction is not here."""

    accepted: int
    rejected: list[Rejection]
    new: list[Label] = field(default_factory=list)
    unmatched: int = 0

    def to_json(self) -> dict[str, Any]:
        unmatched = {"unmatched": self.unmatched} if self.unmatched else {}
        return {"accepted": self.accepted, "rejected": [r.to_json() for r in self.rejected], **unmatched}


@dataclass(frozen=True, slots=True)
class LabelsRead:
    """The labels of a request, each with whether it says itself when it was observed; and those that are none. Of `unmatched` ones the prediction is
    not here."""

    labels: list[tuple[Label, bool]]
    rejected: list[Rejection]
    unmatched: int = 0


class LabelBook:
    """What the journal knows of labels and keys, read on as the journal grows, and forgotten with what retention deletes. May be shared
    between threads.

    Parameters
    ----------
    unknown : what becomes of labels whose prediction another server may have given. "keep" takes them by id, and none by key: which prediction
        of a key is the latest one, this journal alone cannot say.
    most : labelled predictions that are known at a time, those labelled last; None: all. A label that is sent again for another one is
        stored again, which changes no more than before: it holds, or it does not, by its `at`.
    """

    def __init__(self, folder: Path, unknown: Literal["refuse", "keep"] = "refuse", most: int | None = None) -> None:
        self.folder, self.unknown, self.most = folder, unknown, most
        # Prediction id -> labels in the order of writing, each with the segment that it stands in and is forgotten with; those of which
        # something was written last at the end.
        self._labels: dict[str, list[tuple[int, Label]]] = {}
        self._scan, self._lock = JournalScan(folder), threading.Lock()
        self._keys = LatestKeys(folder)

    def read(
        self,
        items: Sequence[Any],
        decoder: Decoder,
        read_key: ReadKey | None = None,
        *,
        model: str | None = None,
        others: Judges | None = None,
    ) -> LabelsRead:
        """The labels of a request. Each prediction that they name is looked up in the journal, which may take long, and nobody waits for it.

        Parameters
        ----------
        items : objects with "id" or "key", "label", and optionally "model" (whose latest prediction with that key is meant), "author"
            and "at".
        decoder : of the bundle that is live; its target says which labels there are.
        read_key : brings a raw key into the form that answers carry: `Bundle.read_key`. Default: as an identifier.
        model : the name of the model that is live; others : who judges labels of predictions that other versions, or other models,
            gave. Without them all are judged by `decoder`.
        """
        judging = _Judging(Judge(decoder, read_key or _plain_key), model, others)
        if are_by_key(items):
            self.read_keys()
        read: list[tuple[Label, bool]] = []
        rejected, unmatched, now = [], 0, iso_now()
        for index, item in enumerate(items):
            try:
                label, is_here = self._label(item, judging, now)
            except _RejectedError as no:
                rejected.append(Rejection(index, no.code, no.why))
                continue
            read.append((label, item.get("at") is not None))
            unmatched += not is_here
        return LabelsRead(read, rejected, unmatched)

    def decide(self, read: LabelsRead) -> LabelResult:
        """What has to be stored of labels, beside what is stored already: one after another, each with what came of the one before."""
        new: list[Label] = []
        seen: dict[str, list[Label]] = {}
        with self._lock:
            self._read_labels()
            for label, explicit in read.labels:
                known = [*self._known(label.id), *seen.get(label.id, ())]
                if not _says_nothing_new(label, known, explicit):
                    seen.setdefault(label.id, []).append(label)
                    new.append(label)
        return LabelResult(len(read.labels), read.rejected, new, read.unmatched)

    def read_keys(self) -> None:
        """Read which predictions keys mean. The first time it is the whole journal: labels by id need not wait for that, if it is done
        before others are judged."""
        self._keys.read()

    def latest(self) -> dict[str, Label]:
        """The label that holds for each labelled prediction."""
        with self._lock:
            self._read_labels()
            return {prediction: _holding(self._known(prediction)) for prediction in self._labels}

    def _label(self, item: Any, judging: _Judging, now: str) -> tuple[Label, bool]:
        """A label, and whether its prediction is here."""
        if not isinstance(item, Mapping):
            raise _RejectedError("bad-label", f"each label is an object, this is {type(item).__name__}")
        unknown = sorted(set(item) - _FIELDS)
        if unknown:
            raise _RejectedError("bad-label", f"unknown field {unknown[0]!r}; a label has {', '.join(sorted(_FIELDS))}")
        if item.get("label") is None:
            raise _RejectedError("missing-field", 'the field "label" is missing')
        author, at = item.get("author") or "", item.get("at")
        if not isinstance(author, str):
            raise _RejectedError("bad-label", '"author" must be text')
        prediction, record, key = self._prediction(item, judging)
        label = Label(
            id=prediction,
            label=_target_value(item["label"], judging.of(record).decoder),
            at=now if at is None else _instant(at, now),
            author=author,
            key=key,
        )
        return label, record.rows > 0

    def _prediction(self, item: Mapping[str, Any], judging: _Judging) -> tuple[str, Answered, str | None]:
        """The prediction that a label names, what answered it, and the key as answers carry it."""
        model, key = item.get("model"), item.get("key")
        if model is not None and not isinstance(model, str):
            raise _RejectedError("bad-label", '"model" must be text')
        if item.get("id") is not None:
            prediction, record = self._known_id(item["id"], judging, model)
            if model is not None and model != record.model:
                raise _RejectedError(
                    "unknown-prediction", f"{prediction} was answered by {record.model!r}, not {model!r}"
                )
            return prediction, record, None if key is None else _read(judging.of(record).read_key, key)
        if key is None:
            raise _RejectedError("missing-field", 'a label names its prediction by "id" or by "key"; it has neither')
        if self.unknown == "keep":
            raise _RejectedError(
                "unknown-prediction",
                'by key is meant its latest prediction, which may be of another server (unknown_labels is "keep"): name the id, '
                "or import labels by key where the journals are together",
            )
        whose = model if model is not None else judging.model
        text = _read(judging.reader(whose), key)
        found = self._keys.of(whose, text)
        if found is None:
            of = "" if model is None else f" of {model!r}"
            among = (
                f", of the {self._keys.most:,} keys asked last; name older ones by id"
                if self._keys.has_forgotten
                else ""
            )
            raise _RejectedError("unknown-prediction", f"no journalled prediction{of} has the key {text!r}{among}")
        return (*self._known_id(found, judging, model), text)

    def _known_id(self, text: Any, judging: _Judging, model: str | None) -> tuple[str, Answered]:
        """An id as it is written, and what answered; for one of another server that is the model that is live, or `model`, without rows."""
        parts = parse_id(text) if isinstance(text, str) else None
        if parts is None:
            raise _RejectedError("unknown-prediction", f"{text!r} is not a prediction id (32 letters and digits)")
        try:
            record = self._answered(parts, judging)
        except NotFound as missing:
            if judging.kept is None:
                judging.kept = Kept(self.folder)
            if self.unknown == "keep" and judging.kept.may_be_elsewhere(parts):
                if parts.time_ms > (time.time() + _CLOCK_ERROR.total_seconds()) * 1000:
                    raise _RejectedError("unknown-prediction", f"{parts} is of a moment that lies ahead") from None
                return str(parts), Answered(model or judging.model or "", 0, 0)
            code = "expired" if judging.kept.is_expired(parts) else "unknown-prediction"
            raise _RejectedError(code, missing.why) from None
        if parts.row >= record.rows:
            raise _RejectedError("unknown-prediction", f"that request had {record.rows} rows")
        return str(parts), record

    def _answered(self, parts: PredictionId, judging: _Judging) -> Answered:
        """What answered a request; read once for all labels of its rows, in whatever order they come."""
        request = PredictionId(parts.time_ms, parts.segment, parts.offset, 0)
        found = judging.answered.get(request)
        if found is None:
            found = judging.answered[request] = find_answered(self.folder, request)
        return found

    def _known(self, prediction: str) -> list[Label]:
        return [label for _, label in self._labels.get(prediction, ())]

    def _read_labels(self) -> None:
        for segment, payload in self._scan.new_payloads(b'{"kind":"label"'):
            for item in to_record(payload).labels:
                self._labels[item["id"]] = [*self._labels.pop(item["id"], ()), (segment, Label(**item))]
            if self.most is not None and len(self._labels) > self.most:
                # Many at once: to find the first entry of a dictionary, one passes all that were taken out before it.
                for prediction in list(islice(self._labels, len(self._labels) - self.most * 9 // 10)):
                    del self._labels[prediction]
        if self._scan.has_lost():
            there = frozenset(self._scan.numbers)
            left = {one: [each for each in labels if each[0] in there] for one, labels in self._labels.items()}
            self._labels = {one: labels for one, labels in left.items() if labels}


def are_by_key(items: Sequence[Any]) -> bool:
    """Whether any label names its prediction by a key."""
    return any(isinstance(item, Mapping) and item.get("id") is None for item in items)


def accept_labels(
    folder: Path,
    items: Sequence[Any],
    decoder: Decoder,
    read_key: ReadKey | None = None,
    *,
    model: str | None = None,
    others: Judges | None = None,
) -> LabelResult:
    """Judge labels against a journal and store those that are new, from a process that is no server (`label import`).

    Raises
    ------
    StoreFull : no space is left.
    """
    book = LabelBook(folder)
    result = book.decide(book.read(items, decoder, read_key, model=model, others=others))
    if result.new:
        with JournalWriter(folder, deletes=False) as writer:
            writer.labels([label.to_json() for label in result.new])
    return result


def read_labels(folder: Path) -> dict[str, Label]:
    """Prediction id -> the label that holds (latest `at`), of everything that is in the journal."""
    return LabelBook(folder).latest()


def _read(read_key: ReadKey, key: object) -> str:
    try:
        text = read_key(key)
    except Unreadable as error:
        raise _RejectedError("unknown-prediction", f"the key {key!r} cannot be read: {error.why}") from None
    if text is None:
        raise _RejectedError("unknown-prediction", f"{key!r} is no key, or the model that is live has none")
    return text


class _RejectedError(Exception):
    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


@dataclass
class _Judging:
    """Who judges the labels of one request."""

    live: Judge
    model: str | None
    others: Judges | None
    answered: dict[PredictionId, Answered] = field(default_factory=dict)  # the requests that were looked up
    kept: Kept | None = None  # what the journal has, once an id was not found in it

    def of(self, record: Answered) -> Judge:
        """The judge of the version that answered; of one that is nowhere any more, its model's that is live."""
        if self.others is not None:
            try:
                found = self.others(record.model, record.version)
            except BundleError as damaged:
                raise _RejectedError(
                    "unknown-model", f"the bundle of {record.model!r} cannot be read: {damaged.why}"
                ) from None
            if found is not None:
                return found
        if self.model is None or record.model == self.model:
            return self.live
        if not record.rows:
            raise _RejectedError(
                "unknown-model", f"another server answered that, and {record.model!r} is not live on this one"
            )
        raise _RejectedError("unknown-model", f"{record.model!r} version {record.version} is no longer offered here")

    def reader(self, model: str | None) -> ReadKey:
        """What reads a key before the prediction is known that it belongs to."""
        return self.live.read_key if model == self.model else _plain_key


def _target_value(value: Any, decoder: Decoder) -> Any:
    target = decoder.target
    if target is None:
        raise _RejectedError("bad-label", "the model that is live has no declared target")
    values, problems = decoder.decode_target_values([value])
    if target.classes:
        if problems or values[0] < 0:
            known = ", ".join(repr(c) for c in target.classes[:10]) + (" ..." if len(target.classes) > 10 else "")
            raise _RejectedError("bad-label", f"the target {target.name!r} has no class {value!r}; it has {known}")
        return target.classes[int(values[0])]
    if problems or values[0] != values[0]:
        raise _RejectedError("bad-label", f"the target {target.name!r} is a number, and {value!r} is none")
    return float(values[0])


def _instant(text: Any, now: str) -> str:
    try:
        at = parse_instant(text)
        told = iso_of(at)
    except (ValueError, TypeError, OverflowError):
        raise _RejectedError("bad-label", f'"at" is {text!r}, which is no ISO 8601 instant') from None
    if at > parse_instant(now) + (_FIRST_ZONE if len(text) <= _DATE else _CLOCK_ERROR):
        raise _RejectedError("bad-label", f'"at" is {text!r}, which lies ahead; it is now {now}')
    return min(told, now)  # what lay ahead would hold against each correction until then


def _says_nothing_new(label: Label, known: Sequence[Label], explicit: bool) -> bool:
    """Whether a label repeats what is known: it holds already, or the very same one (with its `at`) was stored before."""
    if not known:
        return False
    if _same(_holding(known), label):
        return True
    return explicit and any(_same(old, label) and old.at == label.at for old in known)


def _same(one: Label, other: Label) -> bool:
    return type(one.label) is type(other.label) and one.label == other.label


def _holding(labels: Sequence[Label]) -> Label:
    return max(enumerate(labels), key=lambda pair: (pair[1].at, pair[0]))[1]
