"""The journal, read: what a server was asked and what it answered. `journal_writer` writes it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from penstock.errors import NotFound
from penstock.serving.instants import iso_of, parse_instant
from penstock.serving.prediction_ids import (
    FIRST_RANDOM,
    NOT_JOURNALLED,
    PredictionId,
    parse_id,
)
from penstock.serving.segments import (
    ReadReport,
    numbers,
    payloads,
    read_header,
    read_payload,
    read_segment,
    segment_path,
    segments,
    writer_of,
)


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the journal. Fields that a kind does not have are empty."""

    kind: str  # "predict", "shadow", "label" or "error"
    at: datetime
    model: str = ""
    version: int = 0
    slot: str = ""
    rows: Sequence[dict[str, Any]] = ()  # as they came in
    answers: Sequence[dict[str, Any]] = ()  # as they went out, plus "withheld" where the model abstained
    latency_ms: float = 0.0
    labels: Sequence[dict[str, Any]] = ()
    status: int = 0
    code: str = ""
    consumer: str = ""  # who asked, where tokens are asked for
    request_id: str = ""  # the client's own name for its request
    arm: str = ""  # of a release: "live" or "candidate"; "" where the request was not dealt to one


def read(
    folder: Path,
    since: datetime | None = None,
    until: datetime | None = None,
    kinds: Collection[str] | None = None,
    *,
    report: ReadReport | None = None,
) -> Iterator[Record]:
    """Records from `since` (included) to `until` (excluded), segment by segment, in the order of writing within each.

    A segment that is being written may be read: its torn tail is dropped and counted. Damage in the middle is skipped
    and counted in `report`.

    Raises
    ------
    NewerFormat : a later release of Penstock wrote a segment.
    ValueError : `since` or `until` has no time zone.
    """
    report = report if report is not None else ReadReport()
    low, high = iso_of(since) if since else "", iso_of(until) if until else "~"
    wanted = tuple(b'{"kind":"%b"' % kind.encode() for kind in kinds) if kinds is not None else (b"{",)
    for _, path in segments(folder):
        if since is not None and _untouched_since(path, since):
            continue
        buffer = read_segment(path)
        if not buffer:
            continue
        header = read_header(buffer, path)
        report.segments += 1
        if header is None:
            report.torn_tails += 1
            continue
        if str(header[0]["started_at"]) >= high:
            continue
        for _, payload in payloads(buffer, header[1], path.name, report):
            if payload.startswith(wanted) and low <= _at_of(payload) < high:
                report.records += 1
                yield to_record(payload)


def find(folder: Path, prediction_id: str) -> tuple[Record, int]:
    """The record that holds a prediction, and its row there, read directly.

    Raises
    ------
    NotFound : no such prediction. Its `why` tells apart an id that is none, one that was not journalled, one whose
        segment retention has deleted, and one that this journal never gave.
    """
    parts = parse_id(prediction_id)
    if parts is None:
        raise missing_prediction(prediction_id, "it is not a prediction id (32 letters and digits)")
    record = find_record(folder, parts)
    if parts.row >= len(record.answers):
        raise missing_prediction(prediction_id, f"that request had {len(record.answers)} rows")
    return record, parts.row


def find_record(folder: Path, parts: PredictionId) -> Record:
    """The record at a place. Raises as `find`."""
    record = to_record(_payload_of(folder, parts))
    _refuse_another(record.answers, parts)
    return record


@dataclass(frozen=True, slots=True)
class Answered:
    """What is told of a request without its rows: what answered it, and how many rows it had."""

    model: str
    version: int
    rows: int


def find_answered(folder: Path, parts: PredictionId) -> Answered:
    """What answered the request at a place: half the work of `find_record`, and nothing to keep in memory. Raises as `find`."""
    payload = _payload_of(folder, parts)
    head_end = payload.index(b"\n") + 1
    head = orjson.loads(payload[:head_end])
    answers = orjson.loads(memoryview(payload)[head_end + head["request_bytes"] :])
    _refuse_another(answers, parts)
    return Answered(head["model"], head["version"], len(answers))


