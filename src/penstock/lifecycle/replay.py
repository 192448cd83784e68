"""`penstock replay`: answer journalled predictions again with the version of that time, and compare, bit for bit."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.bundle.answers import LATE
from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, BundleError, NotFound, PenstockError, ServingError
from penstock.lifecycle.bundles import bundle_of
from penstock.lifecycle.spans import instant, start_of
from penstock.project.live import asked_bundle
from penstock.project.project import Project
from penstock.serving.instants import iso_of
from penstock.serving.journal import Record, find, read

if TYPE_CHECKING:
    from penstock.lifecycle.tracing import Trace

SHOWN = 20
"""Predictions that differ, of many, that are told one by one."""
NEAR = 50_000
"""Predictions among which an id that is not there is looked for."""
OF_THE_SERVER = frozenset({"id"})
"""What a server adds to an answer of the model."""


@dataclass(frozen=True)
class Difference:
    """One value of an answer that is another now: ``probabilities.yes``. `was` and `now` are None where it is not there."""

    field: str
    was: Any
    now: Any

    def to_json(self) -> dict[str, Any]:
        return {"field": self.field, "was": self.was, "now": self.now}


@dataclass(frozen=True)
class Replayed:
    """One prediction, answered again.

    Attributes
    ----------
    version : that answered then. by : that answered now. was, now : the answers; in `withheld` what was not shown.
    not_compared : fields of the journalled answer that are no part of a model's answer.
    """

    id: str
    at: str
    model: str
    version: int
    by: int
    slot: str
    row: Mapping[str, Any]
    was: Mapping[str, Any]
    now: Mapping[str, Any]
    differences: Sequence[Difference]
    not_compared: Sequence[str] = ()
    trace: Trace | None = None

    @property
    def equal(self) -> bool:
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "at": self.at,
            "model": self.model,
            "version": self.version,
            "by": self.by,
            "slot": self.slot,
            "equal": self.equal,
            "differences": [difference.to_json() for difference in self.differences],
            "not_compared": list(self.not_compared),
            "row": dict(self.row),
            "was": dict(self.was),
            "now": dict(self.now),
            "trace": None if self.trace is None else self.trace.to_json(),
        }

    def lines(self) -> list[str]:
        by = "the same version" if self.by == self.version else f"version {self.by}"
        head = f"{self.id}  {self.at}  {self.model} version {self.version}, answered again by {by}: "
        lines = [head + ("equal, bit for bit" if self.equal else "different")]
        lines += [f"  {d.field}: was {_told(d.was)}, is {_told(d.now)}" for d in self.differences]
        if self.equal:
            lines.append(f"  {_summary(self.now)}")
        if self.not_compared:
            lines.append(f"  not compared, as no model says it: {', '.join(self.not_compared)}")
        return lines if self.trace is None else [*lines, *self.trace.lines()]


@dataclass(frozen=True)
class ReplayResult:
    """Outcome of `penstock replay`.

    Attributes
    ----------
    predictions : those that were asked for by id, or of many the first that differ.
    compared, equal : how many. lost : why others could not be answered again, and how many.
    """

    predictions: Sequence[Replayed]
    compared: int
    equal: int
    by_version: Mapping[int, tuple[int, int]]  # version -> compared, equal
    lost: Mapping[str, int] = field(default_factory=dict)
    fields: Mapping[str, int] = field(default_factory=dict)  # that differ, and in how many
    largest: float | None = None
    warnings: Sequence[str] = ()
    many: bool = False

    @property
    def exit_code(self) -> int:
        return 0 if self.equal == self.compared else 1

    def to_json(self) -> dict[str, Any]:
        return {
            "compared": self.compared,
            "equal": self.equal,
            "different": self.compared - self.equal,
            "versions": [
                {"version": version, "compared": compared, "equal": equal}
                for version, (compared, equal) in sorted(self.by_version.items())
            ],
            "fields": dict(self.fields),
            "largest_difference": self.largest,
            "lost": dict(self.lost),
            "predictions": [prediction.to_json() for prediction in self.predictions],
            "warnings": list(self.warnings),
        }

    def to_text(self) -> str:
        lines = [line for prediction in self.predictions for line in prediction.lines()]
        if self.many:
            different = self.compared - self.equal
            lines.append(
                f"{self.compared} predictions answered again: {self.equal} equal, bit for bit; {different} different"
            )
            lines += [f"  version {v}: {equal} of {n} equal" for v, (n, equal) in sorted(self.by_version.items())]
            lines += [f"  {name} differs in {count}" for name, count in self.fields.items()]
            if self.largest is not None:
                lines.append(f"  largest difference of a number: {self.largest:.3g}")
            if different > len(self.predictions):
                lines.append(f"  shown: {len(self.predictions)} of {different}")
            lines += [f"  {count} could not be answered again: {why}" for why, count in self.lost.items()]
        return "\n".join([*lines, *(f"  warning: {w}" for w in self.warnings)])


def replay(
    project: Project,
    ids: Sequence[str] = (),
    *,
    since: str | None = None,
    until: str | None = None,
    sample: int | None = None,
    with_version: int | None = None,
    trace: bool = False,
) -> ReplayResult:
    """Answer journalled predictions again, and compare.

    Rows are answered from what the journal keeps of them: personal values as they were protected then, and columns that look back as
    they were worked out then.

    Parameters
    ----------
    ids : of predictions. since, until : or all between two instants (ISO 8601; `since` also a length back from `until`).
    sample : so many of these, drawn at random (always the same ones of the same journal).
    with_version : of the registry, to answer instead of the version of that time.
    trace : also every step from the raw value to the decision.

    Raises
    ------
    NotFound : an id is not in the journal (why is told), or the version or its bundle is not stored any more.
    BadParameter : ids and a window are both given, or neither.
    """
    _check(ids, since, until, sample, trace)
    versions = _Versions(project, with_version)
    if ids:
        done = [_one(versions, *_found(project, prediction), trace=trace) for prediction in ids]
        return _result(done, done, {}, many=len(done) > 1)
    end = instant(until, "--until") if until else datetime.now(UTC)
    start = None if since is None else start_of(since, end)
    found = read(project.journal_folder, start, end, ("predict",))
    rows: Iterable[tuple[Record, int]] = ((record, row) for record in found for row in range(len(record.answers)))
    if sample is not None:
        rows = _drawn(rows, sample)
    many, lost = list[_Slim](), Counter[str]()
    kept: list[Replayed] = []
    for record, row in rows:
        try:
            again = _one(versions, record, row)
        except PenstockError as error:
            lost[error.what] += 1
            continue
        many.append(_Slim.of(again))
        if not again.equal and len(kept) < SHOWN:
            kept.append(again)
    if not many and not lost:
        raise NotFound(
            "no prediction was journalled in that time",
            why=f"the journal has none from {'its beginning' if start is None else iso_of(start)} to {iso_of(end)}",
            way_out="name another time with --since and --until, or ids",
        )
    return _result(kept, many, lost, many=True)


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What differs between a journalled answer and one that a model gives now; what only the server says is left out.

    >>> differences({"id": "x", "novelty": 0.5, "missing": []}, {"novelty": 0.25, "missing": []})
    [Difference(field='novelty', was=0.5, now=0.25)]
    """
    found: list[Difference] = []
    for name in {**now, **{n: None for n in was if n in ANSWER_FIELDS}}:
        found += _between(name, was.get(name, _ABSENT), now.get(name, _ABSENT))
    return found


