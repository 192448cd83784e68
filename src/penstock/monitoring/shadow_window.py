"""What a shadow would have answered, beside the rows that the live version answered: a window for the monitor's checks.

The journal has the answers of a shadow by the ids of the live ones, which have the rows, in other segments. So it is read twice: for answers,
of which a uniform sample is kept, and then for their rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame
from penstock.bundle.signature import Signature
from penstock.monitoring.answered import Answered
from penstock.monitoring.window import CAP, ROWS_AT_ONCE, Window
from penstock.serving.instants import iso_of
from penstock.serving.journal import read
from penstock.serving.releases import CANDIDATE_ARM


def read_shadow_window(
    journal: Path,
    decoder: Decoder,
    signature: Signature,
    version: int,
    *,
    since: datetime,
    until: datetime,
    model: str,
    cap: int = CAP,
    seed: int = 0,
) -> Window:
    """The copies that one shadow answered from `since` (included) to `until` (excluded).

    Parameters
    ----------
    decoder, signature : of its bundle. model, version : as the journal names it.
    cap : rows kept; of more, a uniform sample.

    Notes
    -----
    Its times are left out: they are those of a process at the lowest priority, for which nobody waits.
    """
    kept = _Answers(cap, seed)
    refused: Counter[str] = Counter()
    requests = abstained = failed = 0
    for record in read(journal, since, until, ("shadow", "error")):
        if (record.model, record.version, record.arm) != (model, version, CANDIDATE_ARM):
            continue
        if record.kind == "error":
            refused[record.code or str(record.status)] += 1
            failed += 1  # the live version answered, so it is no fault of the request
            continue
        requests += 1
        abstained += sum(answer["decision"] != "answer" for answer in record.answers)
        kept.add(record.answers)
    frames, answers, ids = [], [], []
    for rows, waiting in _rows_of(journal, since, until, kept.by_id()):
        frames.append(decoder.decode_rows(rows)[0])
        answers.append(Answered.of_journal(waiting, signature))
        ids += [answer["id"] for answer in waiting]
    notes = ["a shadow's times are not judged"]
    if kept.n > len(ids):
        notes.append(f"of {kept.n:,} rows a uniform sample of {len(ids):,} is compared")
    return Window(
        model,
        version,
        iso_of(since),
        iso_of(until),
        kept.n,
        Frame.concat(frames),
        Answered.concat(answers),
        np.array(ids, dtype=object),
        requests,
        refused=dict(refused),
        notes=tuple(notes),
        failed=failed,
        abstained=abstained,
    )


def _rows_of(
    journal: Path, since: datetime, until: datetime, answers: dict[str, Mapping[str, Any]]
) -> Iterator[tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]]:
    """Rows and the answers to them, some at once; at least once, with none."""
    rows: list[Mapping[str, Any]] = []
    waiting: list[Mapping[str, Any]] = []
    for record in read(journal, since, until, ("predict",)):
        for row, live in zip(record.rows, record.answers, strict=True):
            answer = answers.pop(live["id"], None)
            if answer is not None:
                rows.append(row)
                waiting.append(answer)
        if len(rows) >= ROWS_AT_ONCE:
            yield rows, waiting
            rows, waiting = [], []
    yield rows, waiting


class _Answers:
    """Those with the smallest of random numbers given to each: a uniform sample, whatever their number."""

    def __init__(self, cap: int, seed: int) -> None:
        self._cap, self._rng = cap, np.random.default_rng(seed)
        self._answers: list[Mapping[str, Any]] = []
        self._ranks = np.empty(0)
        self.n = 0

    def add(self, answers: Sequence[Mapping[str, Any]]) -> None:
        self._answers += answers
        self.n += len(answers)
        if len(self._answers) > 2 * self._cap:
            self._thin()

    def by_id(self) -> dict[str, Mapping[str, Any]]:
        self._thin()
        return {answer["id"]: answer for answer in self._answers}

    def _thin(self) -> None:
        fresh = len(self._answers) - len(self._ranks)
        self._ranks = np.concatenate([self._ranks, self._rng.random(fresh)])
        if len(self._answers) > self._cap:
            keep = np.sort(np.argpartition(self._ranks, self._cap)[: self._cap])
            self._answers, self._ranks = [self._answers[i] for i in keep], self._ranks[keep]
