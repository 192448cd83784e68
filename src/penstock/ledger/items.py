"""Data items: named files and folders, and their versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, final

from penstock.errors import BadParameter, NotFound
from penstock.ledger.clock import now_text
from penstock.ledger.database import Connection, Database
from penstock.ledger.process import Process, user
from penstock.ledger.schema import insert, read

_KEPT = "digest <> ''"
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
        """Forget versions: nothing of them stays but their numbers, which are not given again.

        A version is a row without digest from then on, so that it keeps no object.
        """
        gone = {"digest": "", "content": "", "details": "{}"}
        with self._database.write() as connection:
            for version in versions:
                connection.execute(
                    "UPDATE data_items SET digest = :digest, content = :content, details = :details "
                    "WHERE name = :name AND number = :number",
                    name=version.name,
                    number=version.number,
                    **gone,
                )

    def newest(self, name: str) -> ItemVersion | None:
        """The newest version of an item, None where there is none of this name."""
        with self._database.read() as connection:
            return _newest(connection, name)

    def get(self, reference: str) -> ItemVersion:
        """The version of ``name`` (the newest), ``name@number`` or ``name@digest`` (a unique beginning of it).

        Raises
        ------
        NotFound : there is none; the nearest name, or the versions that there are, are named.
        """
        versions = self.log(reference)
        if versions:
            return versions[0]
        name, at, which = reference.rpartition("@")
        versions = self.log(name) if at else []
        if not versions:
            raise self._no_item(name if at else reference)
        if which.isdecimal():
            found = [v for v in versions if v.number == int(which)]
        elif which in ("", "latest"):
            found = versions[:1]
        else:
            start = which.removeprefix("sha256:")
            found = [v for v in versions if v.digest[7:].startswith(start) or v.content[7:].startswith(start)]
        if len(found) != 1:
            numbers = f"{versions[-1].number} to {versions[0].number}" if len(versions) > 1 else str(versions[0].number)
            raise NotFound(
                f"there is no version {which!r} of {name!r}" if not found else f"{which!r} is more than one version",
                why=f"it has {numbers}",
                way_out=f"list them with `penstock data log {name}`",
            )
        return found[0]

    def log(self, name: str | None = None) -> list[ItemVersion]:
        """Versions of an item, or of all, newest first."""
        where = f"WHERE {_KEPT} " if name is None else f"WHERE name = :name AND {_KEPT} "
        given = {} if name is None else {"name": name}
        with self._database.read() as connection:
            rows = connection.all(f"SELECT * FROM data_items {where}ORDER BY at DESC, name, number DESC", **given)
        return [ItemVersion(**read("data_items", row)) for row in rows]

    def names(self) -> list[str]:
        """All names, in order."""
        with self._database.read() as connection:
            return sorted(connection.values(f"SELECT DISTINCT name FROM data_items WHERE {_KEPT}"))

    def _no_item(self, name: str) -> NotFound:
        import difflib

        names = self.names()
        near = difflib.get_close_matches(name, names, 1, 0.4)
        return NotFound(
            f"there is no data item {name!r}",
            why=f"the nearest is {near[0]!r}" if near else f"there are {len(names)} items",
            way_out=f"write {near[0]!r}"
            if near
            else "add it with `penstock data add PATH`, or list them: `penstock data log`",
        )


def _newest(connection: Connection, name: str) -> ItemVersion | None:
    where = f"WHERE name = :name AND {_KEPT}"
    row = connection.one(f"SELECT * FROM data_items {where} ORDER BY number DESC LIMIT 1", name=name)
    return None if row is None else ItemVersion(**read("data_items", row))


def _last_number(connection: Connection, name: str) -> int:
    """Of all versions that there were, also those that are forgotten."""
    found = connection.values("SELECT MAX(number) FROM data_items WHERE name = :name", name=name)
    return int(next(iter(found), None) or 0)
