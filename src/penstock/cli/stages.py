"""The stages of a project's pipeline and the objectives of its server, for the verbs that show them beside the user's own steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.experiments.steps.status import Objective, Stage
    from penstock.project.workspace import Workspace


def stages_of(workspace: Workspace) -> Callable[[], list[Stage]] | None:
    """How the stages of the project stand, when asked; None where the folder is no project with data."""
    if not workspace.declaration.data.source:
        return None

    def stages() -> list[Stage]:
        from penstock.experiments.steps.status import Stage
        from penstock.lifecycle.pipeline import explain
        from penstock.project.project import Project

        told = explain(Project(workspace.root))
        known = [Stage(step.name, "known", step.why, step.run) for step in told.known]
        return known + [
            Stage(name, "waits" if index else "stale", why) for index, (name, why) in enumerate(told.would_run)
        ]

    return stages


def objectives_of(workspace: Workspace) -> Callable[[], list[Objective]] | None:
    """How the server of the project keeps its objectives, when asked; None where the folder is no project with data."""
    if not workspace.declaration.data.source:
        return None

    def objectives() -> list[Objective]:
        from penstock.lifecycle.levels import objectives_now

        return objectives_now(workspace)

    return objectives
