"""How the server of a project keeps its declared objectives; by what it has counted, also where it does not run now."""

from __future__ import annotations

from penstock.experiments.steps.status import Objective
from penstock.project.workspace import Workspace


def objectives_now(workspace: Workspace) -> list[Objective]:
    """The declared objectives; none where nothing is declared, or nothing was ever served."""
    from penstock.project.live import objective_settings  # here: `status` is asked in folders that serve nothing, too
    from penstock.project.project import Project
    from penstock.serving.metrics import levels_of
    from penstock.serving.objectives import objectives_of
    from penstock.serving.tallies import Tallies

    project = Project(workspace.root)
    declared = objective_settings(project.declaration.serving)
    if not objectives_of(declared) or not Tallies.are_there(project.serving_state):
        return []
    return [Objective(told) for told in levels_of(project.serving_state, declared).to_json()]
