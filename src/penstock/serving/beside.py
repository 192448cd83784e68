"""Work beside the event loop: what takes too long for the loop itself, and the threads that do it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

BESIDE_NS = 2_000_000
BESIDE_ROWS = 100
BESIDE_BYTES = 32_768
"""Of a request or its answers; what is smaller is read or written within a millisecond or so."""

Outcome = TypeVar("Outcome")


def is_long(expected_ns: int, n_rows: int) -> bool:
    """Whether it would hold the loop up."""
    return expected_ns > BESIDE_NS or n_rows > BESIDE_ROWS


async def beside(size_bytes: int, work: Callable[[], Outcome]) -> Outcome:
    """What `work`, which reads or writes so many bytes, gives; in a thread, where they would hold the loop up."""
    return work() if size_bytes <= BESIDE_BYTES else await asyncio.to_thread(work)


class Threads:
    """Threads for one purpose, started when they are needed first, and how long they are expected to be busy. To be used on the event loop.

    Attributes
    ----------
    free : how many have nothing to do; below 0: so many pieces of work wait for one. expected_ns : of all that is not done yet.
    """

    def __init__(self, n: int, purpose: str) -> None:
        self.n, self.free, self.expected_ns = n, n, 0
        self._purpose = purpose
        self._pool: ThreadPoolExecutor | None = None

    def do(self, work: Callable[[], Outcome], done: Callable[[Outcome | Exception], None], expected_ns: int) -> None:
        """Have a thread do it. `done` is called on the loop afterwards, with what it gave or raised."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n, thread_name_prefix=self._purpose)
        self.free -= 1
        self.expected_ns += expected_ns
        self._pool.submit(self._work, asyncio.get_running_loop(), work, done, expected_ns)

    def close(self) -> None:
        """Begin nothing more; what is being done ends by itself."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[], Outcome],
        done: Callable[[Outcome | Exception], None],
        expected_ns: int,
    ) -> None:
        outcome: Outcome | Exception
        try:
            outcome = work()
        except Exception as error:  # noqa: BLE001  # told to whoever waits for it
            outcome = error
        loop.call_soon_threadsafe(self._done, done, outcome, expected_ns)

    def _done(
        self, done: Callable[[Outcome | Exception], None], outcome: Outcome | Exception, expected_ns: int
    ) -> None:
        self.free += 1
        self.expected_ns -= expected_ns
        done(outcome)
