"""What is done with the bytes of a large file beside reading it: hashing it as a whole, and storing its pieces."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import final

AHEAD_BYTES = 24 * 2**20
"""So much may wait to be hashed, and so much to be stored."""
AT_ONCE_BYTES = 2**20
"""So much at least is handed over at once: handing over has a price of its own."""


@final
class Threads:
    """One that hashes files, since the bytes of a file come in their order, and two that store."""

    def __init__(self) -> None:
        self.storing = ThreadPoolExecutor(2, "store")  # no thread starts before there is work
        self._hashing = ThreadPoolExecutor(1, "hash")

    def stop(self) -> None:
        """Wait for what has begun; what waits is given up."""
        for threads in (self.storing, self._hashing):
            threads.shutdown(cancel_futures=True)

    def whole(self) -> WholeHash:
        """The digest of a file whose bytes come piece by piece."""
        return WholeHash(self._hashing)

    def storer(self, put: Callable[[bytes], str]) -> Storer:
        """Puts pieces."""
        return Storer(self.storing, put)


@final
class WholeHash:
    """See `Threads.whole`."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self._sha256 = hashlib.sha256()
        self._next: list[bytes] = []
        self._size = 0
        self._ahead: deque[tuple[Future[None], int]] = deque()
        self._ahead_bytes = 0

    def update(self, data: bytes) -> None:
        """The next bytes."""
        self._next.append(data)
        self._size += len(data)
        if self._size >= AT_ONCE_BYTES:
            while self._ahead and self._ahead_bytes + self._size > AHEAD_BYTES:
                self._wait()
            self._ahead.append((self._thread.submit(self._hash, self._next), self._size))
            self._ahead_bytes += self._size
            self._next, self._size = [], 0

    def digest(self) -> str:
        """Of all bytes."""
        while self._ahead:
            self._wait()
        self._hash(self._next)
        return "sha256:" + self._sha256.hexdigest()

    def _wait(self) -> None:
        done, size = self._ahead.popleft()
        done.result()
        self._ahead_bytes -= size

    def _hash(self, parts: list[bytes]) -> None:
        for data in parts:
            self._sha256.update(data)


@final
class Storer:
    """See `Threads.storer`."""

    def __init__(self, threads: ThreadPoolExecutor, put: Callable[[bytes], str]) -> None:
        self._threads = threads
        self._put = put
        self._asked: list[tuple[Future[str], int]] = []
        self._done = 0
        self._ahead_bytes = 0

    def put(self, data: bytes) -> None:
        """Store a piece, and wait where too much waits already."""
        while self._done < len(self._asked) and self._ahead_bytes + len(data) > AHEAD_BYTES:
            done, size = self._asked[self._done]
            done.result()
            self._done, self._ahead_bytes = self._done + 1, self._ahead_bytes - size
        self._asked.append((self._threads.submit(self._put, data), len(data)))
        self._ahead_bytes += len(data)

    def all(self) -> list[tuple[str, int]]:
        """Digest and size of all pieces in their order, when they are stored."""
        return [(done.result(), size) for done, size in self._asked]
