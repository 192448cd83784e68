"""What is looked at while a program runs: its metrics from all sources, the files that it opens, the seals."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.experiments.capture.opened import Opened
from penstock.experiments.metrics.series import Appender, Series, Tail
from penstock.experiments.metrics.thinning import Thinning
from penstock.experiments.running.options import MetricsListener

if TYPE_CHECKING:
    from penstock.experiments.capture.seals import Seals
    from penstock.experiments.metrics.events import EventFiles, Scalar
    from penstock.experiments.metrics.lines import PrintedMetrics

_PASSED_OVER = frozenset({".git", ".penstock", "node_modules", "__pycache__", ".venv", "venv", "site-packages"})
_MOST_FOLDERS = 5000


@final
class Observer:
    """One run, looked at. `look` is called every so often, and once more at the end.

    Metrics from printed lines and event files are appended to the run's log, where the script's own are too; these are read from
    there. Of very many printed lines the log has a part (see `Thinning`), and `series` all.

    Attributes
    ----------
    series : all metrics so far. opened : files. unsealed : sealed file -> how it was seen to be opened.
    stop_reason : why the listener wants the run to end, "" while it does not.
    """

    def __init__(
        self,
        folder: Path,
        log: Path,
        *,
        pid: int,
        started: float,
        patterns: tuple[str, ...] = (),
        most_printed: int = 200_000,
        watch: Iterable[Path] = (),
        seals: Seals | None = None,
        listener: MetricsListener | None = None,
        mask: Callable[[str], str] = str,
    ) -> None:
        self.series = Series(mask)
        self.opened = Opened(folder, watch)
        self._seals = seals
        self._patterns = patterns
        self._lines: PrintedMetrics | None = None
        self.stop_reason = ""
        self._listener = listener
        self._tail = Tail(log)
        self._appender = Appender(log, started, self._tail)
        self.thinning = Thinning(most_printed)
        self._events: EventFiles | None = None
        self._clock = time.time() - (time.monotonic() - started)  # the run's start in seconds since 1970
        self._pid = pid

    @property
    def also(self) -> dict[int, Callable[[], None]]:
        """What to wait for beside the program's output: a sealed file is opened for some milliseconds only."""
        if self._seals is None or self._seals.descriptor < 0:
            return {}
        return {self._seals.descriptor: self._look_at_seals}

    @property
    def unsealed(self) -> dict[str, str]:
        return {**(self._seals.broken if self._seals else {}), **self.opened.unsealed}

    @property
    def warnings(self) -> list[str]:
        found = []
        if self._appender.lost:
            found.append(f"{self._appender.lost} lines of metrics are lost: {self._appender.why}")
        if self.thinning.left_out:
            found.append(
                f"{self.thinning.left_out:,} of {self.thinning.seen:,} printed lines with metrics are not in the log, see [run] printed_lines; "
                "the summaries count all"
            )
        if self._lines is not None and self._lines.refused:
            found.append(
                f"more than 1,000 names of metrics were printed; {self._lines.refused!r} and others are left out"
            )
        if self.series.too_many:
            found.append("more than 5,000 metrics were logged; the later ones are in the log only")
        if self._tail.damaged:
            found.append(f"{self._tail.damaged} lines of the log could not be read")
        if self._seals is not None:
            if self._seals.refused:
                found.append(f"sealed data: {self._seals.refused}")
            told = self.opened.unsealed
            found += [f"{path}: {how}" for path, how in self._seals.unsure.items() if path not in told]
        if self._events is not None:
            found += [f"TensorBoard's file {damaged}" for damaged in self._events.damaged()]
        return found

    def printed(self, data: bytes) -> None:
        """A piece of what the program prints. What reads it is made when there is some."""
        if self._lines is None:
            from penstock.experiments.metrics.lines import PrintedMetrics

            self._lines = PrintedMetrics(self._printed, self._patterns)
        self._lines.feed(data)

    def look(self) -> None:
        """Take note of everything that is new."""
        self.opened.look()
        self._look_at_seals()
        for path in self.opened.events:
            self._event_files().add(path)
        self._scalars()
        self._appender.flush()
        for line in self._tail.lines():
            self._take(line)

    def _look_at_seals(self) -> None:
        if self._seals is not None:
            self._seals.look(self._pid)

    def finish(self, cwd: Path, output: Path) -> None:
        """The last look. Event files that were written past Python are searched for where TensorFlow was used."""
        if self._lines is not None:
            self._lines.flush()
        self.opened.look()
        for folder in (output, *([cwd] if "tensorflow" in self.opened.uses else [])):
            for path in _written_since(folder, self._clock):
                self._event_files().add(path)
        self.look()
        self.close()

    def close(self) -> None:
        for part in (self._appender, self._tail, self.opened, self._seals):
            if part is not None:
                part.close()

    def _printed(self, values: dict[str, Any]) -> None:
        self._take(values)
        if self.thinning.keeps(values):
            self._appender.add(values)

    def _take(self, line: dict[str, Any]) -> None:
        """Sum a line of metrics up, and tell of it."""
        numbers = self.series.add(line)
        if self._listener is not None and not self.stop_reason and len(numbers) > ("step" in numbers):
            self.stop_reason = self._listener(numbers) or ""

    def _event_files(self) -> EventFiles:
        """Made when there is one."""
        if self._events is None:
            from penstock.experiments.metrics.events import EventFiles

            self._events = EventFiles()
        return self._events

    def _scalars(self) -> None:
        """Append what event files have; values of one step that come together share a line."""
        if self._events is None:
            return
        together: list[Scalar] = []
        for scalar in self._events.scalars():
            if together and (scalar.step != together[0].step or any(scalar.tag == other.tag for other in together)):
                self._append(together)
                together = []
            together.append(scalar)
        if together:
            self._append(together)

    def _append(self, scalars: list[Scalar]) -> None:
        values = {"step": scalars[0].step, **{scalar.tag: scalar.value for scalar in scalars}}
        self._take(values)
        self._appender.add(values, max(0.0, scalars[0].wall_s - self._clock))


def _written_since(folder: Path, since: float) -> list[str]:
    """Event files below a folder that were written after a moment."""
    found = []
    for looked, (place, folders, names) in enumerate(os.walk(folder)):
        if looked > _MOST_FOLDERS:
            break
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER)
        for name in sorted(names):
            path = os.path.join(place, name)
            if "tfevents" in name and os.stat(path).st_mtime >= since:
                found.append(path)
    return found
