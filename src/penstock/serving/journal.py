"""The journal: what a server was asked and what it answered, written before the answer leaves.

Every record is one write to the process's own segment, so it survives the death of the process; a timer syncs the
file once a second, so a power loss costs at most the last second. The request is kept as the bytes that came in, and
the answers as the bytes that went out.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from penstock.errors import NotFound, RequestError, StoreFull
from penstock.serving.instants import iso, iso_of, parse_instant
from penstock.serving.prediction_ids import (
    MAX_OFFSET,
    MAX_ROWS,
    NOT_JOURNALLED,
    PredictionId,
    id_prefix,
    parse_id,
    row_part,
    segment_part,
)
from penstock.serving.segments import (
    ReadReport,
    apply_retention,
    create_segment,
    frame,
    payloads,
    read_header,
    read_payload,
    read_segment,
    segment_path,
    segments,
)
from penstock.serving.settings import JournalSettings

log = logging.getLogger("penstock.serving")

_FIRST_ROWS = tuple(row_part(row) for row in range(256))
_HOUR_S = 3600.0
_PARTS = 16  # segments are deleted whole: of no more than this share of `max_bytes` each, so that the limit can be held


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


class JournalWriter:
    """Writes one process's segments. To be used by one thread; syncing and retention go on beside it.

    Parameters
    ----------
    deletes : what the settings keep no longer. Not for one who only adds to the journal of a server: how long that is kept is the
        server's to say.

    Raises
    ------
    StoreFull : no space is left; nothing half-written stays behind.
    """

    def __init__(self, folder: Path, settings: JournalSettings | None = None, *, deletes: bool = True) -> None:
        self.folder = folder
        self._deletes = deletes
        self.settings = settings or JournalSettings()
        self.segment = 0
        self.bytes_written = 0
        self.unwritten = 0  # requests that were answered although the disk was full
        self._is_full = False
        self._fd, self._first, self._offset = -1, 0, 0
        self._segment_bytes = min(self.settings.segment_bytes, max(1_000, self.settings.max_bytes // _PARTS))
        self._swap = threading.Lock()  # guards the descriptor against the timer thread
        self._dirty = False
        self._stop = threading.Event()
        try:
            self._open()
        except StoreFull:
            if self.settings.when_full == "refuse":
                raise
        self._timer = threading.Thread(target=self._keep, name="journal-sync", daemon=True)
        self._timer.start()

    def predictions(
        self, origin: bytes, request: bytes, answers: list[dict[str, Any]], *, at_ns: int, latency_ms: float
    ) -> bytes:
        """Give each answer its id, record the request, and return the answers as they may leave.

        Parameters
        ----------
        origin : which bundle answered, made by `origin_of`.
        request : the body of the request: an object with "rows".
        answers : from `Bundle.predict`; their "withheld" stays in the journal.
        """
        if len(answers) > MAX_ROWS:
            raise RequestError(
                f"{len(answers):,} rows in one request",
                why=f"a request holds at most {MAX_ROWS:,}",
                way_out="send several requests, or use `penstock predict` for files",
                path="rows",
                code="too-large",
                status=413,
            )
        sample = self.settings.sample
        if sample >= 1.0 or random.random() < sample:
            try:
                return self._journalled(origin, request, answers, at_ns, latency_ms)
            except StoreFull as full:
                if self.settings.when_full == "refuse":
                    raise
                self._goes_without(full)
        prefix = id_prefix(at_ns // 1_000_000, segment_part(NOT_JOURNALLED), random.randrange(MAX_OFFSET))
        return _leaving(prefix, answers)[0]

    def _journalled(
        self, origin: bytes, request: bytes, answers: list[dict[str, Any]], at_ns: int, latency_ms: float
    ) -> bytes:
        self._rotate_when_due()
        response, withheld = _leaving(id_prefix(at_ns // 1_000_000, self._segment_part, self._offset), answers)
        if answers:
            extra = b"" if withheld is None else b',"withheld":' + orjson.dumps(withheld)
            head = b'{"kind":"predict","at":"%b",%b,"latency_ms":%.3f,"request_bytes":%d%b}\n' % (
                iso(at_ns).encode(),
                origin,
                latency_ms,
                len(request),
                extra,
            )
            self._write(head + request + response)
        return response

    def _goes_without(self, full: StoreFull) -> None:
        """Count an answer that is in no journal; the log hears of the first of them."""
        self.unwritten += 1
        if not self._is_full:
            self._is_full = True
            log.error("answers leave without being journalled ([serving.journal] when_full): %s", full)

    def shadow(self, origin: bytes, answers: list[dict[str, Any]], *, latency_ms: float) -> None:
        """Record what a shadow would have answered, where predictions are journalled.

        Parameters
        ----------
        answers : each with the id of the live version's answer to the same row, which holds the row itself.
        """
        at = iso(time.time_ns()).encode()
        head = b'{"kind":"shadow","at":"%b",%b,"latency_ms":%.3f}\n' % (at, origin, latency_ms)
        self._rotate_when_due()
        self._write(head + orjson.dumps(answers))

    def labels(self, labels: Sequence[dict[str, Any]]) -> None:
        """Record labels that were accepted together."""
        self._note({"kind": "label", "at": iso(time.time_ns()), "labels": labels})

    def error(self, status: int, code: str, consumer: str = "", origin: bytes = b"") -> None:
        """Record that a prediction request was refused: for the error rate, without what it held.

        Parameters
        ----------
        origin : the arm of a release that failed at it, made by `origin_of`; the live version has answered in its place.
        """
        who = {"consumer": consumer} if consumer else {}
        of_arm = orjson.loads(b"{%b}" % origin)
        self._note({"kind": "error", "at": iso(time.time_ns()), "status": status, "code": code, **who, **of_arm})

    def sync(self) -> None:
        """Have everything written so far on the disk."""
        with self._swap:
            if not self._dirty or self._fd < 0:
                return
            self._dirty = False
            fd = os.dup(self._fd)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Sync and close. A segment that holds nothing is removed."""
        self._stop.set()
        self._timer.join()
        if self._fd < 0:
            return
        self.sync()
        with self._swap:
            if self._offset == self._first:
                segment_path(self.folder, self.segment).unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def _note(self, head: dict[str, Any]) -> None:
        self._rotate_when_due()
        self._write(orjson.dumps(head) + b"\n")

    def _write(self, payload: bytes) -> None:
        framed = frame(payload)
        try:
            written = os.write(self._fd, framed)
        except OSError as error:
            raise self._full(error.strerror or str(error)) from error
        if written != len(framed):
            os.ftruncate(self._fd, self._offset)
            raise self._full(f"{written} of {len(framed)} bytes could be written")
        self._offset += written
        self.bytes_written += written
        self._dirty = True
        if self._is_full:
            self._is_full = False
            log.warning("the journal is written again; %d requests were answered without", self.unwritten)

    def _full(self, why: str) -> StoreFull:
        return StoreFull(
            "the journal cannot be written"
            + (", so no answer is given" if self.settings.when_full == "refuse" else ""),
            why=why,
            way_out="make room on the server's disk, or lower [serving.journal] max_bytes or keep_days",
        )

    def _open(self) -> None:
        try:
            self.segment, self._fd, self._first = create_segment(self.folder, iso(time.time_ns()))
        except OSError as error:
            raise self._full(error.strerror or str(error)) from error
        self._offset = self._first
        self._segment_part = segment_part(self.segment)
        self._due = time.monotonic() + self.settings.segment_age_s
        self._retain()

    def _rotate_when_due(self) -> None:
        if self._fd < 0:  # there was no room for one yet
            with self._swap:
                self._open()
            return
        if self._offset < self._segment_bytes and time.monotonic() < self._due:
            return
        if self._offset == self._first:  # old but empty: go on with it
            self._due = time.monotonic() + self.settings.segment_age_s
            return
        self.sync()
        with self._swap:
            old = self._fd
            self._open()
            os.close(old)

    def _retain(self) -> None:
        if not self._deletes:
            return
        kept = self.settings
        apply_retention(
            self.folder, keep_days=kept.keep_days, max_bytes=kept.max_bytes, segment_bytes=self._segment_bytes
        )

    def _keep(self) -> None:
        next_retention = time.monotonic() + _HOUR_S
        while not self._stop.wait(1.0):
            try:
                self.sync()
                if time.monotonic() >= next_retention:
                    next_retention = time.monotonic() + _HOUR_S
                    self._retain()
            except OSError as error:  # the next second tries again
                log.error("the journal was not synced: %s", error)

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _leaving(prefix: str, answers: list[dict[str, Any]]) -> tuple[bytes, dict[str, Any] | None]:
    """Answers with their ids, as they may leave, and what of them is withheld, by row."""
    withheld: dict[str, Any] | None = None
    leaving = []
    for row, answer in enumerate(answers):
        made = {"id": prefix + (_FIRST_ROWS[row] if row < 256 else row_part(row)), **answer}
        value = made.pop("withheld", None)
        if value is not None:
            if withheld is None:
                withheld = {}
            withheld[str(row)] = value
        leaving.append(made)
    return orjson.dumps(leaving), withheld


