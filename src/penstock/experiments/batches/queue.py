"""The queue: runs and batches that are recorded now and run later, by whoever takes them first.

It lies in the ledger and nowhere else. What is queued stays queued through any crash; a run whose process died after it was
taken is ``interrupted``, and `penstock.experiments.batches.queue_run` puts it into the queue again, under its id. Any number of processes
may work on one queue. A run is started from the files as they are then; which of them have changed since it was queued is
said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import FlagError, ProjectError
from penstock.experiments.batches.batch import OPERATION as BATCH
from penstock.experiments.batches.batch import batch_inputs
from penstock.experiments.batches.words import single
from penstock.experiments.capture.target import Target
from penstock.experiments.flags.flag import MASK
from penstock.experiments.flags.values import show
from penstock.experiments.running.options import RunOptions
from penstock.experiments.running.surroundings import masker_of
from penstock.ledger.clock import now_text

if TYPE_CHECKING:
    from penstock.experiments.batches.plan import Plan
    from penstock.experiments.batches.space import Space
    from penstock.experiments.capture.secrets import Masker
    from penstock.experiments.flags.flag_set import FlagSet
    from penstock.ledger.record import RunRecord
    from penstock.project.workspace import Workspace

FORMAT = 1


@dataclass(frozen=True)
class Queued:
    """One entry of the queue.

    Attributes
    ----------
    waiting : how many were queued before it.
    """

    id: str
    operation: str
    what: str
    waiting: int = 0

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {"run": self.id, "operation": self.operation, "what": self.what, "waiting": self.waiting}

    def to_text(self) -> str:
        before = f", behind {self.waiting} other{'s' if self.waiting > 1 else ''}" if self.waiting else ""
        return f"queued as {self.id}{before}: {self.what}\n  `penstock queue run` runs what is queued"


@dataclass(frozen=True)
class Entry:
    """One line of the queue: queued, running, or interrupted."""

    id: str
    operation: str
    status: str
    what: str
    queued_at: str
    who: str | None
    host: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class QueueListing:
    """What is queued, oldest first, and what became of runs that were taken and have not ended."""

    entries: tuple[Entry, ...]
    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {"queue": [entry.to_json() for entry in self.entries]}

    def to_text(self) -> str:
        if not self.entries:
            return "the queue is empty; add to it with `penstock run SCRIPT --queue`"
        rows = [("run", "status", "queued (UTC)", "by", "what")]
        rows += [(e.id, e.status, e.queued_at[:19].replace("T", " "), e.who or "", e.what) for e in self.entries]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[4]]) for row in rows]
        lost = sum(entry.status == "interrupted" for entry in self.entries)
        if lost:
            lines.append(f"{lost} interrupted: `penstock queue run --retry` runs {'it' if lost == 1 else 'them'} again")
        return "\n".join(lines)


# ---- adding


def enqueue(
    workspace: Workspace,
    target: Target,
    flags: FlagSet,
    words: Sequence[str],
    *,
    cwd: Path,
    options: RunOptions | None = None,
) -> Queued:
    """Record a run that is to begin later, with flags as words. They are checked now.

    Raises
    ------
    FlagError : a word is wrong, a flag that must be given is missing, or one is secret: the queue keeps no secrets.
    """
    options = options or RunOptions()
    assigned = single(words, flags)
    values = flags.values(assigned)
    masker = masker_of(workspace, target, flags, values, options)
    options = options.masked(masker)
    _refuse_secrets(target, assigned, flags, masker)
    where = {**target.to_json(workspace.root), "cwd": _below(cwd, workspace.root)}
    shown = {n: MASK if flags.find(n).secret and v else masker.value(n, v) for n, v in values.items()}
    what = " ".join([target.name, *(f"{name}={show(value)}" for name, value in assigned.items())])
    spec = {
        **_spec("run", what, options),
        "target": where,
        "assigned": dict(assigned),
    }
    return _enqueue(workspace, target, target.name, shown, {"target": where}, spec, options)


def enqueue_batch(
    workspace: Workspace, target: Target, flags: FlagSet, space: Space, plan: Plan, *, cwd: Path, options: RunOptions
) -> Queued:
    """Record a batch that is to begin later, as one entry. What it needs is its plan.

    Raises
    ------
    FlagError : a flag is secret.
    """
    _refuse_secrets(target, space.words, flags, masker_of(workspace, target, flags, space.fixed, options))
    what = f"batch of {target.name}: {' '.join(plan.words)} ({plan.search}{f', {plan.n} trials' if plan.n else ''})"
    inputs = batch_inputs(workspace, target, plan, cwd, options)
    return _enqueue(workspace, target, BATCH, dict(space.words), inputs, _spec(BATCH, what, options), options)


def _enqueue(
    workspace: Workspace,
    target: Target,
    operation: str,
    params: dict[str, Any],
    inputs: dict[str, Any],
    spec: dict[str, Any],
    options: RunOptions,
) -> Queued:
    from penstock.experiments.capture.source import snapshot

    ledger = workspace.ledger
    waiting = len(ledger.summaries(status="queued", project=workspace.name, columns=()))
    run = ledger.enqueue(
        operation,
        params=params,
        inputs={**options.inputs, **inputs, "source": snapshot(workspace, target.path).digest},
        spec=spec,
        project=workspace.name,
        parent=options.parent,
        tags=dict(options.tags),
    )
    if options.note:
        ledger.note(run, options.note)
    return Queued(run, operation, spec["what"], waiting)


def _spec(kind: str, what: str, options: RunOptions) -> dict[str, Any]:
    """What a run needs to begin later. Variables and sealed files are not kept: they are found anew (`Preparation`)."""
    return {"format": FORMAT, "kind": kind, "what": what, "at": now_text(), "options": options.kept()}


def _refuse_secrets(target: Target, assigned: Mapping[str, Any], flags: FlagSet, masker: Masker) -> None:
    if target.masked(masker) != target:
        raise FlagError(
            f"the command {target.name!r} holds a secret and cannot be queued",
            why="its words would have to be kept until the run begins, and secrets are not recorded",
            way_out="let it read a variable of the environment, or run it at once",
        )
    for name, value in assigned.items():
        secret = flags.find(name).secret
        if secret or masker.mask_json(value) != value:
            raise FlagError(
                f"the secret flag {name!r} cannot be queued"
                if secret
                else f"the flag {name!r} holds a secret and cannot be queued",
                why="its value would have to be kept until the run begins, and secrets are not recorded",
                way_out="leave it out and let the script read it from a variable of the environment, or run it at once",
            )


# ---- looking, removing


def list_queue(workspace: Workspace) -> QueueListing:
    """What is queued, what runs of it, and what was interrupted."""
    found = [record for status in ("queued", "running", "interrupted") for record in entries_of(workspace, status)]
    return QueueListing(tuple(_entry(record) for record in found))


def remove_from_queue(workspace: Workspace, references: Sequence[str]) -> QueueListing:
    """Take entries out of the queue; gives what is left. They can be restored like any run.

    Raises
    ------
    ProjectError : one is not queued; nothing was removed.
    """
    ledger = workspace.ledger
    records = [ledger.get(reference) for reference in references]
    for record in records:
        _refuse_taken(record)
    ids = [record.id for record in records]
    ledger.delete(ids)
    for record in map(ledger.get, ids):
        if record.status != "queued":  # taken between the two looks: it runs, and is no entry any more
            ledger.restore([record.id])
            _refuse_taken(record)
    return list_queue(workspace)


def _refuse_taken(record: RunRecord) -> None:
    if record.status != "queued" or record.deleted_at is not None:
        raise ProjectError(
            f"run {record.id} is not queued",
            why=f"it is {record.status if record.deleted_at is None else 'thrown away'}",
            way_out="see what is queued with `penstock queue`; other runs are thrown away with `penstock delete`",
        )


def entries_of(workspace: Workspace, status: str) -> list[RunRecord]:
    """Runs from the queue that have this status, oldest first."""
    found = workspace.ledger.runs(status=status, project=workspace.name, order="r.id")
    return [record for record in found if "queued" in record.outputs]


def _entry(record: RunRecord) -> Entry:
    spec = record.outputs["queued"]
    queued_at = spec.get("at", record.started_at)
    return Entry(
        record.id, record.operation, record.status, str(spec.get("what", "")), queued_at, record.who, record.host
    )


def _below(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)
