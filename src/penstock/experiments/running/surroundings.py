"""What a run of a script is given, and what of that is recorded: settings, command line, variables, secrets, source."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, final

from penstock.experiments.capture.secrets import MASK, Masker
from penstock.experiments.running.options import RunOptions

if TYPE_CHECKING:
    from penstock.experiments.capture.declared import DeclaredOutputs
    from penstock.experiments.capture.git import State
    from penstock.experiments.capture.target import Target
    from penstock.experiments.flags.command import Command
    from penstock.experiments.flags.flag_set import FlagSet
    from penstock.ledger.run import Run
    from penstock.project.sections.runs import RunSection, ScriptSection
    from penstock.project.workspace import Workspace

FIRST = Path(__file__).parent.parent / "inside" / "first"
T = TypeVar("T")
OUTPUT = "files"
"""Folder of a run into which the program writes what is to be kept."""


@dataclass(frozen=True)
class Surroundings:
    """All that is settled before a program starts.

    Attributes
    ----------
    section, script : what `penstock.toml` says of runs, and of this script (None where it says nothing).
    masker : knows the secrets among the flags and variables.
    """

    workspace: Workspace
    target: Target
    options: RunOptions
    cwd: Path
    section: RunSection
    script: ScriptSection | None
    python: str
    command: Command
    masker: Masker
    flags: FlagSet
    values: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        target: Target,
        flags: FlagSet,
        values: Mapping[str, Any],
        options: RunOptions,
        cwd: Path,
    ) -> Surroundings:
        """Raises: FlagError, where a value cannot be passed; DeclarationError, of a pattern; MissingExtra, of a notebook."""
        from penstock.experiments.flags.command import command

        declaration = workspace.declaration
        section, script = declaration.run, declaration.scripts.get(target.name)
        python = options.python or _from(workspace.root, section.python) or sys.executable
        made = command(target, flags, values, python=python, cwd=cwd, given=options.assigned)
        masker = masker_of(workspace, target, flags, values, options)
        around = cls(
            workspace, target, options.masked(masker), cwd, section, script, python, made, masker, flags, values
        )
        if around.metrics:
            from penstock.experiments.metrics.lines import check_patterns

            check_patterns(around.metrics)
        return around

    @property
    def timeout_s(self) -> float | None:
        """Of the options, else of the script, else of all runs."""
        if self.options.timeout_s is not None:
            return self.options.timeout_s
        text = (self.script.timeout if self.script else None) or self.section.timeout
        if text is None:
            return None
        from penstock.experiments.running.durations import seconds

        return seconds(text, what="the timeout of a run")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Globs of files that the program depends on."""
        return (*self.section.inputs, *self.options.reads)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Globs of files that are kept where the program has written them."""
        return _first(self.options.outputs, self.script.outputs if self.script else None, self.section.outputs)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Patterns of metrics in printed lines."""
        return _first(self.options.metrics, self.script.metrics if self.script else None, self.section.metrics)

    def money(self, seconds: float) -> dict[str, Any]:
        """What the time costs, where `[cost] per_hour` is set."""
        cost = self.workspace.declaration.cost
        if cost.per_hour is None:
            return {}
        return {"money": round(seconds / 3600 * cost.per_hour, 6), "currency": cost.currency}

    @property
    def is_python(self) -> bool:
        """Whether it is known that the program is Python; a command may be."""
        return self.target.kind != "command"

    @property
    def same_python(self) -> bool:
        return os.path.abspath(self.python) == os.path.abspath(sys.executable)

    def recorded_params(self) -> dict[str, Any]:
        """All flags; of secret ones that they are."""
        return {
            name: MASK
            if value not in (None, "") and is_secret_flag(self.flags, name)
            else _json(self.masker.value(name, value))
            for name, value in self.values.items()
        }

    def recorded_target(self) -> dict[str, Any]:
        """What is run, so that it can be run again."""
        body = self.target.masked(self.masker).to_json(self.workspace.root)
        body["cwd"] = os.path.relpath(self.cwd, self.workspace.root)
        return body

    def variables(self, run: Run, started: float) -> dict[str, str]:
        """The environment of the program."""
        variables = {**os.environ, **self.options.env, **self.command.env}
        for name in ("PENSTOCK_WATCH", "PENSTOCK_RUN", "PENSTOCK_STARTED"):  # of a run that this one is within
            variables.pop(name, None)
        path = variables.get("PYTHONPATH", "")
        variables.update(
            PENSTOCK_RUN=run.id,
            PENSTOCK_RUN_FOLDER=str(run.folder),
            PENSTOCK_OUTPUT=str(run.folder / OUTPUT),
            PENSTOCK_STARTED=repr(started),
            PYTHONPATH=f"{FIRST}{os.pathsep}{path}" if path else str(FIRST),
        )
        if self.options.watch:
            variables["PENSTOCK_WATCH"] = os.pathsep.join(str(path) for path in self.options.watch)
        return variables

    def look_before(self) -> Before:
        """What has to be looked at before the program can change it: the source, the repository, declared outputs."""
        from penstock.experiments.capture import git
        from penstock.experiments.capture.declared import DeclaredOutputs, stamps_of
        from penstock.experiments.capture.places import name_of
        from penstock.experiments.capture.source import snapshot

        with Beside(lambda: git.state_of(self.workspace.root, self.masker)) as repository:
            inputs: dict[str, Any] = {}
            if self.options.source is not None:
                inputs["source"] = self.options.source
            else:
                taken = snapshot(self.workspace, self.target.path)
                inputs["source"] = taken.digest
                if taken.left_out:
                    inputs["source_left_out"] = taken.left_out
            if self.options.watch:
                inputs["sealed"] = [name_of(self.workspace.root, path) for path in self.options.watch]
            declared = DeclaredOutputs(self.workspace, self.outputs)
            stamps = stamps_of(self.workspace.root, self.inputs)
        return Before(inputs, repository.result(), declared, stamps)

    def record_start(self, run: Run, before: Before) -> None:
        """Record what can be found out while the program starts already."""
        from penstock.ledger.run import store_artifact

        artifacts = {}
        objects = self.workspace.objects
        if before.git.diff:
            artifacts["diff"] = store_artifact(objects, before.git.diff, "text/x-diff")
        body, packages = self.environment()
        if packages:
            artifacts["packages"] = store_artifact(objects, packages.encode(), "text/plain")
        run.record(environment=body, artifacts=artifacts)

    def really(self, told: Mapping[str, Any] | None) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """Environment and artifacts of the interpreter that a program told of, where that is another than ours."""
        if told is None or (self.is_python and self.same_python):
            return None, {}
        from penstock.ledger.run import store_artifact

        body, packages = self.environment(told)
        return body, {"packages": store_artifact(self.workspace.objects, packages.encode(), "text/plain")}

    def environment(self, told: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], str]:
        """Where it runs, and the lock of its packages ("" where it is not Python).

        `told` is the interpreter that the program itself told of; without it, ours, where that is the one.
        """
        from penstock.experiments.capture.environment import Interpreter, capture, lock

        interpreter = Interpreter.from_json(told) if told is not None else Interpreter.here()
        packages = told is not None or (self.is_python and self.same_python)
        body = capture(
            interpreter,
            variables={**os.environ, **self.options.env},
            names=self.section.variables,
            masker=self.masker,
            packages=packages,
        )
        if not packages:
            body["python"] = None
        return body, lock(interpreter.path) if packages else ""


