"""Data items: named files and folders, and their versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, final

from penstock.errors import BadParameter, NotFound
from penstock.ledger.clock import now_text
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.process import Process, user
from penstock.ledger.schema import insert, read, update

_IN_BIN = "removed_at IS NOT NULL AND digest <> ''"
"""Of a version that is forgotten a row without digest stays, which holds its number."""


@dataclass(frozen=True, slots=True)
class ItemVersion:
    """One version of a data item.

    Attributes
    ----------
    name, number : which item, and which version of it, from 1; gaps are versions that are forgotten.
    digest : of the tree that holds it (`penstock.objects.tree`). content : of its files alone: equal for equal files.
    kind : ``file`` or ``folder``. place : where it was added from, relative to the workspace where it lies in it.
    files, size_bytes : how many files, and their bytes together.
    who, host, at, message : who added it, where, when, and why.
    details : `new_bytes` that this version needed beside what was stored, `parent`, and the like.
    removed_at : when it was removed; None where it was not, or is back.
    """

    name: str
    number: int
    digest: str
    content: str
    kind: str
    place: str
    files: int
    size_bytes: int
    message: str
    who: str
    host: str
    at: str
    details: dict[str, Any] = field(default_factory=dict)
    removed_at: str | None = None

    @property
    def reference(self) -> str:
        """``name@number``."""
        return f"{self.name}@{self.number}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
class Items:
    """Data items in the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        digest: str,
        content: str,
        *,
        kind: str,
        place: str,
        files: int,
        size_bytes: int,
        message: str = "",
        details: dict[str, Any] | None = None,
        again: bool = False,
    ) -> tuple[ItemVersion, bool]:
        """Record a version, and whether it is new: where the newest one has the same content, that one is given.

        `again`: not then either, as the newest one is stored no more.

        Raises
        ------
        BadParameter : the name is a file and now a folder, or the other way round.
        """
        with self._database.write() as connection:
            newest = _newest(connection, name)
            if newest is not None:
                if newest.kind != kind:
                    raise BadParameter(
                        f"{name!r} is a {newest.kind}, and {place} is a {kind}",
                        why="the versions of a data item are of one kind, so that they can be compared and checked out",
                        way_out="give it another name with --name",
                    )
                if newest.content == content and not (again and newest.digest != digest):
                    return newest, False
            version = ItemVersion(
                name=name,
                number=_last_number(connection, name) + 1,
                digest=digest,
                content=content,
                kind=kind,
                place=place,
                files=files,
                size_bytes=size_bytes,
                message=message,
                who=user(),
                host=Process.current().host,
                at=now_text(),
                details=details or {},
            )
            insert(connection, "data_items", asdict(version))
        return version, True

    def remove(self, versions: Iterable[ItemVersion]) -> None:
        """Put versions into the bin: nothing finds them there but `restore`, their objects stay, their numbers are not given again."""
        with self._database.write() as connection:
            for version in versions:
                _set_removed(connection, version, now_text())

    def restore(self, versions: Iterable[ItemVersion]) -> list[ItemVersion]:
        """Take versions out of the bin; gives those that are back, as they now are. Others were forgotten meanwhile, or never removed.

        Raises
        ------
        BadParameter : the name is of a file now and they are folders, or the other way round; none is back.
        """
        back = []
        with self._database.write() as connection:
            for version in versions:
                newest = _newest(connection, version.name)
                if newest is not None and newest.kind != version.kind:
                    raise BadParameter(
                        f"{version.reference} is a {version.kind}, and {newest.reference} is a {newest.kind}",
                        why="the versions of a data item are of one kind, so that they can be compared and checked out",
                        way_out=f"add what is called {version.name} now under another name (--name), and remove it here first",
                    )
                if _set_removed(connection, version, None):
                    back.append(replace(version, removed_at=None))
        return back

    def forget(self, *, removed_before: str) -> list[ItemVersion]:
        """Empty the bin of versions that were removed before an instant, for good; gives them as they were.

        Nothing of them stays but their numbers: a row without digest, which keeps no object.
        """
        gone = {"digest": "", "content": "", "details": {}}
        where = f"{_IN_BIN} AND removed_at < :before"
        with self._database.write() as connection:
            rows = connection.all(
                f"SELECT * FROM data_items WHERE {where} ORDER BY name, number", before=removed_before
            )
            update(connection, "data_items", gone, where, before=removed_before)
        return [ItemVersion(**read("data_items", row)) for row in rows]

    def newest(self, name: str) -> ItemVersion | None:
        """The newest version of an item, None where there is none of this name."""
        with self._database.read() as connection:
            return _newest(connection, name)

    def get(self, reference: str, *, removed: bool = False) -> ItemVersion:
        """The version of ``name`` (the newest), ``name@number`` or ``name@digest`` (a unique beginning of it).

        `removed`: of those in the bin.

        Raises
        ------
        NotFound : there is none; where it was removed, the nearest name, or the versions that there are, are told.
        """
        versions = self.log(reference, removed=removed)
        if versions:
            return versions[0]
        name, at, which = reference.rpartition("@")
        versions = self.log(name, removed=removed) if at else []
        if not versions:
            raise self._no_item(reference, name if at else reference, removed=removed)
        if which.isdecimal():
            found = [v for v in versions if v.number == int(which)]
        elif which in ("", "latest"):
            found = versions[:1]
        else:
            start = which.removeprefix("sha256:")
            found = [v for v in versions if v.digest[7:].startswith(start) or v.content[7:].startswith(start)]
        if len(found) != 1:
            if not (found or removed):
                self._refuse_removed(reference)
            numbers = f"{versions[-1].number} to {versions[0].number}" if len(versions) > 1 else str(versions[0].number)
            raise NotFound(
                f"there is no version {which!r} of {name!r}" if not found else f"{which!r} is more than one version",
                why=f"it has {numbers}",
                way_out=f"list them with `penstock data log {'--removed ' if removed else ''}{name}`",
            )
        return found[0]

    def log(self, name: str | None = None, *, removed: bool | None = False) -> list[ItemVersion]:
        """Versions of an item, or of all, newest first. `removed`: those in the bin; None for both."""
        parts = [] if name is None else ["name = :name"]
        parts.append({False: "removed_at IS NULL", True: _IN_BIN, None: "digest <> ''"}[removed])
        given = {} if name is None else {"name": name}
        query = f"SELECT * FROM data_items WHERE {' AND '.join(parts)} ORDER BY at DESC, name, number DESC"
        with self._database.read() as connection:
            rows = connection.all(query, **given)
        return [ItemVersion(**read("data_items", row)) for row in rows]

    def names(self) -> list[str]:
        """All names, in order."""
        with self._database.read() as connection:
            return sorted(connection.values("SELECT DISTINCT name FROM data_items WHERE removed_at IS NULL"))

    def _refuse_removed(self, reference: str) -> None:
        """Raises NotFound where what is asked for is in the bin."""
        try:
            found = self.get(reference, removed=True)
        except NotFound:
            return
        raise NotFound(
            f"{reference!r} was removed",
            why=f"it went on {(found.removed_at or '')[:10]}, and can be brought back",
            way_out=f"penstock data restore {reference}",
        )

    def _no_item(self, reference: str, name: str, *, removed: bool) -> NotFound:
        import difflib

        if removed:
            return NotFound(
                f"no version of {name!r} is in the bin",
                why="none was removed, or it was forgotten since (`penstock data gc`)",
                way_out="list what can be brought back with `penstock data log --removed`",
            )
        self._refuse_removed(reference)
        names = self.names()
        near = difflib.get_close_matches(name, names, 1, 0.4)
        return NotFound(
            f"there is no data item {name!r}",
            why=f"the nearest is {near[0]!r}" if near else f"there are {len(names)} items",
            way_out=f"write {near[0]!r}"
            if near
            else "add it with `penstock data add PATH`, or list them: `penstock data log`",
        )


def _set_removed(connection: Connection, version: ItemVersion, at: str | None) -> int:
    """Into the bin, or out of it; gives how many were not there yet."""
    where = "name = :of AND number = :which AND digest <> '' AND removed_at IS " + ("NULL" if at else "NOT NULL")
    return update(connection, "data_items", {"removed_at": at}, where, of=version.name, which=version.number)


def _newest(connection: Connection, name: str) -> ItemVersion | None:
    query = "SELECT * FROM data_items WHERE name = :name AND removed_at IS NULL ORDER BY number DESC LIMIT 1"
    row = connection.one(query, name=name)
    return None if row is None else ItemVersion(**read("data_items", row))


def _last_number(connection: Connection, name: str) -> int:
    """Of all versions that there were, also those that are forgotten."""
    found = connection.values("SELECT MAX(number) FROM data_items WHERE name = :name", name=name)
    return int(next(iter(found), None) or 0)
