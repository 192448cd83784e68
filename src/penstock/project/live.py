"""The version that is live: what the slots of a project name, and how a server of it behaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.bundle.runtime import Bundle
from penstock.errors import ServingError
from penstock.project.project import Project
from penstock.serving.slots import SlotEntry, read_slots

if TYPE_CHECKING:
    from penstock.project.sections.serving import ServingSection
    from penstock.serving.settings import ObjectiveSettings, ServeSettings


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


def live_or_none(project: Project) -> tuple[SlotEntry, Bundle] | None:
    """As `live_bundle`; None where nothing was deployed."""
    return None if read_slots(project.serving_state).live_entry is None else live_bundle(project)


def asked_bundle(project: Project, model: str | None = None, version: str | None = None) -> tuple[SlotEntry, Bundle]:
    """A version that the server answers for, and its bundle: what is live, another slot, or what stands on the shelf.

    Parameters
    ----------
    model : None: that of the slots. version : as in a request: a number, ``latest``, ``champion``, a slot or a label.

    Raises
    ------
    NotFound : neither slots nor shelf hold it. ServingError : nothing was deployed.
    """
    from penstock.errors import NotFound
    from penstock.serving.shelf import read_shelf

    live = live_entry(project)
    if version in (None, "champion", "live") and model in (None, live.model):
        return live_bundle(project)
    slots, shelf = read_slots(project.serving_state), read_shelf(project.serving_state)
    name = model or live.model
    offered: list[tuple[SlotEntry, tuple[str, ...]]] = [
        (entry, (slot,)) for slot, entry in slots.slots.items() if entry is not None and entry.model == name
    ]
    offered += [(one.as_slot, one.labels) for one in shelf.of(name)]
    word = version or ("champion" if any("champion" in labels for _, labels in offered) else "latest")
    if word == "latest" and offered:
        word = str(max(entry.version for entry, _ in offered))
    for entry, labels in offered:
        if word == str(entry.version) or word in labels:
            key = project.privacy_key if entry in slots.slots.values() else None  # that of the shelf lies beside it
            return entry, Bundle.load(project.serving_state / entry.path, key=key)
    all_held = [*(entry for entry in slots.slots.values() if entry), *(one.as_slot for one in shelf.entries)]
    held = [f"{one.model}:{one.version}" for one in all_held]
    raise NotFound(
        f"the server does not answer for {name}" + ("" if version is None else f" version {version}"),
        why=f"slots and shelf hold {', '.join(held)}",
        way_out="name one of these, or put it on the shelf: penstock models shelve",
    )


def objective_settings(declared: ServingSection) -> ObjectiveSettings:
    """What `[serving.objectives]` says."""
    from penstock.project.sections.serving import seconds_of
    from penstock.serving.settings import LatencyObjective, ObjectiveSettings

    wanted = declared.objectives
    latency = None if wanted.latency is None else LatencyObjective(wanted.latency.p, wanted.latency.ms)
    period_s = seconds_of(wanted.period) or 0.0  # the declaration has seen to it that it is one
    return ObjectiveSettings(wanted.availability, latency, wanted.answered, period_s)


def server_settings(declared: ServingSection, folder: Path | None = None) -> ServeSettings:
    """What `[serving]` says, as a server takes it.

    Parameters
    ----------
    folder : where the files that it names are; default: where the server is started.
    """
    from penstock.serving.settings import (
        BatchingSettings,
        HistorySettings,
        JournalSettings,
        LogSettings,
        QueueSettings,
        ServeSettings,
        TlsSettings,
    )

    journal, logs, tls, inside = declared.journal, declared.logs, declared.tls, folder or Path()
    return ServeSettings(
        max_body_bytes=declared.max_body_bytes,
        consumers=declared.consumers,
        hosts=declared.hosts,
        deadline_ms=declared.deadline_ms,
        memory_mb=declared.memory_mb,
        journal=JournalSettings(
            keep_days=journal.keep_days,
            max_bytes=journal.max_bytes,
            sample=journal.sample,
            when_full=journal.when_full,
            unknown_labels=journal.unknown_labels,
        ),
        header_timeout_s=declared.header_timeout_s,
        body_timeout_s=declared.body_timeout_s,
        keep_alive_s=declared.keep_alive_s,
        max_connections=declared.max_connections,
        grpc_port=declared.grpc_port,
        max_unfinished_bytes=declared.max_unfinished_bytes,
        objectives=objective_settings(declared),
        logs=LogSettings(logs.format, logs.level, logs.sample),
        traces=declared.traces,
        tls=None if tls is None else TlsSettings(str(inside / tls.certificate), str(inside / tls.key)),
        history=HistorySettings(rows=declared.history.rows, keys=declared.history.keys),
        queue=QueueSettings(max_wait_ms=declared.queue.max_wait_ms),
        batching=BatchingSettings(min_rows=declared.batching.min_rows, max_rows=declared.batching.max_rows),
    )
