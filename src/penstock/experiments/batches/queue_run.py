"""The queue at work: takes what is queued, oldest first, several at once. Any number of processes may do so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.errors import PenstockError, ProjectError
from penstock.experiments.batches.batch import OPERATION as BATCH
from penstock.experiments.batches.batch import FlagsOf, resume_batch
from penstock.experiments.batches.queue import entries_of
from penstock.experiments.capture.target import Target
from penstock.experiments.running.options import RunOptions

if TYPE_CHECKING:
    from penstock.experiments.flags.flag_set import FlagSet
    from penstock.ledger.record import RunRecord
    from penstock.project.workspace import Workspace

POLL_S = 1.0
"""How often `watch` looks for something new."""

_OWN_INPUTS = ("target", "plan", "options", "source", "source_content")
"""Inputs that say what an entry is; all others are handed on to its run, or to its trials."""
Preparation = Callable[[Target, RunOptions], RunOptions]
"""Adds to the options of a run what is known only when it begins, such as the parts of the data that it may see."""


@dataclass(frozen=True)
class Taken:
    """What came of one entry."""

    run: str
    operation: str
    status: str
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class QueueResult:
    """What a session with the queue has run.

    Attributes
    ----------
    put_again : interrupted runs that were put into the queue again. interrupted : those that still wait for that.
    """

    taken: tuple[Taken, ...]
    put_again: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where any run failed."""
        return 0 if all(one.status in ("done", "stopped") for one in self.taken) else 1

    def to_json(self) -> dict[str, Any]:
        return {
            "taken": [one.to_json() for one in self.taken],
            "put_again": list(self.put_again),
            "interrupted": list(self.interrupted),
        }

    def to_text(self) -> str:
        lines = [
            f"{one.run}  {one.operation}  {one.status}{f': {one.reason}' if one.reason else ''}" for one in self.taken
        ]
        if not lines:
            lines.append("nothing was queued")
        if self.interrupted:
            lines.append(f"{len(self.interrupted)} were interrupted; `penstock queue run --retry` runs them again")
        return "\n".join(lines)


def run_queue(
    workspace: Workspace,
    *,
    flags_of: FlagsOf | None = None,
    workers: int = 1,
    watch: bool = False,
    retry: bool = False,
    prepare: Preparation | None = None,
    listener: Callable[[str, Taken], None] | None = None,
    cancel: threading.Event | None = None,
) -> QueueResult:
    """Run what is queued, oldest first, until nothing is left.

    Parameters
    ----------
    workers : runs at once. watch : wait for more, until stopped. retry : interrupted runs first go into the queue again.
    prepare : see `Preparation`. listener : told "start" and "end" of each.
    cancel : once set, what runs is ended, and the rest stays queued. Ctrl-C does the same.
    """
    session = _Session(workspace, flags_of or find_flags(workspace), prepare, listener, cancel or threading.Event())
    put_again = _put_again(workspace) if retry else []
    with ThreadPoolExecutor(workers, thread_name_prefix="queue") as pool:
        try:
            session.work(pool, workers, watch)
        except BaseException:
            session.cancel.set()
            raise
    lost = [record.id for record in entries_of(workspace, "interrupted")]
    return QueueResult(tuple(session.taken), tuple(put_again), tuple(lost))


def find_flags(workspace: Workspace) -> FlagsOf:
    """Finds flags as `penstock run` does."""

    def find(target: Target, cwd: Path, python: str | None = None) -> FlagSet:
        from penstock.experiments.flags.detect import detect

        declaration = workspace.declaration
        section = declaration.scripts.get(target.name)
        return detect(target, cwd=cwd, section=section, secrets=declaration.run.secrets, python=python)

    return find


def _put_again(workspace: Workspace) -> list[str]:
    found = []
    for record in entries_of(workspace, "interrupted"):
        try:
            workspace.ledger.requeue(record.id)
        except ProjectError:  # another process has put it again, and perhaps taken it, since
            if workspace.ledger.get(record.id).status == "interrupted":
                raise
            continue
        found.append(record.id)
    return found


