"""A request that waits for its turn: what it is, where its answer goes, and how it is executed, alone or with others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.bundle.runtime import Bundle
from penstock.serving.asked import Asked, Rows
from penstock.serving.callers import Asking
from penstock.serving.follower import Loaded
from penstock.serving.leaving import Ready
from penstock.serving.urgency import NORMAL
from penstock.serving.watching import Steps

NEVER = 1 << 62
"""When a request without a deadline is due."""

Answered = tuple[Sequence[Mapping[str, Any]], Rows]
"""The rows as they may be kept (themselves, where none is personal), and the answers to them."""


class Reply(Protocol):
    """Where an answer goes. Exactly one of the three is called, once, on the event loop."""

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits for it any more."""
        ...

    def answer(self, loaded: Loaded, predictions: bytes) -> None: ...

    def refuse(self, error: Exception) -> None: ...

    def drop(self) -> None:
        """Its turn came, and nobody waits for it any more."""
        ...


@dataclass(slots=True)
class Awaited:
    """A reply that a coroutine waits for: who answered, and the answers."""

    future: asyncio.Future[tuple[Loaded, bytes]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def is_gone(self) -> bool:
        return self.future.done()

    def answer(self, loaded: Loaded, predictions: bytes) -> None:
        if not self.future.done():
            self.future.set_result((loaded, predictions))

    def refuse(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def drop(self) -> None:
        """Whoever waited was cancelled."""


HeldPart = tuple["Job", Answered, Ready | None]
"""A part of a request that several versions answer: the job, its answers, and what was made ready of them, where that takes long."""


class Work(Protocol):
    """What is done for a request before and after its execution, on the event loop but for what says that a thread calls it."""

    def filled(self, job: Job) -> Rows:
        """Its rows, as the model takes them. Raises RequestError."""
        ...

    def made_ready(self, job: Job, answered: Answered) -> Ready:
        """What `keep` needs long for where there are many answers. Called in a thread."""
        ...

    def keep(self, job: Job, answered: Answered, ready: Ready | None = None) -> bytes:
        """Journal and count, and give the answers as they may leave. Raises StoreFull."""
        ...

    def instead(self, job: Job) -> Answered | None:
        """A fallback's answers; None where the model has none. Called in a thread where it is expected to take long; the rows are filled
        then."""
        ...

    def instead_took(self, job: Job, ns: int) -> None:
        """So long did they take."""
        ...

    def instead_ns(self, job: Job) -> int | None:
        """How long a fallback is expected to take; None where the model has none."""
        ...

    def shed(self) -> None:
        """A request was refused because of others."""
        ...

    def together(self, requests: int) -> None:
        """So many requests were answered in one execution."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """A request that waits for its turn. Instants are those of `perf_counter_ns`.

    Attributes
    ----------
    came_ns : when the socket had it. due_ns : when its answer must have left; names_due : the request itself says so, not `[serving] deadline_ms`.
    who : asks, for the journal.
    held : of one part of a request that several versions answer: takes the job and its answers, to be kept once all parts are answered
        (`Predicting.keep_together`); what is given as its answers is empty.
    """

    asked: Asked
    loaded: Loaded
    reply: Reply
    came_ns: int
    due_ns: int = NEVER
    names_due: bool = False
    priority: int = NORMAL
    who: Asking | None = None
    cost_ns: int = 0  # expected; 0 once it waits no more
    since_ns: int = 0  # since when it waits for its turn
    place: int = 0  # in its line: how many that matter more had their turn, or waited, when it came
    rows: Rows | None = None  # filled
    timer: asyncio.TimerHandle | None = None
    is_settled: bool = False
    steps: Steps | None = None  # of its trace, where it is traced
    held: list[HeldPart] | None = None

    def fill(self, work: Work) -> bool:
        """Have its rows as the model takes them; False where they cannot be, which is told to whoever asked."""
        try:
            self.rows = work.filled(self)
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            self.refuse(error)
            return False
        return True

    def answer(self, predictions: bytes) -> None:
        self.settle()
        self.reply.answer(self.loaded, predictions)

    def refuse(self, error: Exception) -> None:
        """Unless it is settled already."""
        if not self.is_settled:
            self.settle()
            self.reply.refuse(error)

    def leave(self) -> None:
        """Nobody waits for it."""
        self.settle()
        self.reply.drop()

    def settle(self) -> None:
        """It has no turn any more."""
        self.is_settled = True
        if self.timer is not None:
            self.timer.cancel()


def predicted(jobs: Sequence[Job]) -> list[Answered | Exception]:
    """The answers to jobs of one bundle, in one execution; a request that cannot be read is refused by itself."""
    bundle = jobs[0].loaded.bundle
    if len(jobs) == 1:
        try:
            return [_alone(bundle, jobs[0])]
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            return [error]
    outcomes: list[Any] = []
    read, places = [], []
    for job in jobs:
        try:
            kept = _kept(bundle, job)
            read.append(bundle.read_rows(kept))
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            outcomes.append(error)
        else:
            places.append(len(outcomes))
            outcomes.append(kept)
    try:
        answers = bundle.answer_together(read)
    except Exception as error:  # noqa: BLE001  # of all of them: there is no telling whose fault it is
        return [outcome if isinstance(outcome, Exception) else error for outcome in outcomes]
    for place, made in zip(places, answers, strict=True):
        outcomes[place] = (outcomes[place], made)
    return outcomes


def _alone(bundle: Bundle, job: Job) -> Answered:
    kept = _kept(bundle, job)
    return kept, bundle.predict(kept)


def _kept(bundle: Bundle, job: Job) -> Sequence[Mapping[str, Any]]:
    rows = job.rows
    assert rows is not None
    bundle.refuse_broken_images(rows)
    return bundle.protect(rows) if bundle.is_private else rows