ANSWER_FIELDS = frozenset(
    {"key", "prediction", "probabilities", "interval", "decision", "reason", "withheld", "novelty", "missing", "unknown",
     "fallback", "filled"}
)  # fmt: skip
"""What a model says; see `penstock.bundle.answers`."""
_ABSENT = object()


def _between(name: str, was: Any, now: Any) -> Iterator[Difference]:
    if isinstance(was, dict) and isinstance(now, dict):
        for inner in {**was, **now}:
            yield from _between(f"{name}.{inner}", was.get(inner, _ABSENT), now.get(inner, _ABSENT))
        return
    if was is not _ABSENT and now is not _ABSENT and _same(was, now):
        return
    if {was is _ABSENT or was is None, now is _ABSENT or now is None} == {True}:
        return  # nothing, said in two ways
    yield Difference(name, None if was is _ABSENT else was, None if now is _ABSENT else now)


def _same(was: Any, now: Any) -> bool:
    """Equal in JSON: a double is written so that it reads back as itself, so equal means equal to the last bit."""
    if isinstance(was, bool) or isinstance(now, bool):
        return was is now
    return bool(was == now)


# ---------------------------------------------------------------- one prediction


@dataclass(frozen=True)
class _Loaded:
    version: int
    bundle: Bundle
    ours: bool = True  # a version of this project's registry


