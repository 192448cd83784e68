"""One step: run its command, see that it has made what it promised, and record what it depended on."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError, StepError
from penstock.experiments.capture.places import tree_path
from penstock.experiments.capture.target import Target
from penstock.experiments.capture.written import Written
from penstock.experiments.flags import Flag, FlagSet
from penstock.experiments.running.options import RunOptions, ScriptRun
from penstock.experiments.steps.contents import Content, content
from penstock.experiments.steps.graph import Makers, Node
from penstock.experiments.steps.imports import LARGEST_BYTES as LARGEST_SCRIPT_BYTES
from penstock.experiments.steps.imports import imported
from penstock.experiments.steps.keeping import keep
from penstock.experiments.steps.patterns import PASSED_OVER, files_of, parts_of, takes
from penstock.experiments.steps.record import Finish
from penstock.experiments.steps.results import StepOutcome
from penstock.experiments.steps.state import State, Surroundings
from penstock.objects.tree import MEDIA, read_tree
from penstock.project.workspace import Workspace

_ROWS = re.compile(rb"\bPENSTOCK_(TRAIN|VALID)\b|\bpenstock\.data\(")
LARGEST_BYTES = 2**30
"""A larger output is not copied into the store: when it is gone, its step runs again."""


@dataclass(frozen=True)
class Attempt:
    """A step whose turn it is, with all that running it takes."""

    workspace: Workspace
    node: Node
    makers: Makers
    around: Surroundings
    state: State
    why: str
    parent: str
    cancel: threading.Event
    options: RunOptions
    interactive: bool
    label: str = ""


def attempt(work: Attempt) -> StepOutcome:
    """Run a step. What is wrong with the step is in the outcome; errors of ours go on their way."""
    node = work.node
    try:
        return _attempt(work)
    except PenstockError as error:
        return StepOutcome(node.name, "failed", f"{error.what}: {error.why}")


def _attempt(work: Attempt) -> StepOutcome:
    from penstock.experiments.running.run import run_target

    node, root, ledger = work.node, work.workspace.root, work.workspace.ledger
    basis = work.state.basis
    assert basis is not None
    for found in basis.inputs.values():
        if not found.single:  # so that it can be said later which of many files has changed
            work.around.objects.put(found.listing)
    scripts = {path: work.around.digest(root / path) for path in (*node.code, *imported(root, node.code))}
    names_rows = _names_rows(node.line, root, scripts)
    before = {path: _stamp(root, path) for path in node.outputs}
    for path in node.outputs:
        _make_folder(node.name, (root / path).parent)
    target, flags = command_of(node, work.around)
    ran = run_target(
        work.workspace,
        target,
        flags,
        dict(node.section.params),
        options=replace(
            work.options,
            timeout_s=node.timeout_s,
            parent=work.parent,
            inputs={**work.options.inputs, **basis.to_json()},
            interactive=work.interactive,
            label=work.label,
            cancel=work.cancel,
            outputs=(),
            reads=tuple(escape(file) for path in node.inputs for file in files_of(root, path)),
        ),
        cwd=root,
    )
    if ran.status != "done":
        why = ran.reason or f"exit status {ran.exit_status}"
        return _outcome(work, ran, "failed", why, warnings=ran.warnings)
    made = {path: content(root, path, work.around.digest) for path in node.outputs}
    absent = [path for path, found in made.items() if not found.there]
    if absent:
        error = StepError(
            f"step {node.name!r} has not made {', '.join(absent)}",
            why="its command ended well, but what it declares among its outputs is not there",
            way_out="let it write there, or correct its outputs in penstock.toml",
        )
        ledger.end(ran.id, status="failed", error=error.to_json())
        return _outcome(work, ran, "failed", f"it has not made {', '.join(absent)}", warnings=ran.warnings)
    Written(work.workspace).remember({str(root / p): d for found in made.values() for p, d in found.files.items()})
    newest = work.state.past
    outputs, tree = keep(
        work.around.objects, root, made, largest_bytes=LARGEST_BYTES, before=None if newest is None else newest.tree
    )
    read = ledger.get(ran.id).inputs
    seen = _seen(work, read)
    rows = work.around.rows if names_rows or "rows_read" in read else None
    needs = _needs(work, scripts, seen)
    if tree is not None:  # as an artifact: so it is listed, exported and, with its last run, purged
        ledger.keep(ran.id, "outputs", work.around.objects.get(tree), media=MEDIA)
    ledger.set_outputs(ran.id, {"step": Finish(outputs, needs, tree, rows).to_json()})
    warnings = [*ran.warnings, *_own_inputs(work, basis.inputs), *_unnamed(work, seen)]
    warnings += [
        f"it left {path} as it was" for path in node.outputs if before[path] and before[path] == _stamp(root, path)
    ]
    return _outcome(work, ran, "ran", work.why, warnings=tuple(warnings))


def _make_folder(step: str, folder: Path) -> None:
    """The folder of an output."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StepError(
            f"step {step!r} cannot write to {str(folder)!r}",
            why=f"{error.strerror}: {error.filename}",
            way_out="move away what is there (a file, or a link that leads nowhere), or correct its outputs in penstock.toml",
        ) from error


