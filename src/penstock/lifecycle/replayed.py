"""Predictions that were answered again, beside what was answered then: one by one, and summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.lifecycle.tracing import Trace

ANSWER_FIELDS = frozenset(
    {"key", "prediction", "probabilities", "interval", "decision", "reason", "withheld", "novelty", "missing", "unknown",
     "fallback", "filled"}
)  # fmt: skip
"""What a model says; see `penstock.bundle.answers`."""
OF_THE_SERVER = frozenset({"id"})
"""What a server adds to an answer of the model."""
_ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """One value of an answer that is another now: ``probabilities.yes``. `was` and `now` are None where it is not there."""

    field: str
    was: Any
    now: Any

    def to_json(self) -> dict[str, Any]:
        return {"field": self.field, "was": self.was, "now": self.now}


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What differs between a journalled answer and one that a model gives now; what only the server says is left out.

    >>> differences({"id": "x", "novelty": 0.5, "missing": []}, {"novelty": 0.25, "missing": []})
    [Difference(field='novelty', was=0.5, now=0.25)]
    """
    found: list[Difference] = []
    for name in {**now, **{n: None for n in was if n in ANSWER_FIELDS}}:
        found += _between(name, was.get(name, _ABSENT), now.get(name, _ABSENT))
    return found


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
    fields : of answers that differ, and in how many. largest : by how much a number does at most, by its field.
    notes : what must be known of the two versions to read it.
    """

    predictions: Sequence[Replayed]
    compared: int
    equal: int
    by_version: Mapping[int, tuple[int, int]]  # version -> compared, equal
    lost: Mapping[str, int] = field(default_factory=dict)
    fields: Mapping[str, int] = field(default_factory=dict)
    largest: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
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
            "largest": dict(self.largest),
            "lost": dict(self.lost),
            "predictions": [prediction.to_json() for prediction in self.predictions],
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        lines = [line for prediction in self.predictions for line in prediction.lines()]
        if self.many:
            different = self.compared - self.equal
            lines.append(
                f"{self.compared} predictions answered again: {self.equal} equal, bit for bit; {different} different"
            )
            lines += [f"  version {v}: {equal} of {n} equal" for v, (n, equal) in sorted(self.by_version.items())]
            for name, count in self.fields.items():
                at_most = f", by {self.largest[name]:.3g} at most" if name in self.largest else ""
                lines.append(f"  {name} differs in {count}{at_most}")
            if different > len(self.predictions):
                lines.append(f"  shown: {len(self.predictions)} of {different}")
            lines += [f"  {count} could not be answered again: {why}" for why, count in self.lost.items()]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


@dataclass(frozen=True, slots=True)
class Slim:
    """What is kept of one of many."""

    version: int
    fields: tuple[str, ...]
    gaps: Mapping[str, float]

    @classmethod
    def of(cls, again: Replayed) -> Slim:
        gaps = {d.field: abs(d.was - d.now) for d in again.differences if _is_number(d.was) and _is_number(d.now)}
        return cls(again.version, tuple(d.field for d in again.differences), gaps)


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def summed_up(
    shown: Sequence[Replayed],
    done: Sequence[Replayed | Slim],
    lost: Mapping[str, int],
    notes: Sequence[str],
    *,
    many: bool,
) -> ReplayResult:
    """Of all that were answered again, some of which are shown one by one."""
    slim = [one if isinstance(one, Slim) else Slim.of(one) for one in done]
    by_version: dict[int, tuple[int, int]] = {}
    for one in slim:
        compared, equal = by_version.get(one.version, (0, 0))
        by_version[one.version] = (compared + 1, equal + (not one.fields))
    fields = Counter(name for one in slim for name in one.fields)
    largest: dict[str, float] = {}
    for one in slim:
        for name, gap in one.gaps.items():
            largest[name] = max(gap, largest.get(name, 0.0))
    return ReplayResult(
        shown,
        len(slim),
        sum(not one.fields for one in slim),
        by_version,
        lost,
        dict(fields.most_common()),
        largest,
        notes,
        many=many,
    )


def _told(value: Any) -> str:
    return repr(value) if isinstance(value, float | str) else "nothing" if value is None else str(value)


def _summary(answer: Mapping[str, Any]) -> str:
    shares = answer.get("probabilities")
    scores = "" if not shares else "; " + ", ".join(f"{name} {share:.6g}" for name, share in shares.items())
    said = answer["prediction"] if answer["decision"] == "answer" else f"abstained ({answer['reason']})"
    return f"{said}{scores}; novelty {answer['novelty']:.4g}"