@final
@dataclass
class _Session:
    """One process at work on the queue."""

    workspace: Workspace
    flags_of: FlagsOf
    prepare: Preparation | None
    listener: Callable[[str, Taken], None] | None
    cancel: threading.Event
    taken: list[Taken] = field(default_factory=list)

    def work(self, pool: ThreadPoolExecutor, workers: int, watch: bool) -> None:
        running: set[Future[Taken | None]] = set()
        tried: set[str] = set()
        while not self.cancel.is_set():
            free = workers - len(running)
            fresh = (
                [record for record in entries_of(self.workspace, "queued") if record.id not in tried] if free else []
            )
            for record in fresh[:free]:
                tried.add(record.id)
                running.add(pool.submit(self._one, record))
            if not running and not watch:
                return
            if not running:
                self.cancel.wait(POLL_S)
                tried.clear()  # what another process had taken may be queued again
                continue
            ready, running = wait(running, timeout=POLL_S if watch else None, return_when=FIRST_COMPLETED)
            self._note(ready)
        while running:
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            self._note(ready)
        raise KeyboardInterrupt

    def _note(self, ready: set[Future[Taken | None]]) -> None:
        for future in ready:
            taken = future.result()
            if taken is not None:
                self.taken.append(taken)

    def _one(self, record: RunRecord) -> Taken | None:
        """Run one entry; None where another process was faster. In a thread of its own."""
        spec = record.outputs["queued"]
        begun: list[str] = []

        def begin(run: str) -> None:
            begun.append(run)
            if self.listener is not None:
                self.listener("start", Taken(run, record.operation, "running", spec["what"]))

        taken: Taken | None
        try:
            taken = (self._batch if spec["kind"] == BATCH else self._run)(record, spec, begin)
        except KeyboardInterrupt:
            taken = Taken(record.id, record.operation, "interrupted")
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this entry only
            taken = self._failed(record, error) if begun else self._refused(record, error)
        if taken is not None and self.listener is not None:
            self.listener("end", taken)
        return taken

    def _run(self, record: RunRecord, spec: dict[str, Any], begin: Callable[[str], None]) -> Taken:
        from penstock.experiments.capture.source import snapshot
        from penstock.experiments.capture.source_changes import source_changes
        from penstock.experiments.running.run import run_target

        target = Target.from_json(spec["target"], self.workspace.root)
        cwd = self.workspace.root / spec["target"]["cwd"]
        flags = self.flags_of(target, cwd, spec["options"]["python"])
        assigned = flags.take(spec["assigned"])
        source = snapshot(self.workspace, target.path)
        options = replace(self._options(target, record, begin), assigned=tuple(assigned), source=source.digest)
        run = run_target(self.workspace, target, flags, flags.values(assigned), options=options, cwd=cwd)
        before = record.inputs.get("source")
        changed = before and source_changes(self.workspace, target, before, source, since="it was queued")
        return Taken(run.id, record.operation, run.status, "; ".join(filter(None, (run.reason, changed))))

    def _batch(self, record: RunRecord, spec: dict[str, Any], begin: Callable[[str], None]) -> Taken:
        target = Target.from_json(record.inputs["target"], self.workspace.root)
        options = self._options(target, record, begin)
        result = resume_batch(self.workspace, record.id, self.flags_of, options=options)
        best = result.best
        told = "" if best is None else f"best {result.metric} {best.value:.6g}, run {best.run}"
        status = "done" if result.exit_code == 0 else "failed"
        failed = sum(trial.status not in ("done", "stopped") for trial in result.trials)
        bad = f"{failed} of {len(result.trials)} trials failed" if failed else ""
        return Taken(
            record.id, record.operation, status, "; ".join(filter(None, (told, bad, result.ended, *result.warnings)))
        )

    def _options(self, target: Target, record: RunRecord, begin: Callable[[str], None]) -> RunOptions:
        options, _ = RunOptions(
            tags=dict(record.tags),
            inputs={name: value for name, value in record.inputs.items() if name not in _OWN_INPUTS},
            on_begin=begin,
            parent=record.parent,
            takes=record.id,
            echo=False,
            interactive=False,
            cancel=self.cancel,
        ).completed(record.outputs["queued"]["options"])
        return self.prepare(target, options) if self.prepare is not None else options

    def _failed(self, record: RunRecord, error: Exception) -> Taken:
        """An entry that ended with an error after it had begun here."""
        status = self.workspace.ledger.get(record.id).status
        if status == "running":  # its end could not be recorded, nor could that of any other
            raise error
        return Taken(record.id, record.operation, status, _what(error))

    def _refused(self, record: RunRecord, error: Exception) -> Taken | None:
        """Record that an entry could not even begin: its script is gone, say. None where another process has it."""
        now = self.workspace.ledger.get(record.id)
        if now.status != "queued" or now.deleted_at is not None:
            return None
        try:
            with self.workspace.ledger.run(record.operation, takes=record.id):
                raise error
        except Exception as told:
            if isinstance(told, ProjectError) and told is not error:
                return None
            if told is not error:
                raise
        return Taken(record.id, record.operation, "failed", _what(error))


def _what(error: Exception) -> str:
    return error.what if isinstance(error, PenstockError) else f"a bug of ours: {type(error).__name__}: {error}"
