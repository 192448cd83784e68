"""Which version is meant where none is named, and how long a deploy waits for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import NotFound, ProjectError
from penstock.lifecycle.put_back import put_back, told
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.ledger.registry import ModelVersion

WAIT_S = 60.0
"""For another deploy, release or rollback to end."""


def chosen_version(project: Project, version: int | None, *, to_answer: bool = True) -> ModelVersion:
    """The version of that number; without one the challenger, or the newest that passed. To be called after `settle`.

    Parameters
    ----------
    to_answer : requests; then a version that was put back has to be named. False: it is only shown copies of them.

    Raises
    ------
    NotFound : there is no such version, or none that passed.
    ProjectError : none is named, and the one that is meant was live or released before and was put back.
    """
    registry = project.ledger.registry
    if version is not None:
        return registry.get(project.name, version)
    back = put_back(project) if to_answer else {}
    challenger = registry.aliases(project.name).get("challenger")
    if challenger is not None and challenger not in back:
        return registry.get(project.name, challenger)
    versions = [v for v in registry.versions(project.name) if (v.passed or v.overrides) and not v.is_forgotten]
    if not versions:
        raise NotFound(
            f"no version of {project.name} has passed its gates",
            why="a model is registered by `penstock run`, and may be deployed when it passed",
            way_out="run `penstock run`; a version that failed: penstock deploy --version N --override REASON",
        )
    newest = max(versions, key=lambda v: v.version)
    if newest.version in back:
        raise ProjectError(
            f"{newest} was put back, and goes live again only when it is named",
            why=told(back[newest.version]),
            way_out=f"make a new version with `penstock run` or `penstock retrain`; this one again: --version {newest.version}",
        )
    return newest
