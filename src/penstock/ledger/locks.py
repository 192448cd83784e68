"""Locks: one process at a time does a thing. A lock whose process has died is free."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from penstock.errors import ProjectError
from penstock.ledger.clock import now_text
from penstock.ledger.database import Database
from penstock.ledger.process import Process
from penstock.ledger.schema import insert, json_value

POLL_S = 0.1


@final
class Locks:
    """Named locks in the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def hold(self, name: str, *, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the lock inside the block. Waits up to `wait_s` seconds for its holder; it cannot be held twice.

        Raises
        ------
        ProjectError : another process (or thread) holds it still; the message names it.
        """
        holder = os.urandom(8).hex()
        deadline = time.monotonic() + wait_s
        while (other := self._take(name, holder)) is not None:
            if time.monotonic() >= deadline:
                process, since = other
                raise ProjectError(
                    f"`penstock {name}` is already at work here",
                    why=f"{process} began at {since}",
                    way_out=_way_out(process, name),
                )
            time.sleep(POLL_S)
        try:
            yield
        finally:
            with self._database.write() as connection:
                connection.execute("DELETE FROM locks WHERE name = :name AND holder = :h", name=name, h=holder)

    def free(self, name: str) -> Process:
        """Free a lock by force, where its holder on another machine is known to be gone; gives the holder.

        Raises
        ------
        ProjectError : nobody holds it, or a process of this machine does, which can be seen to be alive.
        """
        with self._database.write() as connection:
            found = connection.one("SELECT * FROM locks WHERE name = :name", name=name)
            if found is None:
                held = ", ".join(repr(other) for other in connection.values("SELECT name FROM locks")) or "none"
                raise ProjectError(
                    f"there is no lock {name!r}", f"locks that are held: {held}", "run the command again"
                )
            process = Process.from_json(json_value(found.process))
            if process.host == Process.current().host and not process.is_gone():
                raise ProjectError(
                    f"the lock {name!r} is not free",
                    f"{process} is alive, since {found.since}",
                    _way_out(process, name),
                )
            connection.execute("DELETE FROM locks WHERE name = :name", name=name)
        return process

    def _take(self, name: str, holder: str) -> tuple[Process, str] | None:
        """Take the lock, or tell whose it is and since when."""
        with self._database.write() as connection:
            found = connection.one("SELECT * FROM locks WHERE name = :name", name=name)
            if found is not None:
                process = Process.from_json(json_value(found.process))
                if not process.is_gone():
                    return process, found.since
                connection.execute("DELETE FROM locks WHERE name = :name", name=name)
            mine = {"holder": holder, "process": Process.current().to_json(), "since": now_text()}
            insert(connection, "locks", {"name": name, **mine})
        return None


def _way_out(process: Process, name: str) -> str:
    if process.host == Process.current().host:
        return f"wait for it to end, or stop it with `kill {process.pid}`"
    return (
        f"wait for it to end; where that machine or process is gone, which cannot be seen from here, free the lock with "
        f"`penstock doctor --free-lock '{name}'`"
    )
