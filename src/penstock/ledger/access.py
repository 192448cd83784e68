"""Who may read which version of the data, and who did: both are told by the audit trail.

What this can do: on one machine, whoever may read the project's folder can read its objects without Penstock, and change the
ledger; there a restriction prevents accidents and makes every use through Penstock visible. Where ledger and objects are on a team's
servers, with a service that reads for its users, it is access control. It is no encryption.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, final

from penstock.errors import AccessError, BadParameter, Forgotten
from penstock.ledger.audit import Audit, Event
from penstock.ledger.clock import now_text
from penstock.ledger.database import Database
from penstock.ledger.process import Process, account, verb_of_process
from penstock.ledger.schema import put_many, read

READ, REFUSED, FORGOTTEN = "read data", "refuse data", "forget version"
MADE_AGAIN = "make forgotten version"
"""Kinds of events of the audit trail."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """A version that only some accounts may read. `who` restricted it, `why`, and when (`at`)."""

    digest: str
    users: list[str]
    why: str
    who: str
    at: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Who let go of a version of the data set, when, and why: empty where nobody said so."""

    who: str
    at: str
    why: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
class Access:
    """Restrictions of versions, and the record of who read them."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit
        self._told: set[tuple[str, str, str, str]] = set()

    def restrict(self, digest: str, users: Iterable[str], *, why: str, name: str = "") -> Restriction:
        """Let only these accounts of the operating system read a version. The audit trail tells of it.

        Raises
        ------
        BadParameter : no user or no reason is given. AccessError : it is restricted, and not to who asks.
        """
        named = sorted({user.strip() for user in users} - {""})
        if not named or not why.strip():
            raise BadParameter(
                "a version is restricted to somebody, for a reason",
                why="no user is named" if not named else "no reason is given",
                way_out="give --to USER and --why REASON",
            )
        self._check(digest, name or digest, "restrict", "")
        restriction = Restriction(digest, named, why.strip(), account(), now_text())
        with self._database.write() as connection:
            put_many(connection, "restrictions", [asdict(restriction)])
        self._audit.append("restrict data", digest, {"name": name, "users": named, "why": why.strip()}, account())
        return restriction

    def unrestrict(self, digest: str, *, why: str, name: str = "") -> None:
        """Let everybody read a version again. Only who may read it, or has restricted it, may say so.

        Raises
        ------
        BadParameter : it is not restricted, or no reason is given. AccessError : it is not for who asks to say.
        """
        restriction = self.of(digest)
        if restriction is None or not why.strip():
            raise BadParameter(
                f"{name or digest} is not restricted" if restriction is None else "no reason is given",
                why="everybody may read it" if restriction is None else "the audit trail keeps it",
                way_out="see `penstock data access`" if restriction is None else "give --why REASON",
            )
        if account() != restriction.who:
            self._check(digest, name or digest, "unrestrict", "")
        with self._database.write() as connection:
            connection.execute("DELETE FROM restrictions WHERE digest = :digest", digest=digest)
        self._audit.append("unrestrict data", digest, {"name": name, "why": why.strip()}, account())

    def inherit(self, parent: str, digest: str) -> None:
        """Let a version be restricted as the one is that it comes from."""
        restriction = self.of(parent)
        if restriction is not None and self.of(digest) is None:
            with self._database.write() as connection:
                put_many(connection, "restrictions", [{**asdict(restriction), "digest": digest}])
            details = {"users": restriction.users, "why": restriction.why, "parent": parent}
            self._audit.append("restrict data", digest, details, account())

    def of(self, digest: str) -> Restriction | None:
        """The restriction of a version, None where everybody may read it."""
        with self._database.read() as connection:
            row = connection.one("SELECT * FROM restrictions WHERE digest = :digest", digest=digest)
        return None if row is None else Restriction(**read("restrictions", row))

    def all(self) -> list[Restriction]:
        """All restrictions that hold, oldest first."""
        with self._database.read() as connection:
            rows = connection.all("SELECT * FROM restrictions ORDER BY at, digest")
        return [Restriction(**read("restrictions", row)) for row in rows]

    def read(
        self, digest: str, *, part: str, rows: int | None = None, verb: str = "", name: str = "", run: str | None = None
    ) -> None:
        """Called by every door before it hands rows or files out: refuse, or record it.

        A process that reads the same part of a version again by the same verb is recorded once.

        Parameters
        ----------
        digest, name : of the version, and what people call it. verb : by default that of the command line. part : ``train``, ``valid``, ``files`` ...
        rows : how many (or files), where that is known.

        Raises
        ------
        AccessError : the version is restricted to others. The refusal is in the audit trail. Forgotten : its rows are gone for good.
        """
        verb = verb or verb_of_process()
        self._check(digest, name or digest, verb, part)
        self.refuse_forgotten(digest, name)
        told = (digest, part, verb, run or "")
        if told in self._told:
            return
        self._told.add(told)
        details = {"verb": verb, "part": part, "rows": rows, "name": name, "host": Process.current().host}
        self._audit.append(READ, digest, {**details, **({"run": run} if run else {})}, account())

    def refuse_forgotten(self, digest: str, name: str = "") -> None:
        """Refuse where a version of the data set is forgotten: nothing of it can be read any more.

        Raises
        ------
        Forgotten : with who forgot it, when and why.
        """
        found = self.forgetting(digest)
        if found is None:
            return
        raise Forgotten(
            f"the version {name or digest[7:19]} of the data set is forgotten",
            why=f"{found.who or 'somebody'} let go of its rows for good at {found.at}: {found.why or 'no reason was given'}",
            way_out="name another version, as `penstock data log` lists them; what used this one is told by "
            f"`penstock data lineage {digest[7:19]}`",
        )

    def forgetting(self, digest: str) -> Forgetting | None:
        """Who let go of a version, when and why; None where its rows are there.

        The command may be given again, to go on or to take models later: who began stays named, with the first reason that was given.
        """
        with self._database.read() as connection:
            at = connection.value("SELECT forgotten_at FROM datasets WHERE digest = :digest", digest=digest)
            if at is None:
                return None
            query = "SELECT * FROM events WHERE subject = :digest AND what = :what AND at >= :at ORDER BY number"
            rows = connection.all(query, digest=digest, what=FORGOTTEN, at=at)
        events = [Event(**read("events", row)) for row in rows]
        reasons = [str(event.details["why"]) for event in events if event.details.get("why")]
        return Forgetting(events[0].who if events else "", at, reasons[0] if reasons else "")

    def require(self, digest: str, *, name: str, verb: str) -> None:
        """Refuse where a version is restricted to others, who asks to do something with it but to read it. Errors: as `read`."""
        self._check(digest, name, verb, "")

    def log(self, digest: str | None = None) -> list[Event]:
        """Who read or was refused, restricted or freed versions; of one, or of all; newest first."""
        kinds = [READ, REFUSED, FORGOTTEN, "restrict data", "unrestrict data"]
        where = "" if digest is None else " AND subject = :digest"
        given = {} if digest is None else {"digest": digest}
        with self._database.read() as connection:
            rows = connection.all(
                f"SELECT * FROM events WHERE what IN :kinds{where} ORDER BY number DESC", kinds=kinds, **given
            )
        return [Event(**read("events", row)) for row in rows]

    def _check(self, digest: str, name: str, verb: str, part: str) -> None:
        restriction = self.of(digest)
        if restriction is None or account() in restriction.users:
            return
        host = Process.current().host
        self._audit.append(REFUSED, digest, {"verb": verb, "part": part, "name": name, "host": host}, account())
        raise AccessError(
            f"{account()} may not read {name}",
            why=f"{restriction.who} has restricted it to {', '.join(restriction.users)}: {restriction.why}",
            way_out=f"ask {restriction.who}, or one of these, to read it for you or to free it: `penstock data unrestrict`",
        )
