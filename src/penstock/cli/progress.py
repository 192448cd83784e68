"""The live line of a pipeline on stderr: the stage, then best score, trials and time left."""

from __future__ import annotations

import sys
import time
from typing import Any


class Progress:
    """Shows stages and trials. On a terminal the search has one live bar; elsewhere a line every few seconds.

    Parameters
    ----------
    quiet : show nothing at all (``--json``).
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._said_at = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def stage(self, name: str, status: str, why: str) -> None:
        """Told by the pipeline when a stage starts, has run, or is known."""
        if self.quiet:
            return
        self._close()
        if status == "start":
            print(f"  {name} ... ({why})", file=sys.stderr, flush=True)
        elif status == "known":
            print(f"  {name}: known", file=sys.stderr, flush=True)

    def trial(
        self,
        *,
        number: int,
        learner: str,
        value: float | None,
        best: float | None,
        seconds_left: float | None,
        share: float,
    ) -> None:
        """Told by the search after each trial. `share` is the part of the budget that is used, 0 to 1."""
        if self.quiet:
            return
        shown = "-" if best is None else f"{best:.4f}"
        left = "" if seconds_left is None else f"  {max(0.0, seconds_left):.0f} s left"
        text = f"best {shown}  trial {number + 1} ({learner}){left}"
        if sys.stderr.isatty():
            self._live(text, share)
        elif time.monotonic() - self._said_at > 5:
            self._said_at = time.monotonic()
            print(f"    {text}", file=sys.stderr, flush=True)

    def _live(self, text: str, share: float) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(bar_width=16), TextColumn("{task.description}"), console=Console(stderr=True), transient=True
            )
            self._bar.start()
            self._task = self._bar.add_task(text, total=1.0)
        self._bar.update(self._task, description=text, completed=min(1.0, share))

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
