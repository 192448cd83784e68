"""The trials of searches. They survive the process that made them, so a search goes on from those it had."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, final

from penstock.errors import StoreError
from penstock.ledger.clock import now_text
from penstock.ledger.database import Database
from penstock.ledger.schema import insert, read

State = Literal["done", "failed", "pruned", "timeout"]


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One candidate that was tried.

    Attributes
    ----------
    search : name of the search it belongs to; `number` counts within it.
    value : the objective, None when the trial did not end with one.
    seconds : how long it took; `threads` with how many.
    """

    search: str
    number: int
    learner: str
    params: dict[str, Any]
    state: State
    value: float | None
    seconds: float
    threads: int
    details: dict[str, Any] = field(default_factory=dict)
    at: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
class Trials:
    """Trials in the ledger. One process writes those of a search; any may read them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        search: str,
        number: int,
        learner: str,
        params: dict[str, Any],
        state: State,
        value: float | None = None,
        *,
        seconds: float = 0.0,
        threads: int = 1,
        details: dict[str, Any] | None = None,
    ) -> TrialRecord:
        """Record a trial. It is durable when this returns.

        Raises
        ------
        StoreError : this search has a trial of this number already.
        """
        finite = None if value is None or math.isnan(value) else float(value)
        record = TrialRecord(
            search, number, learner, params, state, finite, float(seconds), threads, details or {}, now_text()
        )
        with self._database.write() as connection:
            added = insert(connection, "trials", asdict(record), or_nothing=True)
        if not added:
            raise StoreError(
                f"trial {number} of search {search!r} is recorded already",
                why="another process runs the same search",
                way_out="wait for it to end: it is shown by `penstock runs`",
            )
        return record

    def of(self, search: str) -> list[TrialRecord]:
        """The trials of a search, by number."""
        query = "SELECT * FROM trials WHERE search = :search ORDER BY number"
        with self._database.read() as connection:
            return [TrialRecord(**read("trials", row)) for row in connection.all(query, search=search)]