def origin_of(model: str, version: int, slot: str) -> bytes:
    """The part of a record that names who answered, encoded once per slot rather than once per request."""
    return orjson.dumps({"model": model, "version": version, "slot": slot})[1:-1]


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
        raise missing_prediction(prediction_id, "it is not a prediction id (26 letters and digits)")
    record = find_record(folder, parts)
    if parts.row >= len(record.answers):
        raise missing_prediction(prediction_id, f"that request had {len(record.answers)} rows")
    return record, parts.row


def find_record(folder: Path, parts: PredictionId) -> Record:
    """The record at a place. Raises as `find`."""
    if parts.segment == NOT_JOURNALLED:
        raise missing_prediction(
            str(parts), "it was not journalled: [serving.journal] sample is below 1, or the disk was full"
        )
    try:
        payload = read_payload(segment_path(folder, parts.segment), parts.offset)
    except FileNotFoundError:
        expired = is_expired(folder, parts)
        why = "its part of the journal was deleted by age or size" if expired else "this journal never gave that id"
        raise missing_prediction(str(parts), why) from None
    if payload is None or not payload.startswith(b'{"kind":"predict"'):
        raise missing_prediction(str(parts), "no prediction stands at the place that the id names")
    record = to_record(payload)
    if parse_id(record.answers[0]["id"]) != PredictionId(parts.time_ms, parts.segment, parts.offset, 0):
        raise missing_prediction(str(parts), "another prediction stands at the place that the id names")
    return record


def is_expired(folder: Path, parts: PredictionId) -> bool:
    """Whether the id's segment is gone though later ones are there."""
    known = segments(folder)
    return bool(known) and NOT_JOURNALLED < parts.segment < known[-1][0] and parts.segment not in dict(known)


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
