"""Envelopes of sealed test rows: each is opened once, then spent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final

from penstock.errors import SealError
from penstock.ledger.clock import now_text
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.process import user
from penstock.ledger.schema import insert, read, update
from penstock.ledger.sql import Row

RETIRED = "retired: its rows are dealt anew"
"""The purpose of an envelope that counts as spent though nobody opened it, and nobody may open any more."""


@dataclass(frozen=True, slots=True)
class EnvelopeRecord:
    """One envelope.

    Attributes
    ----------
    dataset : digest (or lasting name) of the data set it belongs to; `index` counts its envelopes from 0.
    rows : test rows inside. `object` : digest of the encrypted rows. `key_id` : which key of the ledger opens it.
    strata : rows per stratum, where the split had strata.
    opened_at, opened_by, opened_by_run, purpose : when, by whom, in which run and what for; None while sealed.
    """

    dataset: str
    index: int
    rows: int
    object: str
    key_id: str
    strata: dict[str, Any] | None = None
    opened_at: str | None = None
    opened_by: str | None = None
    opened_by_run: str | None = None
    purpose: str | None = None

    @property
    def is_spent(self) -> bool:
        return self.opened_at is not None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
class Envelopes:
    """The seal in the ledger. Every opening is here, whatever the score was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        dataset: str,
        index: int,
        rows: int,
        object: str,  # noqa: A002
        key_id: str,
        strata: dict[str, Any] | None = None,
    ) -> EnvelopeRecord:
        """Record a sealed envelope. Recording the same one again changes nothing.

        Raises
        ------
        SealError : this data set has another envelope of this index.
        """
        with self._database.write() as connection:
            found = _get(connection, dataset, index)
            if found is None:
                record = EnvelopeRecord(dataset, index, rows, object, key_id, strata)
                insert(connection, "envelopes", _columns(record))
                return record
        if (found.object, found.key_id) != (object, key_id):
            raise SealError(
                f"envelope {index} of data set {dataset} is sealed already, with other rows in it",
                why="the rows of an envelope are chosen once, so that a test stays a test",
                way_out="give the new rows an envelope of their own",
            )
        return found

    def envelopes(self, dataset: str) -> list[EnvelopeRecord]:
        """All envelopes of a data set, by index."""
        query = "SELECT * FROM envelopes WHERE dataset = :dataset ORDER BY number"
        with self._database.read() as connection:
            return [_record(row) for row in connection.all(query, dataset=dataset)]

    def sealed(self, dataset: str) -> list[EnvelopeRecord]:
        """The envelopes that are still closed, by index."""
        return [record for record in self.envelopes(dataset) if not record.is_spent]

    def spent(self, dataset: str) -> list[EnvelopeRecord]:
        """The envelopes that have been opened, by index."""
        return [record for record in self.envelopes(dataset) if record.is_spent]

    def open(self, dataset: str, index: int, by_run: str, purpose: str, *, who: str | None = None) -> EnvelopeRecord:
        """Open an envelope: from now on it is spent. Of any number of attempts, also at once, one succeeds.

        Raises
        ------
        SealError : there is no such envelope, or it has been opened; the message says by whom, when and what for.
        """
        with self._database.write() as connection:
            found = _get(connection, dataset, index)
            if found is None:
                raise SealError(
                    f"data set {dataset} has no envelope {index}",
                    why="it was never sealed",
                    way_out="list its envelopes with `penstock data log`",
                )
            if found.is_spent:
                raise SealError(
                    f"envelope {index} of data set {dataset} is spent",
                    why=f"{found.opened_by} opened it at {found.opened_at} in run {found.opened_by_run} "
                    f"({found.purpose})",
                    way_out="open the next one; new labelled rows fill new envelopes",
                )
            opening = {
                "opened_at": now_text(),
                "opened_by": who or user(),
                "opened_by_run": by_run,
                "purpose": purpose,
            }
            update(connection, "envelopes", opening, _THIS, of=dataset, at=index)
            opened = _get(connection, dataset, index)
        assert opened is not None
        return opened


_THIS = "dataset = :of AND number = :at"


def _get(connection: Connection, dataset: str, index: int) -> EnvelopeRecord | None:
    row = connection.one(f"SELECT * FROM envelopes WHERE {_THIS}", of=dataset, at=index)
    return None if row is None else _record(row)


def _columns(record: EnvelopeRecord) -> dict[str, Any]:
    """`index` is a word of SQL, so its column is called `number`."""
    values = asdict(record)
    return {"number": values.pop("index"), **values}


def _record(row: Row) -> EnvelopeRecord:
    values = read("envelopes", row)
    return EnvelopeRecord(index=values.pop("number"), **values)
