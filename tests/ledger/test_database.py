"""Transactions: who may write, what is undone, and what a driver's error becomes."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import DeclarationError, NotWritable, StoreError
from penstock.ledger import database, wording
from penstock.ledger.database import Database
from penstock.ledger.ledger import Ledger
from penstock.ledger.place import parse_place
from penstock.ledger.wording import Conflict, worded

PLACES = pytest.mark.parametrize("where", ["sqlite_place", "postgres_place"])


@pytest.fixture
def made(where: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with one table and one row."""
    place = request.getfixturevalue(where)
    found = Database(place.url)
    with found.write() as connection:
        connection.execute("CREATE TABLE things (name TEXT PRIMARY KEY, size DOUBLE PRECISION, kept BOOLEAN)")
        connection.execute("INSERT INTO things VALUES (:name, :size, :kept)", name="a:b 5%", size=1.5, kept=True)
    yield found
    found.close()


@PLACES
def test_statements_mean_the_same_on_both(made: Database) -> None:
    """Parameters by name, lists of texts, literals with what looks like parameters, rows with names."""
    with made.write() as connection:
        connection.many("INSERT INTO things (name, size) VALUES (:n, :s)", [{"n": n, "s": 2} for n in ("c", "d")])
        connection.many("INSERT INTO things (name, size) VALUES (:n, :s)", [])
    with made.read() as connection:
        query = "SELECT name, size AS much FROM things WHERE name IN :names AND name <> ':x 100%' ORDER BY name"
        rows = connection.all(query, names=["d", "a:b 5%", "absent"])
        assert [(row.name, row.much) for row in rows] == [("a:b 5%", 1.5), ("d", 2.0)]
        assert connection.all(query, names=[]) == []
        assert rows[0].to_dict() == {"name": "a:b 5%", "much": 1.5}
        with pytest.raises(AttributeError, match="no column 'sizes'; there are: name, much"):
            _ = rows[0].sizes
        assert connection.one("SELECT * FROM things WHERE name LIKE '%:%' AND kept") is not None
        assert connection.one("SELECT * FROM things WHERE name = :name", name="e") is None
        assert connection.value("SELECT count(*) FROM things") == 3
        assert connection.value("SELECT size FROM things WHERE name = :name", name="e") is None
        pages = list(connection.pages("SELECT name FROM things ORDER BY name", 2))
        assert [[row.name for row in page] for page in pages] == [["a:b 5%", "c"], ["d"]]


@PLACES
def test_a_transaction_that_raises_is_undone(made: Database) -> None:
    """All of it, and the next one is not disturbed."""

    def broken() -> None:
        with made.write() as connection:
            assert connection.execute("DELETE FROM things") == 1
            print(1 / 0)

    with pytest.raises(ZeroDivisionError):
        broken()
    with pytest.raises(Conflict), made.write() as connection:
        connection.many("INSERT INTO things (name) VALUES (:n)", [{"n": "b"}, {"n": "a:b 5%"}])
    with pytest.raises(StoreError, match="cannot be used"), made.read() as connection:
        connection.execute("DELETE FROM things")
    with made.read() as connection:
        assert connection.values("SELECT name FROM things") == ["a:b 5%"]


def test_a_ledger_of_another_user_is_told_with_the_command_that_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as a place that may not exist."""
    sqlite3.connect(tmp_path / "ledger.db").execute("CREATE TABLE t (a)").connection.close()
    connection = sqlite3.connect(f"file:{tmp_path}/ledger.db?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    monkeypatch.setattr(wording.os, "access", lambda *_: False)
    told = worded(caught.value, parse_place(f"sqlite:///{tmp_path}/ledger.db"), 1.0)
    assert isinstance(told, NotWritable)
    assert f"chown -R {os.geteuid()}:{os.getegid()} {tmp_path}" in told.way_out


@PLACES
def test_a_reader_sees_one_state(made: Database) -> None:
    """Whatever others write meanwhile."""
    with made.read() as reader:
        assert reader.value("SELECT count(*) FROM things") == 1
        with made.write() as writer:
            writer.execute("INSERT INTO things (name) VALUES ('new')")
        assert reader.value("SELECT count(*) FROM things") == 1
    with made.read() as reader:
        assert reader.value("SELECT count(*) FROM things") == 2


@PLACES
def test_a_writer_does_not_wait_for_ever(made: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hangs inside a transaction is told of, not waited for."""
    short = Database(made._at.url)
    monkeypatch.setattr(database, "WAIT_S", 0.2)
    monkeypatch.setattr(database, "_WRITE", database._WRITE.replace("60s", "200ms"))
    with (
        made.write(),
        pytest.raises(StoreError, match="was in use for more than"),
        short.write(),
    ):
        pass
    with short.write() as connection:
        assert connection.execute("DELETE FROM things") == 1
    short.close()