def command_of(node: Node, around: Surroundings) -> tuple[Target, FlagSet]:
    """What is run of a step, and its parameters as flags. Their values stand in the line already."""
    shell = ("/bin/sh", "-ec" if "\n" in node.line.strip() else "-c", node.line)
    flags = [
        Flag(
            name,
            _type_of(value),
            value,
            origin="penstock.toml",
            option=f"--{name}",
            secret=around.masker.is_secret(name),
        )
        for name, value in node.section.params.items()
    ]
    return Target("command", node.name, argv=shell), FlagSet(tuple(flags), found_in="penstock.toml")


def _type_of(value: Any) -> Any:
    return {bool: "bool", int: "int", float: "float"}.get(type(value), "str")


def _outcome(work: Attempt, ran: ScriptRun, status: Any, why: str, *, warnings: tuple[str, ...]) -> StepOutcome:
    return StepOutcome(work.node.name, status, why, ran.seconds, ran.id, ran.metrics, warnings=warnings)


def _names_rows(line: str, root: Path, scripts: Iterable[str]) -> bool:
    """Whether a step's line or scripts name the rows of the project: programs that are no Python cannot be seen to read them."""
    files = [root / path for path in scripts]
    texts = (file.read_bytes() for file in files if file.stat().st_size <= LARGEST_SCRIPT_BYTES)
    return bool(_ROWS.search(line.encode()) or any(_ROWS.search(text) for text in texts))


def _seen(work: Attempt, read: Mapping[str, Any]) -> dict[str, str]:
    """The files that a step was seen to read, those of its source snapshot among them."""
    of_source = read.get("source_read", ())
    source = read_tree(work.around.objects, read["source"]).files if of_source else {}
    named = {name: source[tree_path(name)].digest for name in of_source if tree_path(name) in source}
    return {**named, **read.get("files", {})}


def _needs(work: Attempt, scripts: Mapping[str, str], seen: Mapping[str, str]) -> dict[str, str]:
    """Files of the folder that the step read beside its declared inputs, and that it did not change itself."""
    root = work.around.root
    declared = [parts_of(path) for path in (*work.node.inputs, *work.node.outputs)]
    needs = dict(scripts)
    for path, digest in seen.items():
        parts = parts_of(path)
        ours = path.startswith(("/", "../")) or PASSED_OVER & set(parts) or any(takes(d, parts) for d in declared)
        if not ours and path not in needs:
            needs[path] = digest
    return {p: d for p, d in needs.items() if (root / p).is_file() and work.around.digest(root / p) == d}


def _own_inputs(work: Attempt, inputs: Mapping[str, Content]) -> list[str]:
    """A warning for each input that is another now than when the step began."""
    root, digest = work.around.root, work.around.digest
    changed = [path for path, found in inputs.items() if content(root, path, digest).digest != found.digest]
    return [f"{path} was changed while it ran: it will run again next time" for path in changed]


def _unnamed(work: Attempt, seen: Mapping[str, str]) -> list[str]:
    """A warning for each output of another step that it read without saying so: the order of the two is left to chance."""
    told = []
    for path in seen:
        others = [name for name in work.makers.of(path) if name not in (work.node.name, *work.node.after)]
        told += [f"it read {path}, which {name} makes: name it among the inputs" for name in others]
    return told


def _stamp(root: Path, path: str) -> tuple[Any, ...]:
    """Tells whether something at a path was written to: empty where nothing is there."""
    from penstock.experiments.steps.patterns import files_of

    stats = [(name, os.stat(root / name)) for name in files_of(root, path)]
    return tuple((name, status.st_mtime_ns, status.st_ctime_ns, status.st_ino) for name, status in stats)
