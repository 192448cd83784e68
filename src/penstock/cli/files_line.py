"""The line of a run on stderr while the files that it wrote are put into the store, where that takes a while."""

from __future__ import annotations

import sys
import time

WORDS = {"keeping": "keeping the files that it wrote", "removing": "kept; removing them from the folder of the run"}
PATIENCE_S, LIVE_S, EVERY_S = 1.0, 0.2, 5.0
"""Nothing is said for so long; then so often on a terminal, where one line is written again and again; and elsewhere."""


class FilesLine:
    """Told of each file. Few of them are kept without a word.

    Parameters
    ----------
    quiet : show nothing at all (``--json``).
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._next_at: float | None = None
        self._open = False

    def __enter__(self) -> FilesLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def show(self, what: str, done: int, total: int) -> None:
        """What is done with them, with how many it is done, and of how many."""
        if self._quiet:
            return
        now = time.monotonic()
        if self._next_at is None:
            self._next_at = now + PATIENCE_S
        if done == total:
            self._close()
        elif now >= self._next_at:
            self._say(f"{WORDS[what]}: {done:,} of {total:,}", now)

    def _say(self, text: str, now: float) -> None:
        if sys.stderr.isatty():
            self._open, self._next_at = True, now + LIVE_S
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
        else:
            self._next_at = now + EVERY_S
            print(f"  {text}", file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self._open:
            self._open = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
