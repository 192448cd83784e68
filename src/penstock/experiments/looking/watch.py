"""A run while it goes on: its curves as they grow, and what they show so far."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.errors import NotFound
from penstock.experiments.curves.curves import Curve, add_lines, lines_of
from penstock.experiments.curves.diagnosis import diagnose
from penstock.experiments.curves.series_names import pairs_of
from penstock.experiments.looking.properties import shown
from penstock.experiments.looking.terminal_chart import Drawn, chart
from penstock.experiments.metrics.series import Tail
from penstock.experiments.sheets import clean, took
from penstock.ledger.status import QUEUED, RUNNING

if TYPE_CHECKING:
    from penstock.experiments.curves.findings import Finding
    from penstock.ledger.record import RunRecord
    from penstock.project.workspace import Workspace

GOING = (QUEUED, RUNNING)
MOST_CHARTS = 4
QUEUED_SAYS = "queued; `penstock queue run` runs it"


@dataclass(frozen=True)
class Glance:
    """A run at one moment."""

    record: RunRecord
    curves: dict[str, Curve] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    seconds: float | None = None

    exit_code = 0

    @property
    def going(self) -> bool:
        return self.record.status in GOING

    @property
    def waits(self) -> str:
        """What a queued run waits for, "" of any other."""
        return QUEUED_SAYS if self.record.status == QUEUED else ""

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.record.id,
            "operation": self.record.operation,
            "status": self.record.status,
            "seconds": self.seconds,
            "series": {
                name: {"count": curve.count, "last": curve.last, "not_finite": curve.not_finite}
                for name, curve in self.curves.items()
            },
            "findings": [finding.to_json() for finding in self.findings],
        }

    def to_text(self) -> str:
        return "\n".join(str(line) for line in self.lines())

    def lines(self, *, width: int = 80, height: int = 24) -> list[Drawn]:
        """The picture for a terminal of this size."""
        time = f", {took(self.seconds)}" if self.seconds is not None else ""  # nobody saw the end of an interrupted run
        lines = [_line(f"run {self.record.id}: {clean(self.record.operation)}, {self.record.status}{time}")]
        flags = " ".join(f"{n}={shown(v, 20)}" for n, v in self.record.params.items() if not isinstance(v, dict))
        if flags:
            lines.append(_line("  " + (flags if len(flags) < width - 2 else flags[: width - 5] + "...")))
        pictures = grouped(list(self.curves))[:MOST_CHARTS]
        rows = max(3, min(10, (height - 4 - len(self.findings)) // max(1, len(pictures)) - 3))
        for names in pictures:
            lines += chart([(n, self.curves[n].points) for n in names], width=width, height=rows)
        single = [f"{n} {shown(c.last)}" for n, c in self.curves.items() if c.count == 1]
        if single:
            lines.append(_line("  " + "  ".join(single)))
        if self.waits:
            lines.append(_line(f"  {self.waits}"))
        elif not self.curves:
            lines.append(_line("  nothing is logged yet" if self.going else "  nothing was logged"))
        left = [n for names in grouped(list(self.curves))[MOST_CHARTS:] for n in names]
        if left:
            lines.append(_line("  " + "  ".join(f"{n} {shown(self.curves[n].last)}" for n in left[:12])))
        return lines + [_line(f"  {finding}") for finding in self.findings]


def grouped(names: list[str]) -> list[tuple[str, ...]]:
    """Series that belong into one picture: those of training and validation rows together.

    >>> grouped(["lr", "loss", "val_loss"])
    [('loss', 'val_loss'), ('lr',)]
    """
    pairs = [tuple(n for n in (pair.train, pair.valid) if n is not None) for pair in pairs_of(names)]
    taken = {name for pair in pairs for name in pair}
    return [*pairs, *((name,) for name in names if name not in taken)]


def watched_run(workspace: Workspace, run: str | None) -> str:
    """The id of the run to watch: the newest that goes on, where none is named.

    Raises
    ------
    NotFound : there is no such run; none goes on, whether or not some are queued.
    """
    ledger = workspace.ledger
    if run is not None:
        return ledger.get(run).id
    if running := ledger.summaries(status=RUNNING, limit=1, columns=[]):
        return running[0].id
    if queued := ledger.summaries(status=QUEUED, columns=[]):
        raise NotFound(
            "no run is going on",
            why=f"{len(queued)} {'is' if len(queued) == 1 else 'are'} queued, and none of them has begun",
            way_out="run what is queued with `penstock queue run`, or name a run: `penstock runs` lists them",
        )
    raise NotFound("no run is going on", why="all have ended", way_out="name one: `penstock runs` lists them")


def glances(workspace: Workspace, run_id: str, *, every_s: float = 0.5, once: bool = False) -> Iterator[Glance]:
    """A run again and again, until it has ended; the last glance is of its end."""
    ledger = workspace.ledger
    curves: dict[str, Curve] = {}
    tail = Tail(ledger.folder_of(run_id) / "metrics.jsonl")
    try:
        while True:
            record = ledger.get(run_id)
            going = record.status in GOING
            if going:
                add_lines(curves, tail.lines())
            else:  # what came last may have been logged between two looks: the whole log counts
                curves = {}
                add_lines(curves, lines_of(ledger, record))
            now = {name: curve.copy() for name, curve in curves.items()}  # a glance stays as it is
            yield Glance(record, now, diagnose(curves, finished=not going), _seconds(record))
            if once or not going:
                return
            time.sleep(every_s)
    finally:
        tail.close()


def _seconds(record: RunRecord) -> float | None:
    from penstock.ledger.clock import seconds_between

    if record.seconds is not None or record.status not in GOING:
        return record.seconds
    return seconds_between(record.started_at, None) if record.status == RUNNING else None


def _line(text: str) -> Drawn:
    return Drawn(((text, ""),))
