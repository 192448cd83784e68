"""Do the run of a script again, from its record alone, in a clean folder, and compare."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.errors import FlagError, ProjectError
from penstock.experiments.capture.secrets import MASK
from penstock.experiments.capture.target import Target
from penstock.experiments.looking.carried import ask_for_carried
from penstock.experiments.reproducing.again import compare
from penstock.experiments.reproducing.causes import around, cause_of, seed_of
from penstock.experiments.reproducing.clean_folder import CleanFolder, restore
from penstock.experiments.reproducing.verdict import TOLERANCE, ScriptReproduction, verdict_of
from penstock.experiments.running.options import RunOptions
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.experiments.flags import FlagSet
    from penstock.ledger.record import RunRecord

Env = Literal["same", "fresh"]
ENVS = ("same", "fresh")
TAG = "reproduces"
_GIVEN_AGAIN = (
    "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONIOENCODING", "OMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_", "NUMEXPR_",
    "KMP_", "TF_", "TORCH", "PYTORCH_", "XLA_", "JAX_", "KERAS_", "LANG", "LC_", "TZ", "SOURCE_DATE_EPOCH", "CUBLAS_",
)  # fmt: skip
"""Recorded variables with these beginnings are set as they were: they change results, and name no place of the machine."""


def is_script(record: RunRecord) -> bool:
    """Whether a run is one of a script, module, notebook or command: this module can do it again."""
    return record.outputs.get("kind") == "script" or isinstance(record.inputs.get("target"), Mapping)


def reproduce_script(
    workspace: Workspace,
    record: RunRecord,
    *,
    env: Env = "same",
    into: Path | None = None,
    given: Mapping[str, Any] | None = None,
    timeout_s: float | None = None,
    tolerance: float = TOLERANCE,
    options: RunOptions | None = None,
) -> ScriptReproduction:
    """Do a run again in a clean folder: source and inputs by digest, flags as recorded, and compare everything that it gave.

    The repetition is a run of its own, tagged with the run that it repeats; its output ``reproduction`` tells the verdict.

    Parameters
    ----------
    env : ``same``: the interpreter that the run had, or else ours. ``fresh``: a virtual environment with the recorded packages.
    into : an empty or new folder, which is kept; by default a temporary one, which is not.
    given : values of flags that are secret: they were not recorded. Others are as they were.
    timeout_s : for the repetition.
    tolerance : relative difference of a number that still counts as the same.
    options : how scripts are run here: what gives the repetition its training and validation rows, and what it shows.

    Raises
    ------
    ProjectError : the run did not end by itself, is none of a script, or `into` is not empty. FlagError : a secret flag has no
    value, or `given` names another one. NotFound : its source was purged. ScriptError, MissingExtra : it cannot be started.
    AccessError : what it took is restricted to others.
    """
    _check(record, env)
    ask_for_carried(workspace, [record], verb="")
    place = into or Path(tempfile.mkdtemp(prefix="penstock-reproduce-"))
    try:
        return _reproduce(
            workspace, record, env, place, dict(given or {}), timeout_s, tolerance, options or RunOptions(), into
        )
    finally:
        if into is None:
            shutil.rmtree(place, ignore_errors=True)


def _reproduce(
    workspace: Workspace,
    record: RunRecord,
    env: Env,
    place: Path,
    given: dict[str, Any],
    timeout_s: float | None,
    tolerance: float,
    options: RunOptions,
    into: Path | None,
) -> ScriptReproduction:
    from penstock.experiments.running.run import run_target

    clean = restore(workspace, record, place)
    copy = workspace.copied_to(clean.root)
    target = Target.from_json(record.inputs["target"], clean.root)
    python, not_installed = _interpreter(workspace, record, env, place, clean, target)
    flags = _flags(copy, target, clean)
    assigned = _assigned(flags, record, given)
    ran = run_target(
        copy,
        target,
        flags,
        flags.values(assigned),
        options=replace(
            options,
            python=python,
            timeout_s=timeout_s if timeout_s is not None else options.timeout_s,
            tags={**options.tags, TAG: record.id},
            parent=None,
            inputs={**options.inputs, "reproduces": record.id},
            env={**_variables(record), **options.env},
            watch=(*options.watch, *_copies(options.watch, workspace, clean)),
            source=record.inputs["source"],
            interactive=False,
            assigned=tuple(assigned),
        ),
        cwd=clean.cwd,
    )
    now = workspace.ledger.get(ran.id)
    found = _compared(workspace, record, now, clean, tolerance, env)
    found = replace(
        found,
        not_installed=not_installed,
        folder=str(clean.root) if into is not None else None,
        warnings=list(ran.warnings),
    )
    told = {"of": record.id, "verdict": found.verdict, "env": env, "compared": found.compared}
    differences = [difference.to_json(found.operation) for difference in found.differences]
    workspace.ledger.set_outputs(now.id, {"reproduction": {**told, "differences": differences[:100]}})
    return found


def _compared(
    workspace: Workspace, was: RunRecord, now: RunRecord, clean: CleanFolder, tolerance: float, env: str
) -> ScriptReproduction:
    ledger = workspace.ledger
    result = compare(ledger, was, now, tolerance=tolerance)
    surroundings = around(was, now, clean.not_restored, (workspace.root, clean.root))
    kinds = {kind for kind, *_ in result.found}
    otherwise = now.status != was.status
    crash = str((now.error or {}).get("why") or now.status) if otherwise and now.status != "done" else None
    seed = seed_of(ledger, was) if result.found and not surroundings and crash is None else ""
    differ = bool(kinds & {"metric", "series", "exit"})
    differences = result.explained(
        lambda kind, what: cause_of(
            kind, around=surroundings, metrics_differ=differ, seed=seed, ended_otherwise=otherwise, crash=crash
        )
    )
    return ScriptReproduction(
        run=was.id,
        again=now.id,
        operation=was.operation,
        verdict=verdict_of(differences, has_metrics=bool(result.metrics)),
        differences=differences,
        compared=result.compared,
        env=env,
        around=surroundings,
        not_compared=result.not_compared,
        not_restored=clean.not_restored,
        metrics=result.metrics,
    )


def _check(record: RunRecord, env: str) -> None:
    if env not in ENVS:
        raise ProjectError(
            f"there is no environment {env!r}", why=f"known are: {', '.join(ENVS)}", way_out="write --env same"
        )
    if not is_script(record):
        raise ProjectError(
            f"run {record.id} is a {record.operation}, not the run of a script",
            why="its record names no program",
            way_out="name a run that `penstock run SCRIPT` made",
        )
    if record.status not in ("done", "failed"):
        whys = {
            "stopped": ("its end depended on the other trials of its batch", "reproduce a trial that ran to its end"),
            "queued": ("it has not begun", "run it first: `penstock queue run`"),
        }
        why, way_out = whys.get(record.status, ("only a run that has ended by itself has a result", "name another run"))
        raise ProjectError(f"run {record.id} is {record.status}", why=why, way_out=way_out)


def _interpreter(
    workspace: Workspace, record: RunRecord, env: Env, place: Path, clean: CleanFolder, target: Target
) -> tuple[str | None, list[dict[str, str]]]:
    """The interpreter for the repetition, and what its environment lacks. None: the usual one."""
    if env == "fresh":
        if "packages" not in record.artifacts:
            raise ProjectError(
                f"run {record.id} has no list of packages",
                why="its program is not known to be Python"
                if target.kind == "command"
                else "it ended before it was recorded",
                way_out="reproduce it with --env same",
            )
        from penstock.experiments.reproducing.fresh import make_environment

        made = make_environment(
            place / ".venv",
            workspace.ledger.artifact(record, "packages").decode(),
            record.environment.get("python"),
            recorded=record.environment.get("executable"),
            moved=(workspace.root, clean.root),
        )
        return made.python, made.not_installed
    recorded = record.environment.get("executable")
    usable = isinstance(recorded, str) and os.access(recorded, os.X_OK) and target.kind != "command"
    return (recorded if usable else None), []


def _flags(copy: Workspace, target: Target, clean: CleanFolder) -> FlagSet:
    from penstock.experiments.flags.detect import detect

    declared = copy.declaration
    return detect(target, cwd=clean.cwd, section=declared.scripts.get(target.name), secrets=declared.run.secrets)


def _assigned(flags: FlagSet, record: RunRecord, given: dict[str, Any]) -> dict[str, Any]:
    """The recorded values that are not the script's own defaults; of secret flags those that are given.

    Raises
    ------
    FlagError : a secret flag has no value, or a flag is given that is not secret.
    """
    values = dict(record.params)
    masked = {name for name, value in values.items() if isinstance(value, str) and MASK in value}
    for name, value in given.items():
        own = next((m for m in masked if m == name or m.replace("-", "_") == name.replace("-", "_")), None)
        if own is None:
            raise FlagError(
                f"the flag {name!r} is as it was recorded",
                why=f"only secret flags are given again: {', '.join(sorted(masked)) or 'this run has none'}",
                way_out="leave it out, or run the script anew with another value",
            )
        flag = flags.get(own)
        values[own] = value if flag is None or not isinstance(value, str) else flag.read(value)
        masked.discard(own)
    if masked:
        raise FlagError(
            f"the secret flag {sorted(masked)[0]!r} must be given again",
            why="its value was not recorded",
            way_out=" ".join(f"--set {name}=..." for name in sorted(masked)),
        )
    values = {name: _number(value) for name, value in values.items()}
    return flags.take({name: value for name, value in values.items() if not flags.at_default(name, values)})


def _number(value: Any) -> Any:
    """NaN and infinity are recorded as texts."""
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value.replace("Infinity", "inf"))
    return [_number(inner) for inner in value] if isinstance(value, list) else value


def _variables(record: RunRecord) -> dict[str, str]:
    recorded: dict[str, str] = record.environment.get("variables") or {}
    return {
        name: value
        for name, value in recorded.items()
        if name.startswith(_GIVEN_AGAIN) and value != MASK and os.sep not in value
    }


def _copies(watch: tuple[Path, ...], workspace: Workspace, clean: CleanFolder) -> list[Path]:
    """Where sealed files of the workspace lie in the clean folder."""
    return [clean.root / file.relative_to(workspace.root) for file in watch if file.is_relative_to(workspace.root)]
