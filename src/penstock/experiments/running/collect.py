"""What a run left behind is put into the object store: what it printed, measured, read and wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.experiments.capture.console import join_console
from penstock.experiments.capture.declared import stamps_of
from penstock.experiments.capture.files import keep_outputs, take_inputs
from penstock.experiments.capture.opened import Opened
from penstock.experiments.capture.places import name_of, place_of
from penstock.experiments.capture.secrets import Masker
from penstock.experiments.metrics.series import Series
from penstock.experiments.running.options import FilesListener
from penstock.experiments.running.surroundings import OUTPUT
from penstock.ledger.run import LOG_NAME, store_artifact
from penstock.objects.files import naming_full_disk
from penstock.objects.tree import read_tree

if TYPE_CHECKING:
    from penstock.project.workspace import Workspace

TREE = "application/vnd.penstock.tree+json"
MOST_TOLD = 100


@dataclass(frozen=True)
class Leftovers:
    """What there is of a run when it has ended, well or not.

    Attributes
    ----------
    folder : of the run.
    source : digest of its snapshot.
    printed_bytes : what it printed in all; None where nobody counted.
    declared : files outside of its folder that it wrote and that are to be kept.
    masker : knows the secrets of the run, which are kept out of names and of what is kept.
    inputs : globs of files that it depends on whether it was seen to read them or not.
    stamps : of those, as `stamps_of` gave them before it began.
    unsealed : sealed file -> how it was seen to be opened. sealed : all that are.
    on_files : see `penstock.experiments.running.options.FilesListener`.
    """

    workspace: Workspace
    folder: Path
    series: Series
    opened: Opened
    source: str | None
    masker: Masker
    printed_bytes: int | None = None
    declared: Sequence[Path] = ()
    inputs: Sequence[str] = ()
    stamps: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    unsealed: dict[str, str] = field(default_factory=dict)
    sealed: Sequence[Path] = ()
    on_files: FilesListener | None = None


@dataclass
class Collected:
    """What is recorded, all at once."""

    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: int = 0
    warnings: list[str] = field(default_factory=list)


def collect(left: Leftovers) -> Collected:
    """Store everything that a run left behind; raises what the stores raise."""
    found = Collected(outputs={"kind": "script"})
    _series(left, found)
    _console(left, found)
    _read(left, found)
    _written(left, found)
    _seals(left, found)
    _remember(left)
    return found


def tidy(folder: Path, *, files: int = 0, tell: FilesListener | None = None) -> None:
    """Remove the folder of a run whose end is recorded, as far as it can be removed: all that was in it is in the store.

    (As `shutil.rmtree`, which takes longer to load than a folder with three files takes to go.) `tell` is told of each file; `files` are in it, about.
    """
    removed = 0
    for place, folders, names in os.walk(folder, topdown=False):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in (*names, *links):
            with suppress(OSError):
                os.unlink(os.path.join(place, name))
            if tell is not None and removed < files:
                removed += 1
                tell("removing", removed, files)
        with suppress(OSError):
            os.rmdir(place)


def _series(left: Leftovers, found: Collected) -> None:
    if left.series.has_secrets:
        mask_log(left.folder / LOG_NAME, left.masker)
    if left.series.by_name:
        found.outputs["series"] = left.series.to_json()
        bad = [left.masker.mask(name) for name, summary in left.series.by_name.items() if summary.not_finite]
        if bad:
            found.warnings.append(f"NaN or infinite: {', '.join(bad[:8])}{' and others' if len(bad) > 8 else ''}")


def _console(left: Leftovers, found: Collected) -> None:
    joined = join_console(left.folder, left.printed_bytes)
    if joined is None:
        return
    found.artifacts["console"] = store_artifact(left.workspace.objects, joined.file, "text/plain")
    if joined.cut_bytes:
        found.outputs["console_cut_bytes"] = joined.cut_bytes


def _read(left: Leftovers, found: Collected) -> None:
    """The files that it read, and those that `[run] inputs` declares."""
    opened = left.opened
    declared = stamps_of(left.workspace.root, left.inputs)
    paths = dict.fromkeys([*declared, *opened.read])
    if opened.more:
        found.warnings.append(
            "it opened more files than are told: those beyond the first 20,000 of a process are missing"
        )
    if not paths:
        return
    told = opened.interpreter or {}
    taken = take_inputs(
        left.workspace,
        paths,
        source=left.source,
        stamps={path: left.stamps.get(path, ()) for path in declared} | opened.stamps,
        prefixes=[told["prefix"]] if told.get("prefix") else [],
        sealed=left.sealed,
        masker=left.masker,
    )
    if taken.files:
        found.inputs["files"] = taken.files
    if taken.left_out:
        found.inputs["files_left_out"] = taken.left_out
        lost = [f"{line['path']} ({line['why']})" for line in taken.left_out if not _of_passage(line)]
        if lost:
            found.warnings.append(
                f"read, but neither kept nor told by digest: {_some(lost)}. The run cannot be reproduced from its record alone"
            )
    if taken.of_source:
        found.inputs["source_read"] = taken.of_source
    if rows := [path for path in opened.read if path.startswith(f"{left.workspace.state}{os.sep}")]:
        found.inputs["rows_read"] = [name_of(left.workspace.root, Path(path)) for path in rows]
    if taken.tree is not None:
        found.artifacts["inputs"] = _tree(taken.tree, taken.size_bytes)


def _written(left: Leftovers, found: Collected) -> None:
    """The files that it wrote: those in its folder, and those that are declared. Others are named."""
    output = left.folder / OUTPUT
    if left.declared or (output.is_dir() and any(output.iterdir())):
        tell = None if left.on_files is None else partial(left.on_files, "keeping")
        kept = keep_outputs(left.workspace, output, left.declared, masker=left.masker, tell=tell)
        found.files = kept.files
        if kept.tree is not None:
            found.artifacts["files"] = _tree(kept.tree, kept.size_bytes)
            found.outputs["files"] = kept.files
        if kept.masked:
            found.outputs["files_masked"] = kept.masked[:MOST_TOLD]
            found.warnings.append(f"{_some(kept.masked)}: a secret in it is kept as ***, see [run] mask_files")
        if kept.left_out:
            found.outputs["files_left_out"] = kept.left_out
            found.warnings.append(
                f"{len(kept.left_out)} files that it wrote could not be kept: `penstock show` names them"
            )
    root, known = left.workspace.root, {str(path) for path in left.declared}
    others = [path for path in left.opened.written if path not in known and Path(path).is_file()]
    names = [name for path in others if not (name := name_of(root, Path(path))).startswith("/")]
    if names:
        found.outputs["written_elsewhere"] = [left.masker.mask(_shown(name)) for name in names[:MOST_TOLD]]


def _seals(left: Leftovers, found: Collected) -> None:
    if left.unsealed:
        mask, root = left.masker.mask, left.workspace.root
        named = {mask(_shown(name_of(root, Path(p)))): mask(_shown(how)) for p, how in left.unsealed.items()}
        found.outputs.update(unsealed=list(named), unsealed_how=named)


def _remember(left: Leftovers) -> None:
    """What it wrote is no source of later runs. Source that it read before it changed it, such as a counter, stays source."""
    written = [*map(str, left.declared), *left.opened.written]
    files = dict.fromkeys(path for path in written if left.masker.mask(path) == path)
    changed = left.opened.read.keys() & files.keys()
    if changed and left.source is not None:
        source = read_tree(left.workspace.objects, left.source).files
        for path in changed:
            if place_of(left.workspace.root, Path(path)) in source:
                del files[path]
    if files:
        from penstock.experiments.capture.written import Written

        Written(left.workspace).remember(files)


def _shown(name: str) -> str:
    """A name as JSON can hold it."""
    return name.encode("utf-8", "backslashreplace").decode()


def mask_log(log: Path, masker: Masker) -> None:
    """Take secrets out of the names of metrics that a program has logged itself."""
    masked = log.with_name(f"{log.name}.masked")
    with naming_full_disk(masked), log.open("rb") as lines, masked.open("wb") as file:
        while some := lines.readlines(1 << 20):
            file.write(masker.mask_bytes(b"".join(some)))
    masked.replace(log)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")


def _tree(digest: str, size_bytes: int) -> dict[str, Any]:
    return {"digest": digest, "size_bytes": size_bytes, "media": TREE}


def _of_passage(line: Mapping[str, Any]) -> bool:
    """A file outside of the workspace that is gone: a temporary one."""
    return line["why"] == "it is gone" and line["path"].startswith(("/", "../"))
