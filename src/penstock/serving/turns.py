"""Whose turn it is: requests that are read wait here until the model is free, the most urgent class first.

A worker's event loop does one thing at a time. Were each request answered the moment it is read, whatever came meanwhile would
wait unseen in its socket, uncounted, and nobody could be refused in time. So what is read waits here, where it is seen, and the loop
looks at its sockets again after each execution of a model (or a millisecond of short ones): what arrives is known about one
execution later at most, and no answer is later than its deadline by more than that.

- Short executions are done on the loop, long ones beside it in threads, so that the loop goes on to read, to refuse and to answer
  in a fallback's words; what a fallback is long about, too, and most of what is to be done with many answers.
- Who waits is answered together with others where that is cheaper (see `penstock.serving.costs`); nobody is held back for it.
- Who cannot be answered in time is told so at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from time import perf_counter_ns
from weakref import WeakKeyDictionary

from penstock.bundle.runtime import Bundle
from penstock.errors import RequestError
from penstock.serving.beside import BESIDE_ROWS, Threads, is_long
from penstock.serving.costs import Costs
from penstock.serving.fallbacks import Fallbacks
from penstock.serving.jobs import NEVER, Answered, Job, Work, predicted
from penstock.serving.leaving import Ready
from penstock.serving.line import Line, kept_waiting, overloaded, too_late, too_short
from penstock.serving.settings import BatchingSettings
from penstock.serving.urgency import LOW

_SLICE_NS = 1_000_000  # of short executions, after which the loop looks at its sockets again
_MARGIN_NS = 2_000_000  # the event loop's timers count milliseconds
_MOST_LAG_NS = 20_000_000

Executed = tuple[Sequence[Answered | Exception], Sequence[Ready | None], int]
"""What came of an execution: for each job its answers, and what is ready of them; and the nanoseconds of the model itself."""


class Turns:
    """One worker's queue and executions. To be used on the event loop.

    Attributes
    ----------
    looked_ns, worked_ns : when the loop's last stretch of work began and ended: what it found in its sockets right after may
        have come since the beginning.
    """

    def __init__(
        self, work: Work, *, max_wait_ms: float, batching: BatchingSettings, threads: int | None = None
    ) -> None:
        self._work, self._batching = work, batching
        self._max_wait_ns = max_wait_ms * 1e6
        self._threads = Threads(threads or _processors(), "predict")
        self._fallbacks = Fallbacks(work, self._threads.n)
        self._here, self._beside = Line(), Line()
        self._new: list[Job] = []  # those here with a deadline that no timer watches yet
        self._costs: WeakKeyDictionary[Bundle, Costs] = WeakKeyDictionary()  # a bundle that is unloaded goes
        self._fastest_ns = NEVER  # execution of any version, once there was one
        self._is_called = False
        self._lag_ns = 0.0  # by which the loop's timers strike too late, on this machine at this time
        self.looked_ns = self.worked_ns = 0

    def costs_of(self, bundle: Bundle) -> Costs:
        """What executions of a bundle cost."""
        found = self._costs.get(bundle)
        if found is None:
            found = self._costs[bundle] = Costs()
            if bundle.tested is not None:
                found.learn(*bundle.tested)
        return found

    def put(self, job: Job) -> None:
        """Wait for a turn; the reply is called later.

        Raises
        ------
        RequestError : status 503; its turn would come too late.
        """
        n_rows = len(job.asked.rows)
        job.cost_ns = cost = self.costs_of(job.loaded.bundle).of(n_rows)
        if is_long(cost, n_rows):
            self._refuse_early(job, self._beside, self._wait_beside(job.priority))
            if job.due_ns != NEVER and not self._watch(job):
                self.costs_of(job.loaded.bundle).forget_a_little()
                self._late(job, self._beside)
                return
            has_waited = self._beside.length > 0 or not self._threads.free
            self._beside.put(job)
            self._start(in_time=has_waited)
            return
        if self._here.length:
            self._refuse_early(job, self._here, self._here.ahead_ns(job.priority))
        self._here.put(job)
        if job.due_ns != NEVER:
            self._new.append(job)
        self._call()

    def close(self) -> None:
        self._threads.close()
        self._fallbacks.close()

    # ------------------------------------------------------------ too many

    def _wait_beside(self, priority: int) -> int:
        if self._threads.free and not self._beside.length:
            return 0
        return (self._beside.ahead_ns(priority) + self._threads.expected_ns) // self._threads.n

    def _refuse_early(self, job: Job, line: Line, wait_ns: int) -> None:
        """Refuse who would wait for too long, while it is early enough to ask elsewhere."""
        if wait_ns > self._max_wait_ns:
            self._work.shed()
            raise overloaded(wait_ns)
        if job.due_ns == NEVER or not wait_ns or perf_counter_ns() + wait_ns + job.cost_ns <= job.due_ns:
            return
        if self._work.instead_ns(job) is None:
            raise self._missed(job, line)

    def _watch(self, job: Job) -> bool:
        """See to it that a job in a thread's hands or before it is settled in time; whether there is any time."""
        at_ns = job.due_ns - (self._work.instead_ns(job) or 0) - _MARGIN_NS - int(self._lag_ns)
        left_ns = at_ns - perf_counter_ns()
        if left_ns <= 0:
            return False
        job.timer = asyncio.get_running_loop().call_later(left_ns / 1e9, self._give_up, job, at_ns, self._beside)
        return True

    def _watch_new(self) -> None:
        """The same for jobs here that did not come to their turn at once: those that matter more may overtake them for as long as
        they come."""
        new, self._new = self._new, []
        loop, now = asyncio.get_running_loop(), perf_counter_ns()
        for job in new:
            if not job.is_settled:
                needs = self._work.instead_ns(job)
                early = job.cost_ns if needs is None else max(job.cost_ns, needs) + _MARGIN_NS + int(self._lag_ns)
                at_ns = max(now, job.due_ns - early)
                job.timer = loop.call_later((at_ns - now) / 1e9, self._give_up, job, at_ns, self._here)

    def _give_up(self, job: Job, at_ns: int, line: Line) -> None:
        self._lag_ns = max(0.9 * self._lag_ns, min(perf_counter_ns() - at_ns, _MOST_LAG_NS))
        if not job.is_settled:
            line.forget(job)
            self._late(job, line)

    def _shed_overtaken(self, line: Line) -> None:
        """Refuse who has waited for too long because others overtook them: nobody could tell when they came."""
        now = perf_counter_ns()
        while (job := line.overtaken(now - int(self._max_wait_ns))) is not None:
            line.forget(job)
            if job.reply.is_gone:
                job.leave()
            else:
                self._work.shed()
                job.refuse(kept_waiting(now - job.since_ns))

    def _is_in_time(self, job: Job, line: Line) -> bool:
        """Whether its own answer can be in time; where it cannot, that is settled."""
        if job.due_ns == NEVER:
            return True
        costs = self.costs_of(job.loaded.bundle)
        if perf_counter_ns() + costs.of(len(job.asked.rows)) <= job.due_ns:
            return True
        costs.forget_a_little()
        self._late(job, line)
        return False

    def _late(self, job: Job, line: Line) -> None:
        """Its own answer would be late: a fallback's, if there is one and it is no later than the model may be; else it is
        told so."""
        if not self._fallbacks.answer(job, grace_ns=self.costs_of(job.loaded.bundle).of(len(job.asked.rows))):
            job.refuse(self._missed(job, line))

    def _missed(self, job: Job, line: Line) -> RequestError:
        """What is said to a request that would be answered too late: the server's fault, counted as such, unless it names itself a deadline that is shorter
        than any execution ever was, of whichever version. (That of its own would not do: a new version that is slower is no client's mistake.)"""
        allowed_ns, fastest_ns = job.due_ns - job.came_ns, min(self._fastest_ns, self._fallbacks.fastest_ns)
        if job.names_due and allowed_ns < fastest_ns != NEVER:
            return too_short(allowed_ns, fastest_ns)
        self._work.shed()
        return too_late(line.ahead_ns(LOW))

    def _learn(self, bundle: Bundle, rows: int, ns: int) -> None:
        self._fastest_ns = min(self._fastest_ns, ns)
        self.costs_of(bundle).learn(rows, ns)

    # ------------------------------------------------------------ who is next

    def _next(self, line: Line) -> list[Job]:
        """Who is answered in the next execution: one, or several that wait where that is cheaper."""
        while (first := line.take()) is not None and first.reply.is_gone:
            first.leave()
        if first is None:
            return []
        batching = self._batching
        most = batching.max_rows
        if line.length + 1 < batching.min_rows or most < 2:
            return [first]
        bundle, rows = first.loaded.bundle, len(first.asked.rows)
        costs = self.costs_of(bundle)
        if rows >= most or not costs.pays(min(rows + line.length, most)):
            return [first]
        jobs, due, now = [first], first.due_ns, perf_counter_ns()
        while rows < most and (job := line.first()) is not None and job.loaded.bundle is bundle:
            rows += len(job.asked.rows)
            due = min(due, job.due_ns)
            if rows > most or (due != NEVER and now + costs.of(rows) > due):
                break
            line.take()
            if job.reply.is_gone:
                job.leave()
            else:
                jobs.append(job)
        return jobs

    # ------------------------------------------------------------ here

    def _call(self) -> None:
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Short executions, until nobody waits or it is time to look at the sockets again."""
        self._is_called = False
        began = now = perf_counter_ns()
        while now - began < _SLICE_NS and (jobs := self._next(self._here)):
            self._execute(jobs)
            now = perf_counter_ns()
        if self._new:
            self._watch_new()
        if self._here.length:
            self._shed_overtaken(self._here)
            self._call()
        self.looked_ns, self.worked_ns = began, now

    def _execute(self, jobs: list[Job]) -> None:
        ready = [job for job in jobs if self._is_in_time(job, self._here) and job.fill(self._work)]
        if not ready:
            return
        began = perf_counter_ns()
        outcomes = predicted(ready)
        good = self._keep_all(ready, outcomes, len(ready) * [None])
        if good:
            self._learn(ready[0].loaded.bundle, good, perf_counter_ns() - began)

    def _keep_all(
        self, jobs: list[Job], outcomes: Sequence[Answered | Exception], ready: Sequence[Ready | None]
    ) -> int:
        """Journal, count, reply; gives the number of rows that were answered, and 0 where not all were."""
        rows, is_good = 0, True
        for job, outcome, made in zip(jobs, outcomes, ready, strict=True):
            if isinstance(outcome, Exception):
                is_good = False
                job.refuse(outcome)
                continue
            rows += len(outcome[1])
            if job.is_settled:
                continue
            try:
                content = self._work.keep(job, outcome, made)
            except Exception as error:  # noqa: BLE001  # told to whoever asked
                is_good = False
                job.refuse(error)
            else:
                job.answer(content)
        if len(jobs) > 1:
            self._work.together(len(jobs))
        return rows if is_good else 0

    # ------------------------------------------------------------ beside the loop

    def _start(self, *, in_time: bool = True) -> None:
        """Give threads that are free something to do.

        Parameters
        ----------
        in_time : not what is expected to end too late: it would take the time of others and help nobody. What did not have to
            wait is tried whatever is expected, so that an expectation that is wrong is found out.
        """
        while self._threads.free and self._beside.length:
            jobs = [
                job
                for job in self._next(self._beside)
                if (not in_time or self._is_in_time(job, self._beside)) and job.fill(self._work)
            ]
            if jobs:
                expected = self.costs_of(jobs[0].loaded.bundle).of(sum(len(job.asked.rows) for job in jobs))
                self._threads.do(partial(self._executed, jobs), partial(self._done, jobs), expected)
        if self._beside.length:
            self._shed_overtaken(self._beside)

    def _executed(self, jobs: list[Job]) -> Executed:
        """In a thread."""
        began = perf_counter_ns()
        outcomes = predicted(jobs)
        ns = perf_counter_ns() - began
        return outcomes, [self._made_ready(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)], ns

    def _made_ready(self, job: Job, outcome: Answered | Exception) -> Ready | None:
        if isinstance(outcome, Exception) or job.is_settled or len(outcome[1]) <= BESIDE_ROWS:
            return None
        try:
            return self._work.made_ready(job, outcome)
        except Exception:  # noqa: BLE001  # `keep` meets the same, and tells whoever asked
            return None

    def _done(self, jobs: list[Job], executed: Executed | Exception) -> None:
        self._start()
        outcomes, ready, ns = (
            (len(jobs) * [executed], len(jobs) * [None], 0) if isinstance(executed, Exception) else executed
        )
        if good := self._keep_all(jobs, outcomes, ready):
            self._learn(jobs[0].loaded.bundle, good, ns)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
