"""Who waits, by priority; and what is said to whom it would keep waiting too long."""

from __future__ import annotations

from collections import deque
from math import ceil
from time import perf_counter_ns

from penstock.errors import RequestError
from penstock.serving.jobs import Job
from penstock.serving.refusals import OVERLOADED, TOO_LATE, TOO_SHORT


class Line:
    """Jobs that wait, by priority; within one, first come, first served."""

    def __init__(self) -> None:
        self._queues: tuple[deque[Job], ...] = (deque(), deque(), deque())
        self._costs = [0, 0, 0]  # expected, of those that wait, by priority
        self._come = [0, 0, 0]  # how many ever did, by priority
        self.length = 0

    def put(self, job: Job) -> None:
        job.since_ns = perf_counter_ns()
        job.place = sum(self._come[: job.priority])
        self._come[job.priority] += 1
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

    def overtaken(self, since_ns: int) -> Job | None:
        """One that has waited since before an instant, and whom others that came later and matter more keep from its turn."""
        for priority, queue in enumerate(self._queues):
            while queue and queue[0].is_settled:  # also in a queue whose turn may never come
                self._drop(queue)
            if queue and queue[0].since_ns < since_ns and queue[0].place < sum(self._come[:priority]):
                return queue[0]
        return None

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


def too_short(left_ns: int, fastest_ns: int) -> RequestError:
    """A request whose own deadline no answer could ever meet: its mistake, status 400."""
    return RequestError(
        "the answer would come after the deadline of the request",
        why=f"it allows {left_ns / 1e6:.4g} ms, and no answer of this server ever took less than {fastest_ns / 1e6:.4g} ms",
        way_out="allow more time; a deadline is a number of milliseconds",
        path="deadline_ms",
        code=TOO_SHORT,
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


def kept_waiting(waited_ns: int) -> RequestError:
    """A request whose turn does not come."""
    return RequestError(
        "more is asked than this server can answer",
        why=f"the request has waited for {waited_ns / 1e9:.1f} s behind others that matter more, and [serving.queue] max_wait_ms "
        "allows no more",
        way_out="ask again later, ask with a higher x-priority, or start more workers: penstock serve --workers N",
        code=OVERLOADED,
        status=503,
        headers={"retry-after": _seconds(waited_ns)},
    )


def _seconds(wait_ns: int) -> str:
    return str(max(1, ceil(wait_ns / 1e9)))
