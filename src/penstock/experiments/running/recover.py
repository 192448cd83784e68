"""Runs whose Penstock was killed: what they left on this machine is put into the store, and they are recorded as interrupted."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ProjectError
from penstock.experiments.capture.opened import Opened
from penstock.experiments.capture.secrets import Masker
from penstock.experiments.metrics.series import Series, Tail
from penstock.experiments.running.collect import Leftovers, collect, tidy
from penstock.experiments.running.surroundings import OUTPUT
from penstock.ledger.clock import instant_text

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord
    from penstock.project.workspace import Workspace

INTERRUPTED = {
    "code": "interrupted",
    "what": "Penstock was killed, or the machine stopped, while it ran",
    "why": "nobody was left to see how it ended",
    "try": "run it again; what it printed, measured and wrote until then is kept",
}


def recover(workspace: Workspace) -> list[str]:
    """Settle every run of a script of this machine whose process is gone; gives their ids.

    Safe to call at any time, by any number of processes. Raises what the stores raise; what is not recorded yet stays.
    """
    try:
        folders = {place.name for place in workspace.runs_folder.iterdir() if place.is_dir()}
    except FileNotFoundError:
        return []
    if not folders:
        return []
    return [run_id for run_id in sorted(folders.intersection(workspace.ledger.dead())) if _recover(workspace, run_id)]


def _recover(workspace: Workspace, run_id: str) -> bool:
    try:
        with workspace.ledger.lock(f"recover-{run_id}"):
            record = workspace.ledger.get(run_id)
            if "target" not in record.inputs or record.ended_at is not None:
                return False
            _settle(workspace, record)
    except ProjectError:  # another process is at it
        return False
    return True


def _settle(workspace: Workspace, record: RunRecord) -> None:
    folder, ledger = workspace.runs_folder / record.id, workspace.ledger
    sealed = [workspace.root / name for name in record.inputs.get("sealed", [])]
    masker = Masker.of_environment(os.environ, names=workspace.declaration.run.secrets)
    series, opened = Series(masker.mask), Opened(folder, sealed)
    tail = Tail(folder / "metrics.jsonl")
    for line in tail.lines():
        series.add(line)
    tail.close()
    opened.look()
    opened.close()
    ended_at = _last_change(folder)
    (folder / OUTPUT).mkdir(exist_ok=True)
    found = collect(
        Leftovers(
            workspace,
            folder,
            series,
            opened,
            source=record.inputs.get("source"),
            masker=masker,
            unsealed=opened.unsealed,
            sealed=sealed,
        )
    )
    ledger.set_inputs(record.id, found.inputs)
    ledger.set_metrics(record.id, series.last())
    ledger.set_artifacts(record.id, found.artifacts)
    ledger.end(record.id, status="interrupted", error=INTERRUPTED, ended_at=ended_at, outputs=found.outputs)
    tidy(folder)


def _last_change(folder: Path) -> str:
    """When something was last written there: the end of the run, as near as can be told."""
    newest = max(place.stat().st_mtime for place in [folder, *folder.iterdir()])
    return instant_text(datetime.fromtimestamp(newest, UTC))