class _Versions:
    """Bundles of the registry, loaded once each: the one of a record, or the one that was named."""

    def __init__(self, project: Project, named: int | None) -> None:
        self.project, self._named = project, named
        self._loaded: dict[tuple[str, int], _Loaded | PenstockError] = {}
        if named is not None:
            self._of(named)  # what is wrong with it is told at once

    def of(self, record: Record) -> _Loaded:
        if record.model and record.model != self.project.name:
            return self._of(record.version, record.model)
        return self._of(self._named if self._named is not None else record.version)

    def _of(self, version: int, other: str = "") -> _Loaded:
        """A version of this project, or one that stands on the shelf of its server under another model's name."""
        asked = (other, version)
        if asked not in self._loaded:
            try:
                self._loaded[asked] = self._from_shelf(other, version) if other else self._load(version)
            except PenstockError as error:
                self._loaded[asked] = error
        found = self._loaded[asked]
        if isinstance(found, PenstockError):
            raise found
        return found

    def _from_shelf(self, model: str, version: int) -> _Loaded:
        try:
            return _Loaded(version, asked_bundle(self.project, model, str(version))[1], ours=False)
        except (NotFound, ServingError) as error:
            raise NotFound(
                f"the model {model!r} is not that of this project",
                why=f"this project makes {self.project.name!r}; {error.why}",
                way_out="replay it in the project that made it, or put that version on the shelf again",
            ) from error

    def _load(self, version: int) -> _Loaded:
        project = self.project
        entry = project.ledger.registry.get(project.name, version)
        try:
            return _Loaded(version, Bundle.load(bundle_of(project, entry), key=project.privacy_key))
        except (NotFound, BundleError) as error:
            raise NotFound(
                f"the bundle of version {version} is not stored any more",
                why=f"{error.what}: {error.why}",
                way_out="`penstock reproduce` its run makes it again; or compare another version with --with",
            ) from error


def _one(versions: _Versions, record: Record, row: int, *, trace: bool = False) -> Replayed:
    loaded = versions.of(record)
    was, raw = record.answers[row], record.rows[row]
    now = _answered_as_then(loaded.bundle, raw, was)
    traced = None
    if trace:
        from penstock.lifecycle.tracing import trace_of

        traced = trace_of(versions.project, loaded.version if loaded.ours else None, loaded.bundle, raw, now)
    return Replayed(
        str(was["id"]),
        iso_of(record.at),
        record.model,
        record.version,
        loaded.version,
        record.slot,
        raw,
        was,
        now,
        differences(was, now),
        sorted(set(was) - ANSWER_FIELDS - OF_THE_SERVER),
        traced,
    )


