"""Who waits, by priority; and what is said to whom it would keep waiting too long."""

from __future__ import annotations

from collections import deque
from math import ceil

from penstock.errors import RequestError
from penstock.serving.jobs import Job
from penstock.serving.refusals import OVERLOADED, TOO_LATE


class Line:
    """Jobs that wait, by priority; within one, first come, first served."""

    def __init__(self) -> None:
        self._queues: tuple[deque[Job], ...] = (deque(), deque(), deque())
        self._costs = [0, 0, 0]  # expected, of those that wait, by priority
        self.length = 0

    def put(self, job: Job) -> None:
        self._queues[job.priority].append(job)
        self._costs[job.priority] += job.cost_ns
        self.length += 1

    def first(self) -> Job | None:
        """Who is next, still waiting; who was settled meanwhile is dropped."""
        for queue in self._queues:
            while queue:
                job = queue[0]
                if not job.is_settled:
                    return job
                self._drop(queue)
        return None

    def take(self) -> Job | None:
        job = self.first()
        if job is not None:
            self._drop(self._queues[job.priority])
        return job

    def forget(self, job: Job) -> None:
        """It waits no more, though it stands in the queue: what it would have cost does not count."""
        self._costs[job.priority] -= job.cost_ns
        job.cost_ns = 0

    def ahead_ns(self, priority: int) -> int:
        """What those cost who come before a newcomer of this priority."""
        return sum(self._costs[: priority + 1])

    def _drop(self, queue: deque[Job]) -> None:
        self.forget(queue.popleft())
        self.length -= 1


def too_late(wait_ns: int) -> RequestError:
    """A request whose answer would miss its deadline."""
    return RequestError(
        "the answer would come after the deadline of the request",
        why="the requests that were there before, or the model itself, take longer than it leaves",
        way_out="ask again later, allow more time, or declare a fallback: [serving] fallback",
        code=TOO_LATE,
        status=503,
        headers={"retry-after": _seconds(wait_ns)},
    )


def overloaded(wait_ns: int) -> RequestError:
    """A request that would wait for too long."""
    return RequestError(
        "more is asked than this server can answer",
        why=f"the request would wait for about {wait_ns / 1e9:.1f} s, and [serving.queue] max_wait_ms allows less",
        way_out="ask again later, or start more workers: penstock serve --workers N",
        code=OVERLOADED,
        status=503,
        headers={"retry-after": _seconds(wait_ns)},
    )


def _seconds(wait_ns: int) -> str:
    return str(max(1, ceil(wait_ns / 1e9)))
