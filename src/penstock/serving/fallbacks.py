"""A fallback's answer, where the model's own would be late."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns

from penstock.serving.beside import Threads, is_long
from penstock.serving.jobs import NEVER, Answered, Job, Work
from penstock.serving.leaving import Ready


class Fallbacks:
    """Answers of one worker's fallbacks. To be used on the event loop.

    Their threads are their own: free when those of the models are not.
    """

    def __init__(self, work: Work, threads: int) -> None:
        self._work = work
        self._threads = Threads(threads, "fallback")
        self.fastest_ns = NEVER  # answer, of any version; once there was one

    def answer(self, job: Job, grace_ns: int) -> bool:
        """Answer a request instead of its model, at once or, where that takes long, in a thread.

        Parameters
        ----------
        grace_ns : by which the answer may be later than the deadline of the request.

        Returns
        -------
        whether it is answered, or will be: not, where there is no fallback or its answer would be late, too.
        """
        needs = self._work.instead_ns(job)
        wait_ns = self._threads.expected_ns // self._threads.n
        if needs is None or perf_counter_ns() + wait_ns + needs > job.due_ns + grace_ns:
            return False
        if is_long(needs, len(job.asked.rows)):
            self._answer_beside(job, needs)
        else:
            self._answer_here(job)
        return True

    def close(self) -> None:
        self._threads.close()

    def _took(self, job: Job, ns: int) -> None:
        self.fastest_ns = min(self.fastest_ns, ns)
        self._work.instead_took(job, ns)

    def _answer_here(self, job: Job) -> None:
        began = perf_counter_ns()
        try:
            answered = self._work.instead(job)
            assert answered is not None
            self._took(job, perf_counter_ns() - began)
            job.answer(self._work.keep(job, answered))
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            job.refuse(error)

    def _answer_beside(self, job: Job, needs: int) -> None:
        if job.rows is None and not job.fill(self._work):
            return
        job.settle()  # it has no turn any more, and what the model says of it comes too late
        self._threads.do(partial(self._made, job), partial(self._done, job), needs)

    def _made(self, job: Job) -> tuple[Answered, Ready, int]:
        began = perf_counter_ns()
        answered = self._work.instead(job)
        assert answered is not None
        ready = self._work.made_ready(job, answered)
        return answered, ready, perf_counter_ns() - began

    def _done(self, job: Job, outcome: tuple[Answered, Ready, int] | Exception) -> None:
        try:
            if isinstance(outcome, Exception):
                raise outcome
            answered, ready, ns = outcome
            self._took(job, ns)
            content = self._work.keep(job, answered, ready)
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            job.reply.refuse(error)
        else:
            job.reply.answer(job.loaded, content)
