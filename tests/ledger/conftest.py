"""Where ledgers are made for the tests: a file, and a real PostgreSQL server where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.ledger.ledger import Ledger
from penstock.objects.store import open_store


@dataclass(frozen=True)
class Place:
    """What another process needs to open the same ledger."""

    url: str
    folder: Path

    def open(self) -> Ledger:
        return Ledger.open(self.url, open_store(self.folder / "objects"), state=self.folder)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Place:
    folder = tmp_path / "bank" / ".penstock"
    return Place(f"sqlite:///{folder / 'ledger.db'}", folder)


@pytest.fixture
def postgres_place(postgres: str, tmp_path: Path) -> Place:
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return Place(postgres.format(name), tmp_path / "bank" / ".penstock")


@pytest.fixture
def sqlite_ledger(sqlite_place: Place) -> Iterator[Ledger]:
    with sqlite_place.open() as ledger:
        yield ledger


@pytest.fixture
def opener() -> Iterator[Callable[[Place], Callable[[], Ledger]]]:
    """Makes functions that open one place again and again; all that was opened is closed at the end."""
    opened: list[Ledger] = []

    def of(place: Place) -> Callable[[], Ledger]:
        def open_ledger() -> Ledger:
            opened.append(place.open())
            return opened[-1]

        return open_ledger

    yield of
    for ledger in opened:
        ledger.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a server of our own, with ``{}`` for the database. It listens on a socket in a temporary folder only."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (initdb and postgres were not found)")
    as_user = _unprivileged()
    if as_user is None:
        pytest.skip("PostgreSQL does not run as root, and there is neither `runuser` nor a user `postgres`")
    folder = Path(tempfile.mkdtemp(prefix="penstock-pg-"))
    try:
        if as_user:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        data = folder / "data"
        subprocess.run(
            [*as_user, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        server = subprocess.Popen(
            [*as_user, programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-F"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        try:
            url = f"postgresql://postgres@/{{}}?host={folder}"
            _wait_for(url.format("postgres"))
            yield url
        finally:
            subprocess.run(
                [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], capture_output=True, cwd="/"
            )
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_programs() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def _unprivileged() -> list[str] | None:
    """What to put before a command so that it does not run as root; None where that is impossible."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return None
    return ["runuser", "-u", "postgres", "--"] if shutil.which("runuser") else None


def _wait_for(url: str) -> None:
    import psycopg

    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
