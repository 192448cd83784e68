"""Which version is meant where none is named, and how long a deploy waits for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import NotFound
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.ledger.registry import ModelVersion

WAIT_S = 60.0
"""For another deploy, release or rollback to end."""


def chosen_version(project: Project, version: int | None) -> ModelVersion:
    """The version of that number; without one the challenger, or the newest that passed.

    Raises
    ------
    NotFound : there is no such version, or none that passed.
    """
    registry = project.ledger.registry
    if version is not None:
        return registry.get(project.name, version)
    challenger = registry.aliases(project.name).get("challenger")
    if challenger is not None:
        return registry.get(project.name, challenger)
    versions = [v for v in registry.versions(project.name) if v.passed or v.overrides]
    if not versions:
        raise NotFound(
            f"no version of {project.name} has passed its gates",
            why="a model is registered by `penstock run`, and may be deployed when it passed",
            way_out="run `penstock run`; a version that failed: penstock deploy --version N --override REASON",
        )
    return max(versions, key=lambda v: v.version)
