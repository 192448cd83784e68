"""What a run of a script is asked to be, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.experiments.capture.secrets import Masker

KEPT = ("python", "timeout_s", "outputs", "metrics")
"""Options that are recorded with what runs later: with a batch, which may be resumed, and in the queue."""
MetricsListener = Callable[[dict[str, float]], str | None]
"""Told each line of metrics, such as ``{"step": 3, "loss": 0.5}``; a text that it returns stops the run, with this reason."""
FilesListener = Callable[[str, int, int], None]
"""Told what is done with the files that a run wrote ("keeping", then "removing" from its folder), of how many, and of how many in all."""


@dataclass(frozen=True)
class RunOptions:
    """How a script is run. What is None or empty is as `penstock.toml` says, or the usual.

    Attributes
    ----------
    python : interpreter of scripts, modules and notebooks.
    timeout_s : it is told to end after this time, and killed some seconds later.
    tags : name -> value, recorded with the run.
    parent : id of the batch or pipeline run that it belongs to.
    inputs : recorded among the run's inputs, such as ``{"batch": id}`` or the digests of the parts that it was given.
    env : variables of the script beside those of this process.
    watch : files that a script may not open itself, as their test rows are sealed.
    takes : id of a queued run, which this becomes.
    echo : True: what it prints is shown as it comes, on the same stream; "stderr": all on stderr; False: not at all.
    label : stands before each line that is shown, where several programs print at the same time.
    interactive : it may read from the terminal. False: it finds the end of its input at once.
    note : a text recorded with the run.
    on_metrics : see `MetricsListener`.
    on_begin : told the id once it is recorded as running; of a batch, its own.
    on_files : see `FilesListener`; fifty thousand files take seconds.
    cancel : once set, the run is ended and recorded as interrupted (for runs in threads, which get no Ctrl-C of their own).
    source : digest of the snapshot, where one was taken already (all runs of a batch share one).
    outputs, metrics : patterns that replace those of the declaration.
    reads : globs of files that it depends on, beside those of the declaration.
    assigned : flags that were given; they are passed on even where they equal the default.
    """

    python: str | None = None
    timeout_s: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    watch: tuple[Path, ...] = ()
    takes: str | None = None
    echo: bool | str = True
    label: str = ""
    interactive: bool = True
    note: str | None = None
    on_metrics: MetricsListener | None = None
    on_begin: Callable[[str], None] | None = None
    on_files: FilesListener | None = None
    cancel: threading.Event | None = None
    source: str | None = None
    outputs: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None
    reads: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()

    def masked(self, masker: Masker) -> RunOptions:
        """The same without secrets in what is recorded of them: tags and note."""
        note = None if self.note is None else masker.mask(self.note)
        return replace(self, tags=masker.mapping(self.tags), note=note)

    def kept(self) -> dict[str, Any]:
        """What is recorded for later. Variables and sealed files are not: they are found anew."""
        values = {name: getattr(self, name) for name in KEPT}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def completed(self, kept: Mapping[str, Any]) -> tuple[RunOptions, list[str]]:
        """These options, what they leave open as it was recorded by `kept`; and for a person, what they change of that."""
        found: dict[str, Any] = {}
        changes = []
        for name in KEPT:
            before, own = kept.get(name), getattr(self, name)
            before = tuple(before) if isinstance(before, list) else before
            found[name] = before if own is None else own
            if own is not None and before is not None and own != before:
                changes.append(f"{name.removesuffix('_s')} is {own} now, and was {before} in the trials before")
        return replace(self, **found), changes


@dataclass(frozen=True)
class ScriptRun:
    """What came of a run.

    Attributes
    ----------
    status : done, failed, interrupted, or stopped (early, with `reason`).
    exit_status : the program's own; 128 + n where signal n ended it.
    metrics : name -> last value.
    seconds : from the program's start to its end.
    files : how many files were kept.
    unsealed : files with sealed rows that the script opened itself.
    reason : why it failed or was stopped, in one line.
    """

    id: str
    operation: str
    status: str
    exit_status: int
    metrics: dict[str, float]
    seconds: float
    files: int = 0
    unsealed: tuple[str, ...] = ()
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """That of the program; stopping early as asked is no failure."""
        if self.status == "stopped":
            return 0
        if self.status == "interrupted":
            return self.exit_status or 130
        return self.exit_status or (0 if self.status == "done" else 1)

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self), "unsealed": list(self.unsealed), "warnings": list(self.warnings)}

    def to_text(self) -> str:
        lines = [
            f"run {self.id}: {self.status}{f' ({self.reason})' if self.reason else ''} after {_duration(self.seconds)}"
        ]
        if self.metrics:
            shown = [f"{name} {value:.6g}" for name, value in list(self.metrics.items())[:12]]
            more = f", and {len(self.metrics) - 12} more" if len(self.metrics) > 12 else ""
            lines.append(f"  metrics: {', '.join(shown)}{more}")
        if self.files:
            lines.append(f"  files: {self.files}, see `penstock ls {self.id}`")
        if self.unsealed:
            lines.append(f"  UNSEALED: it opened {', '.join(self.unsealed)} itself, and may have seen test rows")
        lines += [f"  note: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def _duration(seconds: float) -> str:
    """
    >>> _duration(3.21), _duration(75), _duration(7300)
    ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    return f"{minutes} min {int(seconds) % 60} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
