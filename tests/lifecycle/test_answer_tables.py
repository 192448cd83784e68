"""Answers in a table: rows and record are there together or not at all, and the table is what the answers need."""

from __future__ import annotations

import os
import signal
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from tests.ledger.conftest import postgres  # noqa: F401 - a fixture

from penstock.errors import BadParameter, DeclarationError, StoreError
from penstock.lifecycle.answer_tables import AnswerTable
from penstock.serving.batch.done import Done

SCHEMA = pa.schema(
    [("row", pa.int64()), ("prediction", pa.string()), ("sure", pa.bool_()), ("novelty", pa.float64())]
)  # fmt: skip


def batches(*rows: int) -> Iterator[pa.RecordBatch]:
    for row in rows:
        yield pa.record_batch([[row], ["né 'x'"], [None], [0.1 + row]], schema=SCHEMA)


def done(name: str, rows: int) -> Done:
    return Done(name, "sha256:0", "", "sha256:1", "sha256:2", "toy", 1, rows, 0, 0, "2026-11-30T00:00:00+00:00")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnswerTable:
    monkeypatch.chdir(tmp_path)
    return AnswerTable("sqlite:///scores.db?table=answers")


def test_answers_and_their_record_are_kept(place: AnswerTable) -> None:
    """Another file beside them; the same one again takes their place."""
    place.keep("a.csv", SCHEMA, batches(0, 1), lambda: done("a.csv", 2))
    place.keep("b.csv", SCHEMA, batches(0), lambda: done("b.csv", 1))
    kept = place.keep("a.csv", SCHEMA, batches(0), lambda: done("a.csv", 1))
    assert place.records() == {"a.csv": kept, "b.csv": place.records()["b.csv"]}
    assert place.holds(kept)
    with sqlite3.connect("scores.db") as database:
        assert database.execute("SELECT * FROM answers ORDER BY input").fetchall() == [
            ("a.csv", 0, "né 'x'", None, 0.1), ("b.csv", 0, "né 'x'", None, 0.1)
        ]  # fmt: skip
        database.execute("DELETE FROM answers WHERE input = 'a.csv'")
    assert not place.holds(kept), "somebody removed them: they are answered anew"


def test_what_fails_leaves_what_was_there(place: AnswerTable) -> None:
    """Rows, records, and no table that nobody asked for."""
    with pytest.raises(ValueError, match="half way"):
        place.keep("a.csv", SCHEMA, _failing(), lambda: done("a.csv", 2))
    kept = place.keep("a.csv", SCHEMA, batches(0, 1), lambda: done("a.csv", 2))
    with pytest.raises(ValueError, match="half way"):
        place.keep("a.csv", SCHEMA, _failing(), lambda: done("a.csv", 2))
    assert place.records() == {"a.csv": kept}
    assert place.holds(kept)


