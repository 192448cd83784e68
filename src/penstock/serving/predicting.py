"""The one way from rows to answers that may leave, for every protocol: filled, predicted, journalled, counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from time import perf_counter_ns, time_ns
from typing import Any

import orjson

from penstock.bundle.runtime import Bundle
from penstock.errors import PenstockError, RequestError, StoreFull
from penstock.serving.asked import Asked, Rows
from penstock.serving.callers import ASKING
from penstock.serving.follower import Loaded
from penstock.serving.metrics import (
    ABSTENTIONS,
    JOURNAL_BYTES,
    MISSING_FIELDS,
    NOVEL_ROWS,
    ROWS,
    UNKNOWN_VALUES,
)
from penstock.serving.worker import Worker

log = logging.getLogger("penstock.serving")

_IN_THREAD_ROWS = 100  # more rows than these are predicted beside the event loop, so that others need not wait


class Predicting:
    """Answers requests with one worker's bundles, journal and counters."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def answer(self, loaded: Loaded, asked: Asked, started_ns: int) -> bytes:
        """The answers with their ids, as JSON.

        Raises
        ------
        RequestError : a row or the request is not what the model takes. StoreFull : the journal cannot be written.
        """
        if len(asked.rows) > self._worker.settings.max_rows:
            raise self._too_many(asked.rows)
        rows = self._filled(loaded, asked)
        loaded.bundle.refuse_broken_images(rows)
        if len(rows) > _IN_THREAD_ROWS:
            kept, answers = await asyncio.to_thread(_predicted, loaded.bundle, rows)
        else:
            kept, answers = _predicted(loaded.bundle, rows)
        body = asked.body
        if body is None or kept is not asked.rows:
            body = orjson.dumps({"rows": kept})  # what is journalled: nobody behind this line sees the plain values
        return self._keep(loaded, body, answers, started_ns)

    def journal_error(self, status: int, error: Exception) -> None:
        """Record that a prediction request was refused."""
        code = error.code if isinstance(error, PenstockError) else "internal"
        who = ASKING.get()
        try:
            self._worker.journal.error(status, code, "" if who is None else who.consumer)
        except StoreFull as full:
            log.error("%s", full)

    def _filled(self, loaded: Loaded, asked: Asked) -> Rows:
        """Rows with the columns that look back: from the history of the request, or from what the server remembers."""
        declared = loaded.bundle.decoder.history
        if asked.has_history:
            if declared is None:
                raise RequestError(
                    'the request has "history"',
                    why="the model has no column that looks back at earlier rows",
                    way_out="leave it out; such columns are declared as [history] in penstock.toml",
                    path="history",
                    code="unknown-field",
                )
            return declared.fill(asked.rows, asked.history)
        if declared is not None and self._worker.settings.history.rows:
            return list(self._worker.remembered.fill(loaded.bundle.decoder, asked.rows, model=loaded.entry.model))
        return asked.rows

    def _too_many(self, rows: Rows) -> RequestError:
        return RequestError(
            f"{len(rows):,} rows in one request",
            why=f"a request holds at most {self._worker.settings.max_rows:,}",
            way_out="send several requests, or use `penstock predict` for whole files",
            path="rows",
            code="too-large",
            status=413,
        )

    def _keep(self, loaded: Loaded, body: bytes, answers: Rows, started_ns: int) -> bytes:
        """Journal, then count what will be answered, in one go on the event loop: the ids name the place in the journal."""
        worker = self._worker
        values, journal = worker.metrics.values, worker.journal
        latency_ns = perf_counter_ns() - started_ns
        who = ASKING.get()
        origin = loaded.origin if who is None else loaded.origin + who.record
        predictions = journal.predictions(origin, body, answers, at_ns=time_ns(), latency_ms=latency_ns / 1_000_000)
        limit = loaded.novelty_limit
        for answer in answers:
            if answer["missing"]:
                values[MISSING_FIELDS] += len(answer["missing"])
            if answer["unknown"]:
                values[UNKNOWN_VALUES] += len(answer["unknown"])
            if answer["novelty"] > limit:
                values[NOVEL_ROWS] += 1
            if answer["decision"] != "answer":
                values[ABSTENTIONS] += 1
        values[ROWS] += len(answers)
        values[JOURNAL_BYTES] = journal.bytes_written
        worker.metrics.prediction(latency_ns / 1_000_000_000)
        return predictions


def _predicted(bundle: Bundle, rows: Rows) -> tuple[Sequence[Mapping[str, Any]], Rows]:
    """The rows as they may be kept (themselves, where none is personal), and the answers to them."""
    kept = bundle.protect(rows) if bundle.is_private else rows
    return kept, bundle.predict(kept)
