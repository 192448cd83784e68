"""The one way from rows to answers that may leave, for every protocol: filled, predicted, journalled, counted."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns, time_ns

import orjson

from penstock.bundle.answers import LATE
from penstock.errors import PenstockError
from penstock.serving.asked import Asked, Rows, too_many_rows
from penstock.serving.callers import ASKING, Asking
from penstock.serving.follower import Loaded
from penstock.serving.jobs import NEVER, Answered, Awaited, HeldPart, Job, Reply
from penstock.serving.journal_writer import Answered as Kept
from penstock.serving.leaving import Ready, counted
from penstock.serving.metrics import (
    ABSTENTIONS,
    FALLBACK_LATE,
    FALLBACK_MISSING,
    JOURNAL_BYTES,
    MISSING_FIELDS,
    NOVEL_ROWS,
    ROWS,
    SHED,
    TOGETHER,
    UNKNOWN_VALUES,
    UNWRITTEN,
)
from penstock.serving.turns import Turns
from penstock.serving.urgency import USUAL, Urgency
from penstock.serving.watching import STEPS, Steps
from penstock.serving.worker import Worker


class Predicting:
    """Answers requests with one worker's bundles, journal and counters."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        settings = worker.settings
        self.turns = Turns(self, max_wait_ms=settings.queue.max_wait_ms, batching=settings.batching)
        worker.closing.append(self.turns.close)

    def put(
        self,
        loaded: Loaded,
        asked: Asked,
        came_ns: int,
        urgency: Urgency,
        reply: Reply,
        who: Asking | None,
        steps: Steps | None = None,
        held: list[HeldPart] | None = None,
    ) -> None:
        """Have a request answered; `reply` is called when it is.

        Parameters
        ----------
        who : asks, for the journal, and how urgently they may. steps : of its trace, where it is traced. held : see `Job`.

        Raises
        ------
        RequestError : too many rows, or its turn would come too late.
        """
        settings = self._worker.settings
        if len(asked.rows) > settings.max_rows:
            raise too_many_rows(len(asked.rows), settings.max_rows)
        deadline_ms = (
            urgency.deadline_ms if asked.deadline_ms is None else urgency.within(asked.deadline_ms).deadline_ms
        )
        names_due = deadline_ms is not None
        if deadline_ms is None:
            deadline_ms = settings.deadline_ms
        due_ns = NEVER if deadline_ms is None else came_ns + int(deadline_ms * 1_000_000)
        priority = urgency.priority if who is None else max(urgency.priority, who.highest)  # the larger matters less
        job = Job(asked, loaded, reply, came_ns, due_ns, names_due, priority, who, steps=steps, held=held)
        self.turns.put(job)

    async def answer(self, loaded: Loaded, asked: Asked, came_ns: int, urgency: Urgency = USUAL) -> bytes:
        """The answers with their ids, as JSON.

        Parameters
        ----------
        came_ns : when the request was there, by `perf_counter_ns`.

        Raises
        ------
        RequestError : a row or the request is not what the model takes, or its turn would come too late.
        StoreFull, NotWritable : the journal cannot be written.
        """
        reply = Awaited()
        steps = STEPS.get()
        if steps is not None:
            steps.mark("decode")
        self.put(loaded, asked, came_ns, urgency, reply, ASKING.get(), steps)
        return (await reply.future)[1]

    def journal_error(self, status: int, error: Exception, who: Asking | None, origin: bytes = b"") -> None:
        """Record that a prediction request of the version `origin` was refused, or that this arm failed at it; b"": of none that is known."""
        code = error.code if isinstance(error, PenstockError) else "internal"
        self._worker.journal.error(status, code, "" if who is None else who.consumer, origin)

    # ------------------------------------------------------------ what `Turns` asks for

    def filled(self, job: Job) -> Rows:
        """Rows with the columns that look back: from the history of the request, or from what the server remembers."""
        if job.steps is not None:
            job.steps.mark("wait")
        loaded = job.loaded
        return self._worker.remembered.for_request(loaded.bundle, job.asked, model=loaded.entry.model)

    def made_ready(self, job: Job, answered: Answered) -> Ready:
        return Ready.of(answered[1], counted(answered[1], job.loaded.novelty_limit), _kept_body(job, answered))

    def keep(self, job: Job, answered: Answered, ready: Ready | None = None) -> bytes:
        if job.held is None:
            record = self._record(job, answered, ready)
            predictions = self._worker.journal.together([record])[0]
            self._count(job, record)
            return predictions
        job.held.append((job, answered, ready))
        return b""

    def keep_together(self, parts: Sequence[HeldPart]) -> list[bytes]:
        """Journal, then count what will be answered, in one go on the event loop: the ids name the place in the journal. Of what several
        versions answered of one request all is kept or nothing."""
        records = [self._record(job, answered, ready) for job, answered, ready in parts]
        predictions = self._worker.journal.together(records)
        for (job, _, _), record in zip(parts, records, strict=True):
            self._count(job, record)
        return predictions

    def _record(self, job: Job, answered: Answered, ready: Ready | None = None) -> Kept:
        if job.steps is not None:
            job.steps.mark("predict")
        loaded = job.loaded
        body = _kept_body(job, answered) if ready is None else ready.body
        origin = loaded.origin if job.who is None else loaded.origin + job.who.record
        return Kept(origin, body, answered[1], time_ns(), (perf_counter_ns() - job.came_ns) / 1_000_000, ready)

    def _count(self, job: Job, record: Kept) -> None:
        worker, loaded, answers = self._worker, job.loaded, record.answers
        values, journal = worker.metrics.values, worker.journal
        seconds = record.latency_ms / 1000
        missing, unknown, novel, abstentions, late, without = (
            counted(answers, loaded.novelty_limit) if record.ready is None else record.ready.counts
        )
        if missing:
            values[MISSING_FIELDS] += missing
        if unknown:
            values[UNKNOWN_VALUES] += unknown
        if late:
            values[FALLBACK_LATE] += late
        if without:
            values[FALLBACK_MISSING] += without
        values[NOVEL_ROWS] += novel
        values[ABSTENTIONS] += abstentions
        if loaded.counter is not None:
            loaded.counter.answered(len(answers), abstentions, novel, seconds, late + without)
        values[ROWS] += len(answers)
        values[JOURNAL_BYTES], values[UNWRITTEN] = journal.bytes_written, journal.unwritten
        worker.metrics.prediction(seconds, is_late=job.came_ns + record.latency_ms * 1_000_000 > job.due_ns)
        if job.steps is not None:
            job.steps.mark("journal")

    def instead_ns(self, job: Job) -> int | None:
        fallback = job.loaded.bundle.fallbacks.get(LATE)
        return None if fallback is None else self.turns.costs_of(fallback).of(len(job.asked.rows))

    def instead(self, job: Job) -> Answered | None:
        bundle = job.loaded.bundle
        if LATE not in bundle.fallbacks:
            return None
        rows = job.rows if job.rows is not None else self.filled(job)
        kept = bundle.protect(rows) if bundle.is_private else rows
        return kept, bundle.predict_late(kept)

    def instead_took(self, job: Job, ns: int) -> None:
        self.turns.costs_of(job.loaded.bundle.fallbacks[LATE]).learn(len(job.asked.rows), ns)

    def shed(self) -> None:
        self._worker.metrics.values[SHED] += 1

    def together(self, requests: int) -> None:
        self._worker.metrics.values[TOGETHER] += requests


def _kept_body(job: Job, answered: Answered) -> bytes:
    """What is journalled of a request: nobody behind this line sees the plain values."""
    kept, body = answered[0], job.asked.body
    return orjson.dumps({"rows": kept}) if body is None or kept is not job.asked.rows else body