def _answered_as_then(bundle: Bundle, raw: Mapping[str, Any], was: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer of the model; of the one that answered instead of it, where the deadline of that request asked for it."""
    if was.get("fallback") == LATE and LATE in bundle.fallbacks:
        (now,) = bundle.predict_late([raw], extra_fields="ignore")
    else:
        (now,) = bundle.predict([raw], extra_fields="ignore")
    return dict(now)


def _found(project: Project, prediction: str) -> tuple[Record, int]:
    """The record of an id, and its row. Raises NotFound with the nearest id that is there."""
    try:
        return find(project.journal_folder, prediction)
    except NotFound as error:
        near = _nearest(project, prediction)
        if near is None:
            raise
        raise NotFound(error.what, error.why, near) from error


def _nearest(project: Project, wanted: str) -> str | None:
    """What may be meant: an id that differs in few characters, or the latest prediction with that key."""
    import difflib

    ids: list[str] = []
    keyed: str | None = None
    for record in read(project.journal_folder, kinds=("predict",)):
        for answer in record.answers:
            ids.append(answer["id"])
            if answer.get("key") == wanted:
                keyed = answer["id"]
    if keyed is not None:
        return f"{wanted!r} is the key of a row; its latest prediction is {keyed}"
    near = difflib.get_close_matches(wanted.upper(), ids[-NEAR:], 1, 0.8)
    return f"did you mean {near[0]}?" if near else None


# ---------------------------------------------------------------- many


@dataclass(frozen=True, slots=True)
class _Slim:
    """What is kept of one of many."""

    version: int
    fields: tuple[str, ...]
    largest: float | None

    @classmethod
    def of(cls, again: Replayed) -> _Slim:
        gaps = [
            abs(d.was - d.now)
            for d in again.differences
            if isinstance(d.was, float | int) and isinstance(d.now, float | int) and not isinstance(d.was, bool)
        ]
        return cls(again.version, tuple(d.field for d in again.differences), max(gaps, default=None))


def _result(
    shown: Sequence[Replayed], done: Sequence[Replayed | _Slim], lost: Mapping[str, int], *, many: bool
) -> ReplayResult:
    slim = [one if isinstance(one, _Slim) else _Slim.of(one) for one in done]
    by_version: dict[int, tuple[int, int]] = {}
    for one in slim:
        compared, equal = by_version.get(one.version, (0, 0))
        by_version[one.version] = (compared + 1, equal + (not one.fields))
    fields = Counter(name for one in slim for name in one.fields)
    return ReplayResult(
        shown,
        len(slim),
        sum(not one.fields for one in slim),
        by_version,
        lost,
        dict(fields.most_common()),
        max((one.largest for one in slim if one.largest is not None), default=None),
        many=many,
    )


def _drawn(rows: Iterable[tuple[Record, int]], sample: int) -> list[tuple[Record, int]]:
    """A uniform draw of so many, in their order, in one pass (Vitter 1985, algorithm R)."""
    draw = random.Random(0)
    kept: list[tuple[int, tuple[Record, int]]] = []
    for number, row in enumerate(rows):
        if len(kept) < sample:
            kept.append((number, row))
        elif (place := draw.randrange(number + 1)) < sample:
            kept[place] = (number, row)
    return [row for _, row in sorted(kept, key=lambda one: one[0])]


# ---------------------------------------------------------------- what is asked, and how it is told


def _check(ids: Sequence[str], since: str | None, until: str | None, sample: int | None, trace: bool) -> None:
    window = since is not None or until is not None or sample is not None
    if bool(ids) == window:
        raise BadParameter(
            "ids and a window of time are both given" if ids else "it is not said which predictions are meant",
            why="either ids are named, or all between two instants, or a sample of them",
            way_out="penstock replay ID, or penstock replay --since 1d --sample 100",
        )
    if trace and not ids:
        raise BadParameter(
            "--trace needs ids", why="it shows every value on the way of one row", way_out="name the prediction"
        )
    if sample is not None and sample < 1:
        raise BadParameter(f"--sample {sample}", why="at least one prediction is drawn", way_out="--sample 100")


def _told(value: Any) -> str:
    return repr(value) if isinstance(value, float | str) else "nothing" if value is None else str(value)


def _summary(answer: Mapping[str, Any]) -> str:
    shares = answer.get("probabilities")
    scores = "" if not shares else "; " + ", ".join(f"{name} {share:.6g}" for name, share in shares.items())
    said = answer["prediction"] if answer["decision"] == "answer" else f"abstained ({answer['reason']})"
    return f"{said}{scores}; novelty {answer['novelty']:.4g}"
