"""The audit trail: events that are only ever added, each bound to the one before by its hash.

An event's hash is the digest of the canonical JSON of ``{format, number, previous, at, who, what, subject, details}``. Whoever
changes, removes or reorders an event must change every hash after it, and so the last one, the *head*. The head is written
into every bundle, card and report: a trail that no longer contains such a head has been cut or rewritten.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final

from penstock.errors import DamagedStore
from penstock.ledger.clock import now_text
from penstock.ledger.database import Database
from penstock.ledger.process import user
from penstock.ledger.schema import insert, read
from penstock.objects.digests import digest_of_json

START = "sha256:" + "0" * 64
"""The head of a trail without events."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the trail: who did what to which subject, when."""

    number: int
    previous: str
    at: str
    who: str
    what: str
    subject: str
    details: dict[str, Any]
    hash: str

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self)}

    def expected_hash(self) -> str:
        """The hash that this content must have."""
        body = self.to_json()
        del body["hash"]
        return digest_of_json(body)


@final
class Audit:
    """The audit trail of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, what: str, subject: str, details: dict[str, Any] | None = None, who: str | None = None) -> Event:
        """Add an event. `who` is the user of the operating system unless given.

        Parameters
        ----------
        what : the kind of event, such as ``deploy``. subject : what it happened to, such as ``bank@3``.
        """
        with self._database.write() as connection:
            last = connection.one("SELECT number, hash FROM events ORDER BY number DESC LIMIT 1")
            content: dict[str, Any] = {
                "number": 1 if last is None else last.number + 1,
                "previous": START if last is None else last.hash,
                "at": now_text(),
                "who": who or user(),
                "what": what,
                "subject": subject,
                "details": details or {},
            }
            event = Event(**content, hash=digest_of_json({"format": 1, **content}))
            insert(connection, "events", asdict(event))
        return event

    def events(self) -> list[Event]:
        """All events, oldest first."""
        with self._database.read() as connection:
            return [Event(**read("events", row)) for row in connection.all("SELECT * FROM events ORDER BY number")]

    def head(self) -> str:
        """The hash of the last event: it stands for the whole trail so far."""
        with self._database.read() as connection:
            return connection.value("SELECT hash FROM events ORDER BY number DESC LIMIT 1") or START

    def verify(self, head: str | None = None) -> None:
        """Check the whole chain, and that it contains `head`, as an earlier bundle, card or report recorded it.

        Raises
        ------
        DamagedStore : an event was changed, removed, added or moved; the message names the first that does not fit.
        """
        previous = START
        heads = {START}
        for number, event in enumerate(self.events(), start=1):
            if event.number != number:
                raise _damaged(f"event {number} is missing", f"event {event.number} follows event {number - 1}")
            if event.previous != previous:
                raise _damaged(
                    f"event {number} ({_named(event)}) does not follow the one before", "their hashes differ"
                )
            if event.hash != event.expected_hash():
                raise _damaged(f"event {number} ({_named(event)}) was changed", "its content does not match its hash")
            previous = event.hash
            heads.add(previous)
        if head is not None and head not in heads:
            raise _damaged(f"the trail does not contain {head}", "events were cut from its end, or it was rewritten")


def _named(event: Event) -> str:
    return f"{event.what} {event.subject}, {event.at}"


def _damaged(what: str, why: str) -> DamagedStore:
    return DamagedStore(
        f"the audit trail is broken: {what}",
        why=why,
        way_out="compare the ledger with a backup; a new trail begins only with a new ledger",
    )