@dataclass(frozen=True)
class Before:
    """How things were before the program started."""

    inputs: dict[str, Any]
    git: State
    declared: DeclaredOutputs
    stamps: dict[str, tuple[int, ...]]


@final
class Beside(Generic[T]):
    """Something that is done in a thread while the block goes on; `result` is there after it, or raises what it raised."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._found: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error


def _from(root: Path, program: str | None) -> str | None:
    """A program of the declaration: a relative path begins at the folder of `penstock.toml`, a bare name is on the PATH."""
    return program if program is None or os.sep not in program else os.path.join(root, program)


def masker_of(
    workspace: Workspace, target: Target, flags: FlagSet, values: Mapping[str, Any], options: RunOptions
) -> Masker:
    """One that knows the values of all secret flags and variables of a program, and those in the words of a command."""
    names = workspace.declaration.run.secrets
    secrets = [str(v) for n, v in values.items() if v not in (None, "") and is_secret_flag(flags, n)]
    secrets += Masker(names).values_in(target.argv)
    return Masker.of_environment({**os.environ, **options.env}, names=names, values=secrets)


def is_secret_flag(flags: FlagSet, name: str) -> bool:
    """Whether a flag's value is never recorded. A command has no flags of its own: there the name that was given tells."""
    if flags.open:
        return flags.find(name).secret
    flag = flags.get(name)
    return flag is not None and flag.secret


def _first(*choices: tuple[str, ...] | None) -> tuple[str, ...]:
    return next((choice for choice in choices if choice is not None), ())


def _json(value: Any) -> Any:
    """A value as JSON has it: NaN and infinity are texts."""
    if isinstance(value, float):
        from penstock.experiments.metrics.series import plain

        return plain(value)
    return [_json(inner) for inner in value] if isinstance(value, list | tuple) else value
