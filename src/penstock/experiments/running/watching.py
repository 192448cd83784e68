"""From the start of a program to its end: its output is handed on, its metrics and files are looked at.

Loaded while the program starts already, so that it costs no time of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO, final

from penstock.experiments.capture.console import ConsoleLog, Printed
from penstock.experiments.capture.seals import Seals
from penstock.experiments.running.observer import Observer
from penstock.experiments.running.options import RunOptions
from penstock.experiments.running.process import Ended, Process
from penstock.experiments.running.surroundings import OUTPUT, Surroundings

if TYPE_CHECKING:
    from penstock.ledger.run import Run


@final
class Watching:
    """One program that runs."""

    def __init__(self, around: Surroundings, run: Run, process: Process, seals: Seals | None, started: float) -> None:
        options = around.options
        self._options, self._process, self._cwd, self._folder = options, process, around.cwd, run.folder
        self.console = ConsoleLog(run.folder, around.section.console_bytes)
        self.observer = Observer(
            run.folder,
            run.log_path,
            pid=process.pid,
            started=started,
            patterns=around.metrics,
            most_printed=around.section.printed_lines,
            watch=options.watch,
            seals=seals,
            listener=options.on_metrics,
            mask=around.masker.mask,
        )
        self._out = Printed(
            around.masker, self.console, shown(options, "stdout"), self.observer.printed, label=options.label
        )
        self._err = Printed(around.masker, self.console, shown(options, "stderr"), label=options.label)

    def until_the_end(self) -> Ended:
        """Until the program has ended and all that it left is known."""
        try:
            ended = self._process.pump(self._out.feed, self._err.feed, self._tick, also=self.observer.also)
            self._out.flush()
            self._err.flush()
            self.observer.finish(self._cwd, self._folder / OUTPUT)
        finally:
            self.console.close()
            self.observer.close()
        return ended

    @property
    def cancelled(self) -> bool:
        """Whether somebody else wants it to end."""
        return self._options.cancel is not None and self._options.cancel.is_set() and not self.observer.stop_reason

    @property
    def last_printed(self) -> tuple[bytes, bytes]:
        """The end of what it said of errors, and the end of what else it printed."""
        return self._err.tail, self._out.tail

    def _tick(self) -> None:
        self.observer.look()
        if self.observer.stop_reason or self.cancelled:
            self._process.stop()


def shown(options: RunOptions, stream: str) -> TextIO | None:
    """Where the output of a program is shown."""
    if not options.echo:
        return None
    return sys.stderr if stream == "stderr" or options.echo == "stderr" else sys.stdout
