"""Penstock's own standard input: whether a program may have it without waiting for ever."""

from __future__ import annotations

import os
import select
import stat
from typing import final

WAIT_S = 0.2
"""Who writes into a pipe was started together with us: it may take so long until something comes."""


@final
class Stdin:
    """Looked at once, before a program starts.

    A terminal, a file, and a pipe in which something has come are handed on: the program reads as much of it as it likes. A pipe in
    which nothing comes may be one that nobody ever writes to or closes (a scheduler's, an editor's), and a program that reads
    would wait for ever: it gets the end of its input instead, and `came_late` tells whether something came afterwards.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._is_pipe = False
        self.answers = self._answers()

    def came_late(self) -> bool:
        """Whether there is something now that the program was not given."""
        return self._is_pipe and not self.answers and self._has_data(0.0)

    def _answers(self) -> bool:
        try:
            if os.isatty(self._descriptor):
                return True
            mode = os.fstat(self._descriptor).st_mode
        except OSError:  # closed
            return False
        if stat.S_ISREG(mode):
            return True
        self._is_pipe = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        return self._is_pipe and self._has_data(WAIT_S)

    def _has_data(self, wait_s: float) -> bool:
        """Within a time; a pipe that is closed without a byte ends the wait at once."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return any(events & select.POLLIN for _, events in poll.poll(wait_s * 1000))
