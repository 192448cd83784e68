"""A batch: many runs of one script over a space of flags, several at once, the next points chosen from what came out.

The batch is a run itself (operation ``batch``), the parent of its trials. All that it knows lies in their records, so one
that was interrupted in any way is resumed from them: `resume_batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import NotFound, PenstockError, ProjectError
from penstock.experiments.batches.batch_result import BatchResult
from penstock.experiments.batches.batch_work import BatchState, BatchWork, Listener
from penstock.experiments.batches.plan import Plan, make_plan, unmasked
from penstock.experiments.batches.sampling import make_sampler
from penstock.experiments.batches.space import Point, Space, complete, parse_space
from penstock.experiments.batches.trials import BATCH
from penstock.experiments.capture.target import Target
from penstock.experiments.running.options import RunOptions
from penstock.experiments.running.surroundings import masker_of

if TYPE_CHECKING:
    from penstock.experiments.batches.queue import Queued
    from penstock.experiments.flags.flag_set import FlagSet
    from penstock.project.workspace import Workspace

OPERATION = BATCH
FlagsOf = Callable[[Target, Path, str | None], "FlagSet"]
"""Finds the flags of a target, in the folder where it was started, for an interpreter (None: the usual one)."""


def run_batch(
    workspace: Workspace,
    target: Target,
    flags: FlagSet,
    words: Sequence[str],
    *,
    cwd: Path,
    n: int | None = None,
    search: str | None = None,
    minimize: str | None = None,
    maximize: str | None = None,
    workers: int = 1,
    seed: int = 0,
    stop_early: str | None = None,
    options: RunOptions | None = None,
    queue: bool = False,
    listener: Listener | None = None,
) -> BatchResult | Queued:
    """Run a script many times, over what its flag words span.

    Parameters
    ----------
    words : as `penstock.experiments.batches.space` reads them.
    n : trials in all; all points of a grid, 20 of any other search, unless given.
    search : "grid", "random", "bayesian" or "evolutionary"; a grid where all words are lists, else random.
    minimize, maximize : a metric that the script logs; its last value counts.
    workers : trials at once. With more than one, what the search proposes also depends on which trial ends first.
    stop_early : "median" or "halving", a rule that ends hopeless trials.
    options : of every trial. queue : only record it; `penstock queue run` runs it.
    listener : told how far it is.

    Raises
    ------
    FlagError : a word or a setting is wrong; nothing was run.
    SearchError : the search goes by a metric that the trials do not log.
    """
    space = parse_space(words, flags)
    options = options or RunOptions()
    masker = masker_of(workspace, target, flags, space.fixed, options)
    options = options.masked(masker)
    plan = make_plan(
        space,
        words,
        flags,
        n=n,
        search=search,
        minimize=minimize,
        maximize=maximize,
        workers=workers,
        seed=seed,
        stop_early=stop_early,
        masker=masker,
    )
    flags.values(complete(space, _first(space, plan)))  # a flag that must be given is missed before anything runs
    if queue:
        from penstock.experiments.batches.queue import enqueue_batch

        return enqueue_batch(workspace, target, flags, space, plan, cwd=cwd, options=options)
    inputs = {**options.inputs, **batch_inputs(workspace, target.masked(masker), plan, cwd, options)}
    ledger = workspace.ledger
    with ledger.run(
        OPERATION,
        params=masker.mapping(space.words),
        inputs=inputs,
        project=workspace.name,
        parent=options.parent,
        tags=dict(options.tags),
    ) as run:
        if options.on_begin is not None:
            options.on_begin(run.id)
        if options.note:
            ledger.note(run.id, options.note)
        return BatchWork(workspace, target, flags, space, plan, options, cwd, run.id, listener).run()


def resume_batch(
    workspace: Workspace,
    reference: str,
    flags_of: FlagsOf,
    *,
    words: Sequence[str] = (),
    n: int | None = None,
    minimize: str | None = None,
    maximize: str | None = None,
    workers: int | None = None,
    options: RunOptions | None = None,
    listener: Listener | None = None,
) -> BatchResult:
    """Go on with a batch: trials that were interrupted are run again, and those that are missing are run.

    Parameters
    ----------
    flags_of : see `FlagsOf`.
    words : secret flags only; their values were not recorded.
    n : trials in all, more than before to extend a batch that is done.
    minimize, maximize, workers : instead of those it was begun with.
    options : of the trials to come. What they leave open is as it was when the batch began; what they change is said.

    Raises
    ------
    NotFound : there is no such batch. ProjectError : it is still at work.
    FlagError : the script's flags have changed so that the batch's words do not fit any more.
    """
    ledger = workspace.ledger
    record = ledger.get(reference)
    if record.operation != OPERATION or "plan" not in record.inputs:
        raise NotFound(
            f"run {record.id} is no batch",
            why=f"it is a run of {record.operation}",
            way_out="list batches with `penstock runs --operation batch`",
        )
    target, cwd, plan = read_batch(workspace, record.inputs)
    options, changes = (options or RunOptions()).completed(record.inputs.get("options", {}))
    flags = flags_of(target, cwd, options.python)
    all_words = unmasked(plan.words, words, flags)
    space = parse_space(all_words, flags)
    masker = masker_of(workspace, target, flags, space.fixed, options)
    options = options.masked(masker)
    again = make_plan(
        space,
        all_words,
        flags,
        n=n or plan.n,
        search=plan.search,
        minimize=minimize or (None if plan.maximise or maximize else plan.metric),
        maximize=maximize or (plan.metric if plan.maximise and not minimize else None),
        workers=workers or plan.workers,
        seed=plan.seed,
        stop_early=plan.stop_early,
        masker=masker,
    )
    with ledger.lock(f"run --resume {record.id}"), _going_on(workspace, record.id, options.takes):
        ledger.set_inputs(record.id, {"plan": again.to_json(), "options": options.kept()})
        ledger.tag(record.id, dict(options.tags))
        if options.on_begin is not None:
            options.on_begin(record.id)
        if options.note:
            ledger.note(record.id, options.note)
        options = replace(options, tags={**record.tags, **options.tags})
        return BatchWork(workspace, target, flags, space, again, options, cwd, record.id, listener, changes).run()


@contextmanager
def _going_on(workspace: Workspace, batch: str, takes: str | None) -> Iterator[None]:
    """The block in which a recorded batch runs again, and its end."""
    ledger = workspace.ledger
    if takes is not None:
        with ledger.run(OPERATION, takes=takes):
            yield
        return
    if ledger.get(batch).status in ("running", "queued"):
        raise ProjectError(
            f"batch {batch} is {ledger.get(batch).status}",
            why="a batch is run by one process at a time",
            way_out="wait for it to end, or see `penstock queue`",
        )
    ledger.resume(batch)
    try:
        yield
    except BaseException as error:
        told = error.to_json() if isinstance(error, PenstockError) else {"code": "bug", "what": repr(error)}
        if isinstance(error, Exception):
            ledger.end(batch, status="failed", error=told)
        else:
            ledger.end(batch, status="interrupted")
        raise
    ledger.end(batch, status="done")


def batch_inputs(workspace: Workspace, target: Target, plan: Plan, cwd: Path, options: RunOptions) -> dict[str, Any]:
    """What a batch is, as its run has it among its inputs."""
    where = {**target.to_json(workspace.root), "cwd": _below(cwd, workspace.root)}
    return {"target": where, "plan": plan.to_json(), "options": options.kept()}


def read_batch(workspace: Workspace, inputs: dict[str, Any]) -> tuple[Target, Path, Plan]:
    """What `batch_inputs` has written: the target, the folder where it was started, and the plan."""
    target = Target.from_json(inputs["target"], workspace.root)
    return target, workspace.root / inputs["target"].get("cwd", "."), Plan.from_json(inputs["plan"])


def _first(space: Space, plan: Plan) -> Point:
    """Any point, to check that a run could be made of it."""
    point = make_sampler(space, "random" if plan.search != "grid" else "grid", seed=plan.seed, n=plan.n).next(1)
    assert point is not None
    return point


def _below(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)


__all__ = ["OPERATION", "BatchState", "FlagsOf", "Listener", "batch_inputs", "read_batch", "resume_batch", "run_batch"]
