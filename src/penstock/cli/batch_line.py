"""The live line of a batch on stderr: trials done, running and failed, and the best so far."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.experiments.batches.batch import BatchState

EVERY_S = 5.0
"""Between two lines where stderr is no terminal."""


class BatchLine:
    """Told of a batch's state whenever it changes. On a terminal it rewrites one line.

    Parameters
    ----------
    quiet : show nothing at all (``--json``).
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._said_at = 0.0
        self._open = False
        self._batch = ""

    def __enter__(self) -> BatchLine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._open:
            print(file=sys.stderr)
        if error is None or not self._batch:
            return
        way = f"penstock run --resume {self._batch}"
        if isinstance(error, KeyboardInterrupt):
            error.args = (f"to go on with this batch: {way}",)  # told where all commands that are stopped say so
        elif way not in str(error):  # whatever ended it; some errors name the way with more in it
            print(f"to go on with this batch: {way}", file=sys.stderr, flush=True)

    def begin(self, batch: str) -> None:
        """Be told which batch it is."""
        self._batch = batch

    def show(self, state: BatchState) -> None:
        """Tell how far the batch is."""
        if self._quiet:
            return
        text = line(state)
        if self._live:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._open = True
        elif time.monotonic() - self._said_at > EVERY_S or state.finished == state.total:
            self._said_at = time.monotonic()
            print(f"  {text}", file=sys.stderr, flush=True)


def line(state: BatchState) -> str:
    """One line of a batch."""
    total = "" if state.total is None else f"/{state.total}"
    parts = [f"{state.finished}{total} trials"]
    parts += [
        f"{count} {what}"
        for count, what in ((state.running, "running"), (state.failed, "failed"), (state.stopped, "stopped early"))
        if count
    ]
    if state.best is not None and state.best.value is not None:
        parts.append(f"best {state.metric} {state.best.value:.5g} (trial {state.best.number})")
    return ", ".join(parts)
