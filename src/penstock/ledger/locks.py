"""Locks: one process at a time does a thing. A lock whose process has died is free."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import sqlalchemy as sa

from penstock.errors import ProjectError
from penstock.ledger.clock import now_text
from penstock.ledger.database import Database
from penstock.ledger.process import Process
from penstock.ledger.schema import locks

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
                    way_out=f"wait for it to end, or stop it with `kill {process.pid}`",
                )
            time.sleep(POLL_S)
        try:
            yield
        finally:
            with self._database.write() as connection:
                connection.execute(locks.delete().where(locks.c.name == name, locks.c.holder == holder))

    def break_open(self, name: str) -> None:
        """Free a lock by force: for a holder on another machine that is known to be gone."""
        with self._database.write() as connection:
            connection.execute(locks.delete().where(locks.c.name == name))

    def _take(self, name: str, holder: str) -> tuple[Process, str] | None:
        """Take the lock, or tell whose it is and since when."""
        with self._database.write() as connection:
            found = connection.execute(sa.select(locks).where(locks.c.name == name)).one_or_none()
            if found is not None:
                process = Process.from_json(found.process)
                if not process.is_gone():
                    return process, found.since
                connection.execute(locks.delete().where(locks.c.name == name))
            mine = {"holder": holder, "process": Process.current().to_json(), "since": now_text()}
            connection.execute(locks.insert().values(name=name, **mine))
        return None
