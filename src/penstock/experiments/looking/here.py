"""The place of runs in which a command that looks at runs was given."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.errors import ProjectError
from penstock.project.workspace import FILE, Workspace


def workspace_here(start: Path | None = None) -> Workspace:
    """The workspace of the working folder. To look at runs makes nothing: where no runs are kept, it says so.

    Raises
    ------
    ProjectError : neither this folder nor one above it keeps runs.
    """
    workspace = Workspace.here(start)
    if not workspace.state.is_dir() and not (workspace.root / FILE).is_file() and not os.environ.get("PENSTOCK_LEDGER"):
        raise ProjectError(
            "no runs are kept here",
            why=f"neither {workspace.root} nor a folder above it has .penstock or {FILE}",
            way_out="go to the folder of your scripts, start one with `penstock run SCRIPT`, or make a project: "
            "`penstock new`",
        )
    return workspace
