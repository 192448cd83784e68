"""The version that is live: what the slots of a project name."""

from __future__ import annotations

from penstock.bundle.runtime import Bundle
from penstock.errors import ServingError
from penstock.project.project import Project
from penstock.serving.slots import SlotEntry, read_slots


def live_entry(project: Project) -> SlotEntry:
    """The slot that is live.

    Raises
    ------
    ServingError : nothing was deployed.
    """
    entry = read_slots(project.serving_state).live_entry
    if entry is None:
        raise ServingError(
            f"no version of {project.name} is live",
            why="nothing was deployed in this project",
            way_out="run `penstock deploy`",
        )
    return entry


def live_bundle(project: Project) -> tuple[SlotEntry, Bundle]:
    """The live slot and its bundle, loaded and checked."""
    entry = live_entry(project)
    return entry, Bundle.load(project.serving_state / entry.path)