def test_a_connection_that_the_server_ended_is_replaced(postgres_place) -> None:  # type: ignore[no-untyped-def]
    """The server was started again, or has cut idle connections."""
    made = Database(postgres_place.url)
    other = Database(postgres_place.url)
    with made.read() as connection:
        process = connection.value("SELECT pg_backend_pid()")
    with other.write() as connection:
        connection.execute("SELECT pg_terminate_backend(:pid)", pid=process)
    with made.read() as connection:
        assert connection.value("SELECT pg_backend_pid()") != process
    made.close()
    other.close()


@PLACES
def test_a_forked_child_has_connections_of_its_own(where: str, request: pytest.FixtureRequest) -> None:
    """On both databases; the parent's stay usable."""
    place = request.getfixturevalue(where)
    ledger: Ledger = place.open()
    with ledger.run("parent"):
        child = multiprocessing.get_context("fork").Process(target=lambda: ledger.run("child").__enter__())
        child.start()
        child.join(60)
        assert child.exitcode == 0
    assert {r.operation: r.status for r in ledger.runs()} == {"child": "interrupted", "parent": "done"}
    ledger.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:hunter2@host:5432/shop", "postgresql://ada:***@host:5432/shop"),
        ("postgres://ada@host/shop", "postgresql://ada@host/shop"),
        ("postgresql+psycopg://ada:a%40b@/shop?host=/tmp", "postgresql://ada:***@/shop?host=/tmp"),
        ("postgresql:///shop?user=ada&password=hunter2&x=1", "postgresql:///shop?user=ada&password=***&x=1"),
    ],
)
def test_a_place_is_shown_without_its_password(url: str, shown: str) -> None:
    """However it is written; a driver's message is cleaned too."""
    place = parse_place(url)
    assert place.shown == shown
    assert place.file is None
    assert "hunter2" not in place.hidden(f"failed: {url}")


def test_a_file_is_taken_as_it_is_called() -> None:
    """Percent signs and spaces are no escapes."""
    assert parse_place("sqlite:////my shop/50%25?/ledger.db").file == Path("/my shop/50%25?/ledger.db")
    assert parse_place("sqlite+pysqlite:///ledger.db").file == Path("ledger.db")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:///ledger.db?timeout=5", "no settings"),
        ("sqlite://host/ledger.db", "another machine"),
        ("sqlite:///:memory:", "forgotten"),
        ("oracle://ada:hunter2@host/shop", "neither sqlite nor postgresql"),
        ("postgresql", "no URL"),
    ],
)
def test_what_is_no_place_is_refused(url: str, why: str) -> None:
    """With the way out, and without the password."""
    with pytest.raises(DeclarationError, match=why) as refused:
        parse_place(url)
    assert "hunter2" not in str(refused.value)
    assert "sqlite:////absolute/path" in refused.value.way_out


def test_a_file_that_somebody_reads_all_the_time_is_not_told_as_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted is still to be read in it then; once nobody reads, it is gone."""
    monkeypatch.setattr(database, "WAIT_S", 0.05)
    file = tmp_path / "ledger.db"
    made = Database(f"sqlite:///{file}")
    with made.write() as connection:
        connection.execute("CREATE TABLE things (name TEXT)")
        connection.execute("INSERT INTO things VALUES (:name)", name="Zqplanted")
    made.settle()
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT name FROM things").fetchall() == [("Zqplanted",)]
    with made.write() as connection:
        connection.execute("DELETE FROM things")
    with pytest.raises(StoreError, match="still holds what was deleted"):
        made.scrub()
    assert b"Zqplanted" in file.read_bytes()
    reader.execute("COMMIT")
    made.scrub()
    made.close()
    reader.close()
    assert b"Zqplanted" not in file.read_bytes()
