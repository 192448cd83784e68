"""A script as a run of a folder or a project: with the rows that it may see, and with the sealed source watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import ScriptError
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.experiments.batches.batch import Listener
    from penstock.experiments.batches.batch_result import BatchResult
    from penstock.experiments.batches.queue import Queued
    from penstock.experiments.capture.target import Target
    from penstock.experiments.flags import FlagSet
    from penstock.experiments.running.options import RunOptions, ScriptRun
    from penstock.ledger.record import RunRecord


@dataclass(frozen=True)
class Prepared:
    """What is to be run, as it was understood, before it runs.

    Attributes
    ----------
    words : flags as they were given, ``name=value``.
    """

    workspace: Workspace
    cwd: Path
    target: Target
    flags: FlagSet
    words: tuple[str, ...]

    @cached_property
    def is_batch(self) -> bool:
        """Whether the words ask for more than one run."""
        from penstock.experiments.batches.words import is_batch

        return is_batch(self.words, self.flags)

    def table(self, *, width: int = 120) -> str:
        """Every flag with its value, where it comes from, and its help, in lines of so many letters."""
        from penstock.experiments.batches.words import single

        if self.is_batch:
            from penstock.experiments.batches.space import table

            return table(self.words, self.flags, width=width)
        return self.flags.table(single(self.words, self.flags), width=width)

    def run(self, options: RunOptions) -> ScriptRun:
        """Run it once.

        Raises
        ------
        FlagError : a word is wrong; nothing was run.
        """
        from penstock.experiments.batches.words import single
        from penstock.experiments.running.run import run_target

        assigned = single(self.words, self.flags)
        values = self.flags.values(assigned)
        options = replace(with_visible_rows(self.workspace, options), assigned=tuple(assigned))
        return run_target(self.workspace, self.target, self.flags, values, options=options, cwd=self.cwd)

    def run_batch(self, options: RunOptions, *, listener: Listener | None = None, **how: Any) -> BatchResult | Queued:
        """Run it many times, over what its words span. `how`: see `penstock.experiments.batches.batch.run_batch`."""
        from penstock.experiments.batches.batch import run_batch

        options = with_visible_rows(self.workspace, options)
        return run_batch(
            self.workspace, self.target, self.flags, self.words, cwd=self.cwd, options=options, listener=listener, **how
        )

    def queue(self, options: RunOptions) -> Queued:
        """Record it as queued; `penstock queue run` runs it."""
        from penstock.experiments.batches.queue import enqueue

        return enqueue(self.workspace, self.target, self.flags, self.words, cwd=self.cwd, options=options)


def prepare(
    words: Sequence[str],
    *,
    module: str | None = None,
    command: Sequence[str] = (),
    python: str | None = None,
    cwd: Path | None = None,
) -> Prepared:
    """Understand a command line: what it wants to run, with which flags.

    Raises
    ------
    ScriptError : there is no such file or module, or it is of no kind that can be run, or it is the name of a step.
    """
    from penstock.experiments.capture.target import parse_target

    cwd = (cwd or Path.cwd()).resolve()
    workspace = Workspace.here(cwd)
    python = python or workspace.declaration.run.python
    if words and module is None and not command:
        _refuse_step(words[0], workspace, cwd)
    target, rest = parse_target(words, module=module, command=command, cwd=cwd, root=workspace.root, python=python)
    return Prepared(workspace, cwd, target, flags_of(workspace, target, cwd, python=python), tuple(rest))


def _refuse_step(word: str, workspace: Workspace, cwd: Path) -> None:
    """A step is no script, though it may be called like one without its ending."""
    if any(step.name == word for step in workspace.declaration.step) and not (cwd / word).exists():
        raise ScriptError(
            f"there is no script {word!r}",
            why="it is the name of a step of penstock.toml",
            way_out=f"run it as a step: `penstock run --steps {word}`",
        )


def flags_of(workspace: Workspace, target: Target, cwd: Path, *, python: str | None = None) -> FlagSet:
    """The flags of a target, with what `penstock.toml` says of them. `python`: the interpreter that will run it."""
    from penstock.experiments.flags.detect import detect

    declared = workspace.declaration
    return detect(
        target,
        cwd=cwd,
        section=declared.scripts.get(target.name),
        secrets=declared.run.secrets,
        python=python or declared.run.python,
    )


def run_script(
    *words: str,
    module: str | None = None,
    command: Sequence[str] = (),
    cwd: Path | str | None = None,
    flags: Mapping[str, Any] | None = None,
    options: RunOptions | None = None,
) -> ScriptRun:
    """Run a script as `penstock run` does: ``penstock.run_script("train.py", "lr=0.1")``.

    Parameters
    ----------
    words : the file, then flags as ``name=value``; of a module or command only flags.
    flags : more flags, as values.
    options : see `penstock.experiments.running.options.RunOptions`.

    Raises
    ------
    ScriptError, FlagError : nothing was run. A script that fails raises nothing: see `ScriptRun.status`.
    """
    from penstock.experiments.flags.values import show
    from penstock.experiments.running.options import RunOptions

    more = [f"{name}={show(value)}" for name, value in (flags or {}).items()]
    where = None if cwd is None else Path(cwd)
    return prepare([*words, *more], module=module, command=command, cwd=where).run(options or RunOptions())


def rows_now(workspace: Workspace) -> dict[str, Any]:
    """What tells the rows that a script would see (`visible_version`); nothing is read, and nothing told where there are none."""
    if not workspace.declaration.data.source:
        return {}
    from penstock.lifecycle.source import source_is_there
    from penstock.lifecycle.visible import visible_version
    from penstock.project.project import Project

    project = Project(workspace.root)
    return visible_version(project) if source_is_there(project) else {}


def with_visible_rows(workspace: Workspace, options: RunOptions, *, of: RunRecord | None = None) -> RunOptions:
    """The options of a script in a project: its training and validation rows, and the sealed source to watch.

    A folder without data, or a project whose source is not there, has none to give.

    Parameters
    ----------
    of : a run that is done again: it gets the rows that it had.
    """
    if not workspace.declaration.data.source:
        return options
    from penstock.lifecycle.source import WATCHED, source_files, source_is_there
    from penstock.lifecycle.visible import parts_of, visible_parts
    from penstock.project.project import Project

    project = Project(workspace.root)
    if of is not None and "dataset" in of.inputs:
        parts = parts_of(project, of.inputs["dataset"], of.inputs["spent"])
    elif source_is_there(project):
        parts = visible_parts(project)
    else:
        return options
    return replace(
        options,
        env={**parts.to_env(), **options.env},
        watch=(*options.watch, *(source_files(project) or ())[:WATCHED]),
        inputs={**options.inputs, "dataset": parts.dataset, "spent": list(parts.spent)},
    )
