"""A small file that a worker follows: what it holds is taken each time that it was replaced."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

log = logging.getLogger("penstock.serving")

_LONGEST_PAUSE_S = 5.0


class Followed:
    """Looks at a file again and again, from the moment at which this is made.

    What the file holds counts as taken only once it was: where the system fails at that (a full disk, too many open files, a file that
    may not be read for a moment), it is tried again, ever more slowly.
    """

    def __init__(self, path: Path, every_s: float) -> None:
        self._path, self._every_s = path, every_s
        self._taken = self._fingerprint()

    async def follow(self, take: Callable[[], Awaitable[None]]) -> None:
        """Call `take` whenever the file is another one, until cancelled.

        Parameters
        ----------
        take : may raise OSError, and is called again then. What is wrong with the file itself, and stays wrong until it is replaced,
            it tells by itself.
        """
        pause_s = self._every_s
        while True:
            await asyncio.sleep(pause_s)
            try:
                found = self._fingerprint()
                if found != self._taken:
                    await take()
                    self._taken = found
            except OSError as error:
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                log.error("%s is not followed, and tried again in %.3g s: %s", self._path.name, pause_s, error)
            else:
                pause_s = self._every_s

    def _fingerprint(self) -> tuple[int, int, int] | None:
        try:
            stat = os.stat(self._path)
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