@pytest.mark.parametrize("moment", range(1, 7))
def test_killed_within_the_transaction_nothing_of_it_is_there(
    place: AnswerTable, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies before one of its statements; the next one finds what was there before."""
    before = place.keep("a.csv", SCHEMA, batches(0), lambda: done("a.csv", 1))
    child = os.fork()
    if child == 0:
        from penstock.lifecycle import answer_tables

        count = 0
        run, insert = answer_tables._OpenSqlite.run, answer_tables._OpenSqlite.insert

        def counted(work):  # type: ignore[no-untyped-def]
            def counting(*given):  # type: ignore[no-untyped-def]
                nonlocal count
                count += 1
                if count == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                work(*given)

            return counting

        answer_tables._OpenSqlite.run, answer_tables._OpenSqlite.insert = counted(run), counted(insert)  # type: ignore[method-assign]
        try:
            place.keep("a.csv", SCHEMA, batches(5, 6), lambda: done("a.csv", 2))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    if moment < 6:  # records, delete, two batches, record out and in
        assert os.WIFSIGNALED(status)
        assert place.records() == {"a.csv": before}
        with sqlite3.connect("scores.db") as database:
            assert database.execute('SELECT "row" FROM answers').fetchall() == [(0,)]
    after = place.keep("a.csv", SCHEMA, batches(5, 6), lambda: done("a.csv", 2))
    assert place.holds(after)


@pytest.fixture
def database(postgres: str) -> Iterator[str]:  # noqa: F811
    """A database of its own in a real PostgreSQL."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres.format(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("moment", range(1, 8))
def test_killed_within_a_transaction_of_postgres_nothing_of_it_is_there(
    database: str, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 before each of its statements, in the middle of the COPY and before the commit; the next process waits for no lock."""
    import psycopg

    place = AnswerTable(f"{database}&table=answers")
    before = place.keep("a.csv", SCHEMA, batches(0), lambda: done("a.csv", 1))
    child = os.fork()
    if child == 0:
        from penstock.lifecycle import answer_tables

        count = 0

        def step() -> None:
            nonlocal count
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        run, insert = answer_tables._OpenPostgres.run, answer_tables._OpenPostgres.insert

        def running(*given):  # type: ignore[no-untyped-def]
            step()
            run(*given)

        def inserting(self, table, columns, rows):  # type: ignore[no-untyped-def]
            def stepping():  # type: ignore[no-untyped-def]
                for row in rows:
                    yield row
                    step()

            insert(self, table, columns, stepping())

        answer_tables._OpenPostgres.run, answer_tables._OpenPostgres.insert = running, inserting  # type: ignore[method-assign]
        try:
            place.keep("a.csv", SCHEMA, batches(5, 6), lambda: done("a.csv", 2))
            step()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    if moment < 7:  # records, delete, a row of each of two batches, record out and in; then it is there
        assert os.WIFSIGNALED(status)
        assert place.records() == {"a.csv": before}
        with psycopg.connect(database) as connection:
            assert connection.execute('SELECT "row" FROM answers').fetchall() == [(0,)]
    after = place.keep("a.csv", SCHEMA, batches(5, 6), lambda: done("a.csv", 2))
    assert place.holds(after)
    with psycopg.connect(database) as connection:
        assert connection.execute('SELECT "row" FROM answers ORDER BY 1').fetchall() == [(5,), (6,)]


def test_a_connection_that_the_server_ends_is_told_and_leaves_what_was_there(database: str) -> None:
    """As at a restart of PostgreSQL, in the middle of the answers; the password is in no message."""
    import psycopg

    place = AnswerTable(f"{database}&table=answers")
    before = place.keep("a.csv", SCHEMA, batches(0), lambda: done("a.csv", 1))

    def ending() -> Done:
        with psycopg.connect(database, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return done("a.csv", 2)

    with pytest.raises(StoreError, match="does not take the answers"):
        place.keep("a.csv", SCHEMA, batches(5, 6), ending)
    assert place.records() == {"a.csv": before}
    assert place.holds(before)


def test_a_table_of_other_columns_is_refused(place: AnswerTable) -> None:
    """It may hold what somebody else counts on."""
    with sqlite3.connect("scores.db") as database:
        database.execute("CREATE TABLE answers (id INTEGER)")
    with pytest.raises(BadParameter, match="has other columns than the answers"):
        place.keep("a.csv", SCHEMA, batches(0), lambda: done("a.csv", 1))


def test_what_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No table, no folder, no database; a password in the clear."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadParameter, match="names no table"):
        AnswerTable("sqlite:///scores.db")
    with pytest.raises(StoreError, match="there is no folder"):
        AnswerTable("sqlite:///gone/scores.db?table=a").records()
    (tmp_path / "text.db").write_text("no database, but a text that is long enough to be looked at" * 20)
    with pytest.raises(StoreError, match="does not take the answers"):
        AnswerTable("sqlite:///text.db?table=a").records()
    with pytest.raises(DeclarationError, match="holds a password"):
        AnswerTable("postgresql://me:secret@host/db?table=a")


def _failing() -> Iterator[pa.RecordBatch]:
    yield from batches(7)
    raise ValueError("half way")
