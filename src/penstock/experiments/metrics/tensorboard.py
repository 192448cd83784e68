"""The series of runs as TensorBoard's event files: a folder per run, which is brought up to date by every call."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.errors import StoreError
from penstock.experiments.metrics.event_writer import EventWriter
from penstock.experiments.metrics.series import Tail
from penstock.ledger.status import RUNNING

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord
    from penstock.project.workspace import Workspace

FOLDER = "tensorboard"
"""Below the state folder, unless another is named."""
MOST = 100
_NAME = re.compile(r"[^\w.\-]+")
_NOT_FINITE = frozenset(("NaN", "Infinity", "-Infinity"))
_NOT_SERIES = frozenset(("step", "elapsed_s"))


@dataclass(frozen=True)
class Events:
    """What was written. `runs` : run -> {"folder", "series", "values"}; `known` were there already; `without` have no series."""

    folder: str
    runs: dict[str, dict[str, Any]]
    known: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    more: bool = False

    @property
    def exit_code(self) -> int:
        return 0

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": self.folder,
            "runs": self.runs,
            "known": self.known,
            "without": self.without,
            "more": self.more,
        }

    def to_text(self) -> str:
        values = sum(run["values"] for run in self.runs.values())
        lines = [f"{values:,} values of {len(self.runs)} runs written to {self.folder}"]
        if self.known:
            lines.append(f"{len(self.known)} runs were there already")
        if self.without:
            lines.append(f"without series: {', '.join(self.without[:5])}{' ...' if len(self.without) > 5 else ''}")
        if self.more:
            lines.append("there are older runs: name them, or raise --limit")
        return "\n".join([*lines, f"to see them: tensorboard --logdir {self.folder}"])


@final
class Board:
    """The event files of a workspace's runs. `write` brings them up to date, `follow` goes on with runs that go on."""

    def __init__(self, workspace: Workspace, folder: Path | None = None) -> None:
        self.workspace = workspace
        self.folder = (folder or workspace.state / FOLDER).absolute()
        self._live: list[_Live] = []

    def write(self, ids: Sequence[str] = (), *, limit: int = MOST) -> Events:
        """Write what is not there yet of the runs (and those inside them), or of the newest that have series.

        Raises
        ------
        NotFound : there is no such run. StoreFull : no space is left. StoreError : the folder cannot be written.
        """
        records, more = self._chosen(ids, limit)
        try:
            return self._write_all(records, more)
        except OSError as error:
            raise StoreError(
                f"event files cannot be written to {str(self.folder)!r}",
                why=f"{error.strerror or error}: {error.filename or self.folder}",
                way_out="name a folder of your own with --logdir, or one that can be made",
            ) from error

    def _write_all(self, records: Sequence[RunRecord], more: bool) -> Events:
        self.folder.mkdir(parents=True, exist_ok=True)
        runs: dict[str, dict[str, Any]] = {}
        known, without = [], []
        for record in records:
            place = self.folder / _safe(record.operation) / _safe(_shown(record))
            name = (
                f"events.out.tfevents.{int(_started(record))}.{record.id}.{record.log[-12:] if record.log else 'live'}"
            )
            if record.log and (place / name).is_file():
                known.append(record.id)
                continue
            if place.is_dir():  # what was written while it went on
                shutil.rmtree(place)
            count, series = self._write(record, place / name)
            if count:
                runs[record.id] = {"folder": str(place.relative_to(self.folder)), "series": series, "values": count}
            elif record.status != RUNNING:
                without.append(record.id)
        return Events(str(self.folder), runs, known, without, more)

    def follow(self) -> int:
        """Write what runs that go on have logged since; gives the number of values."""
        return sum(live.write() for live in self._live)

    def close(self) -> None:
        for live in self._live:
            live.close()
        self._live.clear()

    def _chosen(self, ids: Sequence[str], limit: int) -> tuple[list[RunRecord], bool]:
        ledger = self.workspace.ledger
        if not ids:
            found = ledger.runs(
                where=("r.log IS NOT NULL OR r.status IN :live", {"live": [RUNNING, "interrupted"]}), limit=limit + 1
            )
            return found[:limit], len(found) > limit
        chosen: dict[str, RunRecord] = {}
        waiting = [ledger.get(reference) for reference in ids]
        while waiting:
            record = waiting.pop()
            chosen[record.id] = record
            waiting += [child for child in ledger.children(record.id) if child.id not in chosen]
        return sorted(chosen.values(), key=lambda record: record.id), False

    def _write(self, record: RunRecord, path: Path) -> tuple[int, int]:
        """Write the log of one run; gives the number of values and of series."""
        live = self.workspace.ledger.folder_of(record.id) / "metrics.jsonl"
        if record.status == RUNNING:
            follower = _Live(Tail(live), path, _started(record))
            self._live.append(follower)
            return follower.write(), len(follower.lines.counts)
        lines = _Lines(_started(record))
        partial = path.with_name(f".{path.name}.part")
        count = 0
        if record.log is None and not live.is_file():
            return 0, 0
        with EventWriter(partial, wall_s=_started(record)) as writer:
            for line in self.workspace.ledger.log_of(record):
                count += lines.write(line, writer)
        if count:
            partial.replace(path)
        else:
            shutil.rmtree(path.parent)
        return count, len(lines.counts)


class _Lines:
    """Lines of a log as events; a line without a step has the number of values that its series had before."""

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.counts: dict[str, int] = {}

    def write(self, line: dict[str, Any], writer: EventWriter) -> int:
        step, written = line.get("step"), 0
        wall_s = self.started_s + float(line.get("elapsed_s") or 0.0)
        for name, value in line.items():
            if isinstance(value, str) and value in _NOT_FINITE:
                value = float(value)
            if name in _NOT_SERIES or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            before = self.counts.get(name, 0)
            at = int(step) if isinstance(step, int | float) and abs(step) < 2**63 else before
            writer.add(name, at, float(value), wall_s)
            self.counts[name] = before + 1
            written += 1
        return written


class _Live:
    """One run that goes on: its file of events grows with its log. The file is made with its first value."""

    def __init__(self, tail: Tail, path: Path, started_s: float) -> None:
        self.lines = _Lines(started_s)
        self._tail = tail
        self._path = path
        self._writer: EventWriter | None = None

    def write(self) -> int:
        written = 0
        for line in self._tail.lines():
            if self._writer is None:
                self._writer = EventWriter(self._path, wall_s=self.lines.started_s)
            written += self.lines.write(line, self._writer)
        if written and self._writer is not None:
            self._writer.flush()
        return written

    def close(self) -> None:
        self._tail.close()
        if self._writer is not None:
            self._writer.close()


def _started(record: RunRecord) -> float:
    """When a run began, in seconds since 1970."""
    return datetime.fromisoformat(record.started_at).timestamp()


def _shown(record: RunRecord) -> str:
    """A run as TensorBoard lists it: its id, and the name that MLflow gave it."""
    name = record.tags.get("mlflow.runName")
    return f"{record.id} {name}" if name else record.id


def _safe(name: str) -> str:
    """A name as a folder.

    >>> _safe("scripts/train.py"), _safe("..")
    ('scripts-train.py', '-')
    """
    safe = _NAME.sub("-", name)[:120]
    return safe if safe.strip(".") else "-"
