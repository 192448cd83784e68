"""`penstock replay`: answer journalled predictions again with the version of that time, and compare, bit for bit."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from penstock.bundle.answers import LATE
from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, NotFound, PenstockError
from penstock.lifecycle.replay_versions import Versions
from penstock.lifecycle.replayed import (
    ANSWER_FIELDS,
    OF_THE_SERVER,
    Replayed,
    ReplayResult,
    Slim,
    differences,
    summed_up,
)
from penstock.lifecycle.spans import instant, start_of
from penstock.project.project import Project
from penstock.serving.instants import iso_of
from penstock.serving.journal import Record, find, read

SHOWN = 20
"""Predictions that differ, of many, that are told one by one."""
NEAR = 50_000
"""Predictions among which an id that is not there is looked for."""


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
    versions = Versions(project, with_version)
    if ids:
        done = [_one(versions, *_found(project, prediction), trace=trace) for prediction in ids]
        return summed_up(done, done, {}, versions.notes(), many=len(done) > 1)
    end = instant(until, "--until") if until else datetime.now(UTC)
    start = None if since is None else start_of(since, end)
    found = read(project.journal_folder, start, end, ("predict",))
    rows: Iterable[tuple[Record, int]] = ((record, row) for record in found for row in range(len(record.answers)))
    if sample is not None:
        rows = _drawn(rows, sample)
    many, lost = list[Slim](), Counter[str]()
    kept: list[Replayed] = []
    for record, row in rows:
        try:
            again = _one(versions, record, row)
        except PenstockError as error:
            lost[error.what] += 1
            continue
        many.append(Slim.of(again))
        if not again.equal and len(kept) < SHOWN:
            kept.append(again)
    if not many and not lost:
        raise NotFound(
            "no prediction was journalled in that time",
            why=f"the journal has none from {'its beginning' if start is None else iso_of(start)} to {iso_of(end)}",
            way_out="name another time with --since and --until, or ids",
        )
    return summed_up(kept, many, lost, versions.notes(), many=True)


def _one(versions: Versions, record: Record, row: int, *, trace: bool = False) -> Replayed:
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

    ids: deque[str] = deque(maxlen=NEAR)  # the latest alone: a journal may hold any number
    keyed: str | None = None
    for record in read(project.journal_folder, kinds=("predict",)):
        for answer in record.answers:
            ids.append(answer["id"])
            if answer.get("key") == wanted:
                keyed = answer["id"]
    if keyed is not None:
        return f"{wanted!r} is the key of a row; its latest prediction is {keyed}"
    near = difflib.get_close_matches(wanted.upper(), ids, 1, 0.8)
    return f"did you mean {near[0]}?" if near else None


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
