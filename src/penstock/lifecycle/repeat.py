"""`penstock reproduce RUN` of any run: a pipeline, one of its stages, a script, or all steps of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.errors import DeclarationError, NotFound, ProjectError

if TYPE_CHECKING:
    from penstock.experiments.reproducing.verdict import ScriptReproduction
    from penstock.experiments.running.options import RunOptions
    from penstock.ledger.record import RunRecord
    from penstock.lifecycle.reproduce import Reproduction
    from penstock.project.project import Project
    from penstock.project.workspace import Workspace


@dataclass(frozen=True)
class StepsReproduction:
    """Outcome of doing a pipeline of the user's own again: one for each of its steps."""

    run: str
    steps: list[ScriptReproduction]

    @property
    def verdict(self) -> str:
        """The worst of its steps."""
        order = ("identical", "within tolerance", "different")
        return max((step.verdict for step in self.steps), key=order.index)

    @property
    def exit_code(self) -> int:
        return max(step.exit_code for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        steps = [step.to_json() for step in self.steps]
        return {
            "run": self.run,
            "again": self.steps[-1].again,
            "stages": [step.again for step in self.steps],
            "verdict": self.verdict,
            "differences": [difference for step in steps for difference in step["differences"]],
            "compared": sum(step.compared for step in self.steps),
            "steps": steps,
        }

    def to_text(self) -> str:
        return "\n".join([f"run {self.run}: {self.verdict}", *(step.to_text() for step in self.steps)])

    def to_markdown(self) -> str:
        """A summary for a pull request."""
        return "\n".join(step.to_markdown() for step in self.steps)


def reproduce(
    place: Project | Workspace,
    run: str,
    *,
    env: Literal["same", "fresh"] = "same",
    into: Path | None = None,
    given: Mapping[str, Any] | None = None,
    timeout_s: float | None = None,
    tolerance: float | None = None,
    progress: Callable[..., None] | None = None,
    options: RunOptions | None = None,
) -> Reproduction | ScriptReproduction | StepsReproduction:
    """Do a run again from its record and compare.

    Parameters
    ----------
    run : id, or a unique beginning of one.
    env, into, given, timeout_s, tolerance, options : of scripts, see `penstock.experiments.reproducing.reproduce.reproduce_script`.
        Each step of a pipeline gets a folder of its own in `into`, named after it.
    progress : told of the trials of a search.

    Raises
    ------
    NotFound : there is no such run. ProjectError : it cannot be done again.
    DeclarationError : an option that says nothing about this kind of run.
    """
    from penstock.experiments.steps.graph import OPERATION as STEPS
    from penstock.project.project import Project
    from penstock.project.workspace import Workspace

    workspace = place if isinstance(place, Workspace) else place.workspace
    record = workspace.ledger.get(run)
    scripts = _scripts_of(workspace, record)
    if scripts is None:
        _refuse_options(record, env, into, given, timeout_s, tolerance)
        from penstock.lifecycle.reproduce import reproduce_run

        return reproduce_run(Project(workspace.root), record.id, progress=progress)
    several = record.operation == STEPS
    found = [
        _script(
            workspace,
            one,
            env,
            into / one.operation if into and several else into,
            given,
            timeout_s,
            tolerance,
            options,
        )
        for one in scripts
    ]
    return StepsReproduction(record.id, found) if several else found[0]


def _step(workspace: Workspace, record: RunRecord, step: dict[str, Any]) -> RunRecord:
    try:
        return workspace.ledger.get(step["run"])
    except NotFound:
        raise ProjectError(
            f"step {step['name']!r} of run {record.id} cannot be done again",
            why=f"its run {step['run']} is not here: it was purged, or left out when the pipeline was exported",
            way_out=f"reproduce the steps that are here one by one: penstock runs --batch {record.id}",
        ) from None


def _scripts_of(workspace: Workspace, record: RunRecord) -> list[RunRecord] | None:
    """The runs of scripts that a run stands for; None where it is none of scripts.

    Raises
    ------
    ProjectError : it is a batch, or a step of it is not here any more.
    """
    from penstock.experiments.batches.batch import OPERATION as BATCH
    from penstock.experiments.reproducing.reproduce import is_script
    from penstock.experiments.steps.graph import OPERATION as STEPS

    if record.operation == STEPS:
        steps = [step for step in record.outputs.get("steps", []) if step.get("run")]
        if not steps:
            raise ProjectError(
                f"run {record.id} has no steps to do again", why="none of them ran", way_out="name another run"
            )
        return [_step(workspace, record, step) for step in steps]
    if record.operation == BATCH and record.outputs.get("kind") != "script":
        raise ProjectError(
            f"run {record.id} is a batch",
            why="which trials it proposed also depends on when each of them ended",
            way_out=f"reproduce one of its trials: penstock runs --batch {record.id}",
        )
    return [record] if is_script(record) else None


def _script(
    workspace: Workspace,
    record: RunRecord,
    env: Literal["same", "fresh"],
    into: Path | None,
    given: Mapping[str, Any] | None,
    timeout_s: float | None,
    tolerance: float | None,
    options: RunOptions | None,
) -> ScriptReproduction:
    from penstock.experiments.reproducing.reproduce import reproduce_script
    from penstock.experiments.reproducing.verdict import TOLERANCE
    from penstock.experiments.running.options import RunOptions
    from penstock.lifecycle.script import with_visible_rows

    return reproduce_script(
        workspace,
        record,
        env=env,
        into=into,
        given=given,
        timeout_s=timeout_s,
        tolerance=TOLERANCE if tolerance is None else tolerance,
        options=with_visible_rows(workspace, options or RunOptions(echo="stderr"), of=record),
    )


def _refuse_options(record: RunRecord, env: str, *others: Any) -> None:
    if env != "same" or any(other for other in others):
        raise DeclarationError(
            f"run {record.id} is a {record.operation} of the project's pipeline",
            why="--env, --into, --set, --timeout and --tolerance are about runs of scripts",
            way_out="leave them out",
        )
