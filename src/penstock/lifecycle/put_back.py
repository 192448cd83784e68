"""Versions that somebody, or a guard, took away again: none of them goes live by itself, at the next scheduled deploy say."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.ledger.audit import Event
from penstock.project.project import Project

UP, BACK = ("deploy", "release"), ("rollback", "return")


def put_back(project: Project) -> dict[int, Event]:
    """The versions whose last event in the audit trail is a rollback or a return, with that event.

    To be called after `settle`, as a guard writes no audit trail. What servers refused was not put back: nobody has judged it.
    """
    return versions_put_back(event for event in project.ledger.audit.events() if event.subject == project.name)


def versions_put_back(events: Iterable[Event]) -> dict[int, Event]:
    """As `put_back`, of the events of one model, oldest first."""
    found: dict[int, Event] = {}
    for event in events:
        said = event.details
        is_shadow = said.get("mode") == "shadow"  # which answers nobody
        if event.what in UP and not is_shadow:
            found.pop(said["version"], None)
        elif event.what in BACK:
            left = said.get("from", said.get("ended"))
            by_hand = event.what == "rollback"  # how a shadow ends that nobody found fault with
            if left is not None and not (is_shadow and by_hand):
                found[left] = event
            found.pop(said["to"] if "to" in said else said["version"], None)
    return found


def told(event: Event) -> str:
    """When, by whom and why, in words."""
    by = event.details.get("by", "")
    when = event.at[:16].replace("T", " ")
    return f"{event.what} of {when} UTC by {event.who}" + (f" ({by})" if by and event.what == "return" else "")
