"""The journal, written: what a server was asked and what it answered, before the answer leaves.

Every record is one write to the process's own segment, so it survives the death of the process; a timer syncs the
file once a second, so a power loss costs at most the last second. The request is kept as the bytes that came in, and
the answers as the bytes that went out. `journal` reads them.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from penstock.errors import NotWritable, RequestError, StoreError, StoreFull
from penstock.objects.files import FULL
from penstock.serving.instants import iso
from penstock.serving.leaving import Ready, leaving
from penstock.serving.prediction_ids import (
    MAX_OFFSET,
    MAX_ROWS,
    NOT_JOURNALLED,
    id_prefix,
    segment_part,
)
from penstock.serving.retention import Retention
from penstock.serving.segments import create_segment, frame, new_writer, segment_path
from penstock.serving.settings import JournalSettings

log = logging.getLogger("penstock.serving")

_HOUR_S = 3600.0
_MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)
_PARTS = 16  # segments are deleted whole: of no more than this share of `max_bytes` each, so that the limit can be held


class Answered(NamedTuple):
    """What one version answered: the arguments of `JournalWriter.predictions`."""

    origin: bytes
    request: bytes
    answers: list[dict[str, Any]]
    at_ns: int
    latency_ms: float
    ready: Ready | None = None  # the same answers, where they were made ready

    def leaving(self, prefix: str) -> tuple[bytes, dict[str, Any] | None]:
        return leaving(prefix, self.answers) if self.ready is None else self.ready.leaving(prefix)


class JournalWriter:
    """Writes one process's segments. To be used by one thread; syncing and retention go on beside it.

    Parameters
    ----------
    deletes : what the settings keep no longer. Not for one who only adds to the journal of a server: how long that is kept is the
        server's to say.

    Raises
    ------
    StoreFull : no space is left; nothing half-written stays behind.
    NotWritable : who runs this may not write there, or nothing can be written; also where answers may leave without being journalled.
    """

    def __init__(self, folder: Path, settings: JournalSettings | None = None, *, deletes: bool = True) -> None:
        self.folder = folder
        self.settings = kept = settings or JournalSettings()
        self.segment = 0
        self._writer = new_writer()
        self.bytes_written = 0
        self.unwritten = 0  # requests that were answered although the disk was full
        self._is_failing = False
        self._fd, self._first, self._offset = -1, 0, 0
        self._segment_bytes = min(kept.segment_bytes, max(1_000, kept.max_bytes // _PARTS))
        self._retention: Retention | None = None
        if deletes:
            self._retention = Retention(
                folder, keep_days=kept.keep_days, max_bytes=kept.max_bytes, segment_bytes=self._segment_bytes
            )
        self._swap = threading.Lock()  # guards the descriptor against the timer thread
        self._dirty = False
        self._stop = False
        self._wake = threading.Event()  # something for the timer thread to do at once
        self._looked = threading.Event()  # what is kept no longer went since the last segment was begun
        try:
            self._open()
        except StoreFull:
            if self.settings.when_full == "refuse":
                raise
        self._retain()
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
        return self.together([Answered(origin, request, answers, at_ns, latency_ms)])[0]

    def together(self, parts: Sequence[Answered]) -> list[bytes]:
        """As `predictions`, for what several versions answered of one request: all of it is recorded, by one write, or nothing."""
        for part in parts:
            _refuse_too_many(part.answers)
        sample = self.settings.sample
        if sample >= 1.0 or random.random() < sample:
            try:
                return self._journalled(parts)
            except (StoreFull, NotWritable) as failed:
                self._tell(failed)
                if self.settings.when_full == "refuse":
                    raise
                self.unwritten += 1
        nowhere = segment_part(NOT_JOURNALLED)
        return [
            part.leaving(id_prefix(part.at_ns // 1_000_000, nowhere, random.randrange(MAX_OFFSET)))[0] for part in parts
        ]

    def _journalled(self, parts: Sequence[Answered]) -> list[bytes]:
        self._rotate_when_due()
        responses, framed = [], b""
        for part in parts:
            place = self._offset + len(framed)
            response, withheld = part.leaving(id_prefix(part.at_ns // 1_000_000, self._segment_part, place))
            responses.append(response)
            if part.answers:
                extra = b"" if withheld is None else b',"withheld":' + orjson.dumps(withheld)
                head = b'{"kind":"predict","at":"%b",%b,"latency_ms":%.3f,"request_bytes":%d%b}\n' % (
                    iso(part.at_ns).encode(),
                    part.origin,
                    part.latency_ms,
                    len(part.request),
                    extra,
                )
                framed += frame(head + part.request + response)
        if framed:
            self._write(framed)
        return responses

    def _tell(self, failed: StoreError) -> None:
        """The log hears of the first record that cannot be written, and no more until one can: it may stand on the same disk."""
        if not self._is_failing:
            self._is_failing = True
            if self.settings.when_full == "refuse":
                log.error("%s", failed)
            else:
                log.error("answers leave without being journalled ([serving.journal] when_full): %s", failed)

    def shadow(self, origin: bytes, answers: list[dict[str, Any]], *, latency_ms: float) -> None:
        """Record what a shadow would have answered, where predictions are journalled.

        Parameters
        ----------
        answers : each with the id of the live version's answer to the same row, which holds the row itself.
        """
        at = iso(time.time_ns()).encode()
        head = b'{"kind":"shadow","at":"%b",%b,"latency_ms":%.3f}\n' % (at, origin, latency_ms)
        self._rotate_when_due()
        self._write(frame(head + orjson.dumps(answers)))

    def labels(self, labels: Sequence[dict[str, Any]]) -> None:
        """Record labels that were accepted together."""
        self._note({"kind": "label", "at": iso(time.time_ns()), "labels": labels})

    def error(self, status: int, code: str, consumer: str = "", origin: bytes = b"") -> None:
        """Record that a prediction request was refused: for the error rate, without what it held. It is refused also where that cannot be
        written.

        Parameters
        ----------
        origin : made by `origin_of`: the version that was asked, or the arm of a release that failed at it, so that the live version has
            answered in its place. Empty: refused before it was known what it asks.
        """
        who = {"consumer": consumer} if consumer else {}
        of_arm = orjson.loads(b"{%b}" % origin)
        try:
            self._note({"kind": "error", "at": iso(time.time_ns()), "status": status, "code": code, **who, **of_arm})
        except (StoreFull, NotWritable) as failed:
            self._tell(failed)

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
        self._stop = True
        self._wake.set()
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
        self._write(frame(orjson.dumps(head) + b"\n"))

    def _write(self, framed: bytes) -> None:
        try:
            written = os.write(self._fd, framed)
        except OSError as error:
            raise self._cannot(error) from error
        if written != len(framed):
            os.ftruncate(self._fd, self._offset)
            raise self._full(f"{written} of {len(framed)} bytes could be written")
        self._offset += written
        self.bytes_written += written
        self._dirty = True
        if self._is_failing:
            self._is_failing = False
            without = f"; {self.unwritten} requests were answered without" if self.unwritten else ""
            log.warning("the journal is written again%s", without)

    def _what(self) -> str:
        without = ", so no answer is given" if self.settings.when_full == "refuse" else ""
        return f"the journal cannot be written{without}"

    def _cannot(self, error: OSError) -> StoreError:
        why = error.strerror or str(error)
        if error.errno in FULL:
            return self._full(why)
        if error.errno not in _MAY_NOT:
            return NotWritable(
                self._what(),
                why=f"{why}: {self.folder}",
                way_out="see to the disk, or to what else is named there; the log of the system may say more",
            )
        return NotWritable(
            self._what(),
            why=f"{why}: {self.folder}",
            way_out=f"let the user who runs the server write there: chown -R {os.geteuid()}:{os.getegid()} {self.folder}",
        )

    def _full(self, why: str) -> StoreFull:
        return StoreFull(
            self._what(),
            why=why,
            way_out="make room on the server's disk, or lower [serving.journal] max_bytes or keep_days",
        )

    def _open(self) -> None:
        try:
            self.segment, self._fd, self._first = create_segment(self.folder, iso(time.time_ns()), self._writer)
        except OSError as error:
            raise self._cannot(error) from error
        self._offset = self._first
        self._segment_part = segment_part(self.segment)
        self._due = time.monotonic() + self.settings.segment_age_s

    def _rotate_when_due(self) -> None:
        if self._fd < 0:  # there was no room for one yet
            with self._swap:
                self._open()
            self._retain_beside()
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
        self._retain_beside()

    def _retain(self) -> None:
        """Delete what is kept no longer. However that ends, who waits for it goes on."""
        try:
            if self._retention is not None:
                self._retention.apply()
        finally:
            self._looked.set()

    def _retain_beside(self) -> None:
        """The same in the timer thread: of many segments the look takes a tenth of a second, for which no request shall wait.

        It waits for the look after the segment before: a journal that fills faster than it can be looked at would have no limit.
        """
        while self._timer.is_alive() and not self._looked.wait(1.0):
            pass
        self._looked.clear()
        self._wake.set()

    def _keep(self) -> None:
        next_retention = time.monotonic() + _HOUR_S
        while True:
            self._wake.wait(1.0)
            self._wake.clear()
            ends = self._stop  # read before the look, so that one is never left out
            try:
                if not self._looked.is_set() or time.monotonic() >= next_retention:
                    next_retention = time.monotonic() + _HOUR_S
                    self._retain()
                if ends:
                    return
                self.sync()
            except OSError as error:  # the next second tries again
                log.error("the journal was not synced: %s", error)
                if ends:
                    return

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refuse_too_many(answers: Sequence[Any]) -> None:
    if len(answers) > MAX_ROWS:
        raise RequestError(
            f"{len(answers):,} rows in one request",
            why=f"a request holds at most {MAX_ROWS:,}",
            way_out="send several requests, or use `penstock predict` for files",
            path="rows",
            code="too-large",
            status=413,
        )


def origin_of(model: str, version: int, slot: str) -> bytes:
    """The part of a record that names who answered, encoded once per slot rather than once per request."""
    return orjson.dumps({"model": model, "version": version, "slot": slot})[1:-1]
