"""What a run left is put into the object store: console, files that it read and wrote, the interpreter that it told of."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.experiments.console import ConsoleLog, join_console
from penstock.experiments.observer import Observer
from penstock.experiments.places import name_of
from penstock.experiments.surroundings import OUTPUT, Before, Surroundings

if TYPE_CHECKING:
    from penstock.ledger.run import Run

MOST_TOLD = 100


@dataclass
class Collected:
    """What is recorded at the end, all at once."""

    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    environment: dict[str, Any] | None = None
    files: int = 0
    warnings: list[str] = field(default_factory=list)


def collect(
    around: Surroundings, run: Run, before: Before, observer: Observer, console: ConsoleLog, started_ns: int
) -> Collected:
    """Store everything that a run left behind; raises what the stores raise."""
    found = Collected()
    _series(observer, found)
    _console(around, run, console, found)
    _interpreter(around, observer, found)
    _read(around, observer, before, started_ns, found)
    _written(around, run, before, observer, found)
    _seals(around, observer, found)
    return found


def tidy(folder: Path) -> None:
    """Remove the folder of a run whose end is recorded: all that was in it is in the store."""
    shutil.rmtree(folder, ignore_errors=True)


def _series(observer: Observer, found: Collected) -> None:
    if observer.series.by_name:
        found.outputs["series"] = observer.series.to_json()
        bad = [name for name, summary in observer.series.by_name.items() if summary.not_finite]
        if bad:
            found.warnings.append(f"NaN or infinite: {', '.join(bad[:8])}{' and others' if len(bad) > 8 else ''}")


def _console(around: Surroundings, run: Run, console: ConsoleLog, found: Collected) -> None:
    from penstock.ledger.run import store_artifact

    if console.full:
        found.warnings.append(f"what it printed is not kept in full: {console.full}")
    cut = console.cut_bytes
    if cut and not console.full:
        found.outputs["console_cut_bytes"] = cut
    file = join_console(run.folder, console.size_bytes)
    if file is not None:
        found.artifacts["console"] = store_artifact(around.workspace.objects, file, "text/plain")


def _interpreter(around: Surroundings, observer: Observer, found: Collected) -> None:
    """The environment of the interpreter that really ran, where that is another than ours."""
    told = observer.opened.interpreter
    if told is None or (around.is_python and around.same_python):
        return
    from penstock.ledger.run import store_artifact

    found.environment, packages = around.environment(told)
    found.artifacts["packages"] = store_artifact(around.workspace.objects, packages.encode(), "text/plain")


def _read(around: Surroundings, observer: Observer, before: Before, started_ns: int, found: Collected) -> None:
    """The files that it read, and those that `[run] inputs` declares."""
    opened = observer.opened
    declared = _matching(around.workspace.root, around.section.inputs)
    paths = dict.fromkeys([*declared, *opened.read])
    if opened.more:
        found.warnings.append(
            "it opened more files than are told; those beyond the first 20,000 of a process are missing"
        )
    if not paths:
        return
    from penstock.experiments.files import take_inputs

    told = opened.interpreter or {}
    taken = take_inputs(
        around.workspace,
        paths,
        source=before.inputs.get("source"),
        started_ns=started_ns,
        prefixes=[told["prefix"]] if told.get("prefix") else [],
        sealed=around.options.watch,
    )
    if taken.files:
        found.inputs["files"] = taken.files
    if taken.left_out:
        found.inputs["files_left_out"] = taken.left_out
    if taken.tree is not None:
        found.artifacts["inputs"] = _tree(around, taken.tree)


def _written(around: Surroundings, run: Run, before: Before, observer: Observer, found: Collected) -> None:
    """The files that it wrote: those in its folder, and those that are declared. Others are named."""
    from penstock.experiments.files import keep_outputs

    declared = before.declared.written()
    kept = keep_outputs(around.workspace, run.folder / OUTPUT, declared)
    found.files = kept.files
    if kept.tree is not None:
        found.artifacts["files"] = _tree(around, kept.tree)
        found.outputs["files"] = kept.files
    if kept.left_out:
        found.outputs["files_left_out"] = kept.left_out
    root, known = around.workspace.root, {str(path) for path in declared}
    others = [path for path in observer.opened.written if path not in known and Path(path).is_file()]
    names = [name for path in others if not (name := name_of(root, Path(path))).startswith("/")]
    if names:
        found.outputs["written_elsewhere"] = names[:MOST_TOLD]


def _seals(around: Surroundings, observer: Observer, found: Collected) -> None:
    if observer.unsealed:
        found.outputs["unsealed"] = [name_of(around.workspace.root, Path(path)) for path in observer.unsealed]
        found.outputs["unsealed_how"] = {
            name_of(around.workspace.root, Path(path)): how for path, how in observer.unsealed.items()
        }


def _tree(around: Surroundings, digest: str) -> dict[str, Any]:
    from penstock.objects.tree import read_tree

    tree = read_tree(around.workspace.objects, digest)
    return {"digest": digest, "size_bytes": tree.size_bytes, "media": "application/vnd.penstock.tree+json"}


def _matching(root: Path, patterns: tuple[str, ...]) -> list[str]:
    import glob

    found = []
    for pattern in patterns:
        found += [str(root / name) for name in sorted(glob.glob(pattern, root_dir=root, recursive=True))]
    return found
