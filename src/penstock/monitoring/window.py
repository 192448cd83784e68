"""What happened between two instants, read from the journal: rows, answers, times, refusals.

Memory is bounded: of more rows than `cap`, a uniform sample is kept, and the window says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.answers import LATE, MISSING
from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame
from penstock.bundle.signature import Signature
from penstock.monitoring.answered import Answered
from penstock.serving.instants import iso_of
from penstock.serving.journal import read

CAP = 50_000
ROWS_AT_ONCE = 2_000
_MOST_TIMES = 200_000


@dataclass(frozen=True)
class Window:
    """One version's traffic between two instants.

    Attributes
    ----------
    model, version : whose traffic.
    since, until : first and last instant, ISO UTC; None where open.
    rows : rows answered. The arrays below hold all of them, or a sample of `cap`.
    frame, answered, ids : decoded rows, their answers, and their prediction ids (object, shape (n_kept,)).
    requests : answered requests; latencies_ms : of them, float64.
    refused : requests refused, by code.
    consumers : answered requests of each declared consumer; "" without a token. Empty where nobody sent one.
    failed : requests that were refused because of the server (status 500 and above). abstained : rows.
    notes : what was left out or thinned, in words.
    """

    model: str
    version: int
    since: str | None
    until: str | None
    rows: int
    frame: Frame
    answered: Answered
    ids: np.ndarray
    requests: int = 0
    latencies_ms: np.ndarray = field(default_factory=lambda: np.empty(0))
    refused: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    consumers: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    abstained: int = 0

    @classmethod
    def of(cls, frame: Frame, answered: Answered, *, model: str = "model", version: int = 0) -> Window:
        """A window of rows that never were in a journal, such as a file."""
        return cls(model, version, None, None, len(frame), frame, answered, np.full(len(frame), "", dtype=object))


def read_window(
    journal: Path,
    decoder: Decoder,
    signature: Signature,
    version: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    cap: int = CAP,
    seed: int = 0,
    model: str | None = None,
) -> Window:
    """The traffic of one version from `since` (included) to `until` (excluded).

    Parameters
    ----------
    journal : the folder of the journal.
    decoder, signature : of the bundle that is watched.
    model : the name under which it is asked; default: the signature's. version : its number; answers of other versions are counted and left out.
    cap : rows kept; of more, a uniform sample.
    """
    until = until or datetime.now(UTC)
    name = model or signature.model
    kept = _Sample(cap, seed)
    waiting_rows: list[Mapping[str, Any]] = []
    waiting: list[Mapping[str, Any]] = []
    refused: Counter[str] = Counter()
    consumers: Counter[str] = Counter()
    others: Counter[str] = Counter()
    instead: Counter[str] = Counter()
    latencies: list[float] = []
    requests = rows = failed = abstained = nameless = 0
    first: datetime | None = None

    def decode() -> None:
        frame, _ = decoder.decode_rows(waiting_rows)
        ids = np.array([answer.get("id", "") for answer in waiting], dtype=object)
        kept.add(frame, Answered.of_journal(waiting, signature), ids)
        waiting_rows.clear()
        waiting.clear()

    for record in read(journal, since, until, ("predict", "error")):
        if record.kind == "error":
            if (record.model, record.version) != (
                name,
                version,
            ):  # the candidate of a release, another one that was asked, or none
                nameless += not record.version
                continue
            refused[record.code or str(record.status)] += 1
            failed += record.status >= 500
            continue
        if (record.model, record.version) != (name, version):
            others[f"{record.model} {record.version}"] += len(record.answers)
            continue
        first = record.at if first is None else min(first, record.at)
        requests += 1
        consumers[record.consumer] += 1
        rows += len(record.answers)
        abstained += sum(answer["decision"] != "answer" for answer in record.answers)
        if len(latencies) < _MOST_TIMES:
            latencies.append(record.latency_ms)
        for row, answer in zip(record.rows, record.answers, strict=True):
            why = answer.get("fallback")
            if why is not None:
                instead[why] += 1
            if why != LATE:  # of this version's own making, also where it is declared to do without a field
                waiting_rows.append(row)
                waiting.append(answer)
        if len(waiting) >= ROWS_AT_ONCE:
            decode()
    decode()
    frame, answered, ids = kept.rows()
    notes = [f"{count:,} rows were answered by {other} and are left out" for other, count in sorted(others.items())]
    if instead[LATE]:
        notes.append(
            f"{instead[LATE]:,} rows were answered by the fallback, which was in time where the model was not, and are left out"
        )
    if instead[MISSING]:
        notes.append(f"{instead[MISSING]:,} rows were answered by the model that does without a field that they lack")
    if rows - instead[LATE] > len(frame):
        notes.append(f"of {rows:,} rows a uniform sample of {len(frame):,} is compared")
    if nameless:
        notes.append(
            f"{nameless:,} requests were refused before it was known which version they ask, and count for none"
        )
    if requests > len(latencies):
        notes.append(f"latencies are those of the first {len(latencies):,} requests")
    start = since or first
    return Window(
        name,
        version,
        iso_of(start) if start else None,
        iso_of(until),
        rows,
        frame,
        answered,
        ids,
        requests,
        np.array(latencies, dtype=np.float64),
        dict(refused),
        tuple(notes),
        dict(sorted(consumers.items())) if any(consumers) else {},
        failed,
        abstained,
    )


class _Sample:
    """The rows with the smallest of random numbers given to each: a uniform sample, whatever the number of rows."""

    def __init__(self, cap: int, seed: int) -> None:
        self._cap, self._rng = cap, np.random.default_rng(seed)
        self._frames: list[Frame] = []
        self._answered: list[Answered] = []
        self._ids: list[np.ndarray] = []
        self._ranks: list[np.ndarray] = []

    def add(self, frame: Frame, answered: Answered, ids: np.ndarray) -> None:
        self._frames.append(frame)
        self._answered.append(answered)
        self._ids.append(ids)
        self._ranks.append(self._rng.random(len(frame)))
        if sum(map(len, self._frames)) > 2 * self._cap:
            self._thin()

    def rows(self) -> tuple[Frame, Answered, np.ndarray]:
        self._thin()
        return self._frames[0], self._answered[0], self._ids[0]

    def _thin(self) -> None:
        frame, answered = Frame.concat(self._frames), Answered.concat(self._answered)
        ids, ranks = np.concatenate(self._ids), np.concatenate(self._ranks)
        if len(ranks) > self._cap:
            keep = np.sort(np.argpartition(ranks, self._cap)[: self._cap])
            frame, answered, ids, ranks = frame.take(keep), answered.take(keep), ids[keep], ranks[keep]
        self._frames, self._answered, self._ids, self._ranks = [frame], [answered], [ids], [ranks]
