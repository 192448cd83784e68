"""The decisions of the lab notebook: what was supposed, why, with which runs, and what came of it.

A decision is never changed: a later outcome is one more revision of it, with its own author and time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, final

from penstock.errors import BadParameter, NotFound
from penstock.ledger.clock import now_text
from penstock.ledger.process import user
from penstock.ledger.schema import insert, read

if TYPE_CHECKING:
    from penstock.ledger.connection import Connection
    from penstock.ledger.database import Database

Outcome = Literal["open", "confirmed", "refuted"]
OUTCOMES: tuple[Outcome, ...] = ("open", "confirmed", "refuted")


@dataclass(frozen=True, slots=True)
class Decision:
    """One revision of a decision; the newest is what it says now.

    Attributes
    ----------
    id : ``d1``, ``d2`` ... in the order in which they were first written down.
    number : of the revision, from 1. at, who : when and by whom this revision was written.
    hypothesis : what was supposed. why : the reasons, of this revision.
    outcome : ``open``, ``confirmed`` or ``refuted``.
    runs : ids of the runs that it rests on, those of earlier revisions included.
    """

    id: str
    number: int
    at: str
    who: str
    hypothesis: str
    why: str
    outcome: Outcome
    runs: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "runs": list(self.runs)}


def is_decision(text: str) -> bool:
    """Whether a text has the form of a decision's id.

    >>> is_decision("d12"), is_decision("dropout helps")
    (True, False)
    """
    return re.fullmatch(r"d[1-9][0-9]*", text) is not None


@final
class Decisions:
    """Decisions in the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        hypothesis: str,
        *,
        why: str = "",
        runs: Sequence[str] = (),
        outcome: str = "open",
        who: str | None = None,
    ) -> Decision:
        """Write a new decision down. It is durable when this returns.

        Raises
        ------
        BadParameter : the hypothesis is empty, or `outcome` is none of `OUTCOMES`.
        """
        _check(hypothesis, outcome)
        with self._database.write() as connection:
            last = max((int(known[1:]) for known in connection.values("SELECT DISTINCT id FROM decisions")), default=0)
            return self._insert(connection, f"d{last + 1}", 1, hypothesis, why, outcome, runs, who)

    def revise(
        self,
        decision: str,
        *,
        hypothesis: str | None = None,
        why: str | None = None,
        runs: Sequence[str] = (),
        outcome: str | None = None,
        who: str | None = None,
    ) -> Decision:
        """Add a revision. What is None stays as it was, but for the reasons: those are of the new revision only.

        Raises
        ------
        NotFound : there is no such decision. BadParameter : as `add`.
        """
        with self._database.write() as connection:
            before = _newest(connection, decision)
            if before is None:
                raise self._missing(decision)
            hypothesis = before.hypothesis if hypothesis is None else hypothesis
            outcome = before.outcome if outcome is None else outcome
            _check(hypothesis, outcome)
            together = dict.fromkeys((*before.runs, *runs))
            return self._insert(
                connection, decision, before.number + 1, hypothesis, why or "", outcome, tuple(together), who
            )

    def get(self, decision: str) -> Decision:
        """What a decision says now.

        Raises
        ------
        NotFound : there is no such decision.
        """
        with self._database.read() as connection:
            found = _newest(connection, decision)
        if found is None:
            raise self._missing(decision)
        return found

    def history(self, decision: str | None = None) -> list[Decision]:
        """All revisions, oldest first: of one decision, or of all."""
        chosen = "" if decision is None else " WHERE id = :id"
        with self._database.read() as connection:
            rows = connection.all(
                f"SELECT * FROM decisions{chosen} ORDER BY at, number", **({} if decision is None else {"id": decision})
            )
        return [_decision(read("decisions", row)) for row in rows]

    def all(self) -> list[Decision]:
        """What every decision says now, in the order in which they were first written down."""
        newest = {revision.id: revision for revision in self.history()}
        return sorted(newest.values(), key=lambda decision: int(decision.id[1:]))

    def of_project(self, project: str) -> list[Decision]:
        """Those of one project, where a ledger has several: all but those that rest on runs of others only."""
        everything = self.all()
        query = "SELECT id FROM runs WHERE project <> :project AND id IN :ids"
        with self._database.read() as connection:
            ids = list({run for decision in everything for run in decision.runs})
            foreign = set(connection.values(query, project=project, ids=ids))
        return [decision for decision in everything if not decision.runs or set(decision.runs) - foreign]

    def of_run(self, run: str) -> list[Decision]:
        """The decisions that rest on a run, as they are now."""
        return [decision for decision in self.all() if run in decision.runs]

    def of_runs(self, runs: Sequence[str]) -> dict[str, list[Decision]]:
        """Run -> the decisions that rest on it, for those of `runs` that have some. One query for all of them."""
        asked = set(runs)
        found: dict[str, list[Decision]] = {}
        for decision in self.all():
            for run in decision.runs:
                if run in asked:
                    found.setdefault(run, []).append(decision)
        return found

    def _insert(
        self,
        connection: Connection,
        decision: str,
        number: int,
        hypothesis: str,
        why: str,
        outcome: str,
        runs: Sequence[str],
        who: str | None,
    ) -> Decision:
        values: dict[str, Any] = {
            "id": decision,
            "number": number,
            "at": now_text(),
            "who": who or user(),
            "hypothesis": hypothesis.strip(),
            "why": why.strip(),
            "outcome": outcome,
            "runs": list(dict.fromkeys(runs)),
        }
        insert(connection, "decisions", values)
        return _decision(values)

    def _missing(self, decision: str) -> NotFound:
        known = self.all()
        return NotFound(
            f"there is no decision {decision!r}",
            why=f"the newest is {known[-1].id}" if known else "none was written down yet",
            way_out="list them with `penstock decide`",
        )


def _newest(connection: Connection, decision: str) -> Decision | None:
    row = connection.one("SELECT * FROM decisions WHERE id = :id ORDER BY number DESC LIMIT 1", id=decision)
    return None if row is None else _decision(read("decisions", row))


def _decision(values: dict[str, Any]) -> Decision:
    return Decision(**{**values, "runs": tuple(values["runs"])})


def _check(hypothesis: str, outcome: str) -> None:
    if not hypothesis.strip():
        raise BadParameter(
            "a decision needs a hypothesis",
            why="its text is empty",
            way_out='write what you suppose, such as "dropout helps"',
        )
    if outcome not in OUTCOMES:
        raise BadParameter(
            f"{outcome!r} is no outcome", why=f"it is one of {', '.join(OUTCOMES)}", way_out="write one of these"
        )
