"""The version that is live: what the slots of a project name, and how a server of it behaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.bundle.runtime import Bundle
from penstock.errors import ServingError
from penstock.project.project import Project
from penstock.serving.slots import SlotEntry, read_slots

if TYPE_CHECKING:
    from penstock.project.sections.serving import ServingSection
    from penstock.serving.settings import ServeSettings


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
    return entry, Bundle.load(project.serving_state / entry.path, key=project.privacy_key)


def server_settings(declared: ServingSection) -> ServeSettings:
    """What `[serving]` says, as a server takes it."""
    from penstock.serving.settings import HistorySettings, JournalSettings, ServeSettings

    journal = declared.journal
    return ServeSettings(
        max_body_bytes=declared.max_body_bytes,
        consumers=declared.consumers,
        deadline_ms=declared.deadline_ms,
        journal=JournalSettings(keep_days=journal.keep_days, max_bytes=journal.max_bytes, sample=journal.sample),
        history=HistorySettings(rows=declared.history.rows, keys=declared.history.keys),
    )