def _refuse_another(answers: Sequence[dict[str, Any]], parts: PredictionId) -> None:
    if parse_id(answers[0]["id"]) != PredictionId(parts.time_ms, parts.segment, parts.offset, 0):
        raise missing_prediction(str(parts), "another prediction stands at the place that the id names")


def _payload_of(folder: Path, parts: PredictionId) -> bytes:
    if parts.segment == NOT_JOURNALLED:
        raise missing_prediction(
            str(parts), "it was not journalled: [serving.journal] sample is below 1, or the disk was full"
        )
    try:
        payload = read_payload(segment_path(folder, parts.segment), parts.offset)
    except FileNotFoundError:
        raise missing_prediction(str(parts), _why_gone(folder, parts)) from None
    if payload is None or not payload.startswith(b'{"kind":"predict"'):
        raise missing_prediction(str(parts), "no prediction stands at the place that the id names")
    return payload


class Kept:
    """What a journal has at an instant: to tell what becomes of ids whose segment it has not."""

    def __init__(self, folder: Path) -> None:
        self._numbers = frozenset(numbers(folder))
        self._oldest = min(self._numbers, default=0)
        self._newest_of = {writer_of(number): number for number in sorted(self._numbers)}

    def is_expired(self, parts: PredictionId) -> bool:
        """Whether the id's segment is gone though later ones of its writer are there, or is older than all that are."""
        if parts.segment in self._numbers or parts.segment == NOT_JOURNALLED:
            return False
        return parts.segment < max(self._oldest, self._newest_of.get(writer_of(parts.segment), 0))

    def may_be_elsewhere(self, parts: PredictionId) -> bool:
        """Whether another server may have given an id: nothing here is of its writer, or nothing so new."""
        if parts.segment < FIRST_RANDOM or parts.segment in self._numbers:
            return False
        return self._newest_of.get(writer_of(parts.segment), 0) < parts.segment


def _why_gone(folder: Path, parts: PredictionId) -> str:
    kept = Kept(folder)
    elsewhere = kept.may_be_elsewhere(parts)
    if kept.is_expired(parts):
        deleted = "its part of the journal was deleted by age or size"
        return f"{deleted}, or is of another server" if elsewhere else deleted
    return "this journal never gave that id" + ("; it is of another server, or of none" if elsewhere else "")


def missing_prediction(prediction_id: str, why: str) -> NotFound:
    return NotFound(
        f"there is no prediction {prediction_id!r} in the journal", why, "use the id from an answer of this server"
    )


def to_record(payload: bytes) -> Record:
    """The record of a payload that has passed its checksum."""
    head_end = payload.index(b"\n") + 1
    head = orjson.loads(payload[:head_end])
    at = parse_instant(head["at"])
    if head["kind"] == "label":
        return Record("label", at, labels=head["labels"])
    if head["kind"] == "error":
        model, version, slot = head.get("model", ""), head.get("version", 0), head.get("slot", "")
        return Record(
            "error",
            at,
            model,
            version,
            slot,
            status=head["status"],
            code=head["code"],
            consumer=head.get("consumer", ""),
            arm=head.get("arm", ""),
        )
    if head["kind"] == "shadow":
        answers = orjson.loads(payload[head_end:])
        who = head["model"], head["version"], head["slot"]
        return Record("shadow", at, *who, answers=answers, latency_ms=head["latency_ms"], arm=head["arm"])
    request_end = head_end + head["request_bytes"]
    answers = orjson.loads(payload[request_end:])
    for row, value in head.get("withheld", {}).items():
        answers[int(row)]["withheld"] = value
    return Record(
        "predict",
        at,
        head["model"],
        head["version"],
        head["slot"],
        orjson.loads(payload[head_end:request_end])["rows"],
        answers,
        head["latency_ms"],
        consumer=head.get("consumer", ""),
        request_id=head.get("request_id", ""),
        arm=head.get("arm", ""),
    )


def _at_of(payload: bytes) -> str:
    start = payload.index(b'"at":"') + 6
    return payload[start : start + 27].decode("ascii")


def _untouched_since(path: Path, since: datetime) -> bool:
    """Whether a segment was last written before `since`, with a margin for the coarse clock of file systems."""
    try:
        return path.stat().st_mtime < (since - timedelta(seconds=2)).timestamp()
    except FileNotFoundError:
        return True
