"""Migrations: the ledger's tables are what the queries think, on both databases, whoever made them."""

from __future__ import annotations

import pytest

from penstock.errors import NewerFormat
from penstock.ledger import migrations, schema
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.ledger import Ledger
from penstock.ledger.migrations import MIGRATIONS, migrate

PLACES = pytest.mark.parametrize("where", ["sqlite_place", "postgres_place"])


@PLACES
def test_the_migrated_tables_are_those_of_the_schema(where: str, request: pytest.FixtureRequest) -> None:
    """Every table, column, type, key and "not null" that queries rely on is what the migrations made."""
    place = request.getfixturevalue(where)
    place.open().close()
    database = Database(place.url)
    with database.read() as connection:
        assert _tables(connection) == set(schema.tables())
        for name, columns in schema.tables().items():
            found = _columns(connection, name)
            assert found.keys() == columns.keys(), name
            for column, (kind, *more) in columns.items():
                key, null = "key" in more, "null" in more
                stored = {"json": "text"}.get(kind, kind)
                assert found[column][:2] == (stored, key), f"{name}.{column}"
                if not key:  # SQLite does not report keys as "not null"
                    assert found[column][2] == null, f"{name}.{column}"
    database.close()


def _tables(connection: Connection) -> set[str]:
    if connection.is_sqlite:
        return set(connection.values("SELECT name FROM sqlite_master WHERE type = 'table'"))
    return set(connection.values("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"))


def _columns(connection: Connection, table: str) -> dict[str, tuple[str, bool, bool]]:
    """Name -> kind, whether it is of the key, whether it may be absent."""
    kinds = {"double precision": "double"}
    if connection.is_sqlite:
        rows = connection.all(f"PRAGMA table_info({table})")
        return {r.name: (kinds.get(r.type.lower(), r.type.lower()), r.pk > 0, not r.notnull) for r in rows}
    keys = connection.values(
        "SELECT k.column_name FROM information_schema.key_column_usage k JOIN information_schema.table_constraints c "
        "ON k.constraint_name = c.constraint_name AND k.table_name = c.table_name "
        "WHERE c.table_name = :name AND c.constraint_type = 'PRIMARY KEY'",
        name=table,
    )
    rows = connection.all(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = :name",
        name=table,
    )
    return {
        r.column_name: (kinds.get(r.data_type, r.data_type), r.column_name in keys, r.is_nullable == "YES")
        for r in rows
    }


@PLACES
def test_a_ledger_of_a_newer_release_is_refused(where: str, request: pytest.FixtureRequest) -> None:
    """Its tables may mean something else; the way out is to upgrade."""
    place = request.getfixturevalue(where)
    ledger = place.open()
    with ledger._database.write() as connection:
        schema.insert(connection, "migrations", {"name": "0099_from_the_future", "at": "2030-01-01T00:00:00Z"})
    ledger.close()
    with pytest.raises(NewerFormat, match=r"(?s)newer than this Penstock.*0099_from_the_future.*--upgrade"):
        place.open()


@PLACES
def test_a_migration_that_fails_leaves_nothing(where: str, request: pytest.FixtureRequest) -> None:
    """Its tables and its record come together or not at all, and the next start tries it again."""
    place = request.getfixturevalue(where)
    ledger = place.open()
    fails = True

    def _0099_add_teams(connection: Connection) -> None:
        connection.execute("CREATE TABLE teams (name TEXT PRIMARY KEY)")
        if fails:
            raise RuntimeError("power cut")

    steps = [*MIGRATIONS, _0099_add_teams]
    with pytest.raises(RuntimeError, match="power cut"):
        migrate(ledger._database, steps)
    with ledger._database.read() as connection:
        assert not connection.has_table("teams")
    place.open().close()  # the release without that migration goes on
    fails = False
    migrate(ledger._database, steps)
    migrate(ledger._database, steps)
    with ledger._database.read() as connection:
        assert connection.has_table("teams")
        assert connection.value("SELECT count(*) FROM migrations") == len(steps)
    ledger.close()


def test_a_ledger_that_is_up_to_date_is_only_read(sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening waits for no writer."""
    monkeypatch.setattr(Database, "write", lambda self: pytest.fail("the ledger was written to"))
    migrate(sqlite_ledger._database)


def test_names_of_migrations_are_unique_and_in_order() -> None:
    """The list only grows: a number is never used twice."""
    names = [migrations._name(step) for step in MIGRATIONS]
    assert names == sorted(set(names))
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


@PLACES
def test_a_ledger_from_before_scripts_is_read(where: str, request: pytest.FixtureRequest) -> None:
    """Its runs keep everything, and get the machine that their processes ran on; nobody knows their users any more."""
    place = request.getfixturevalue(where)
    database = Database(place.url)
    migrate(database, MIGRATIONS[:2])
    process = {"host": "old-machine", "boot": "", "pid": 7, "ticks": 0}
    run = {
        "id": "20260101T000000-00000a", "operation": "search", "status": "done", "key": "sha256:k", "code": "0.0.9",
        "project": "bank", "seed": 3, "started_at": "2026-01-01T00:00:00.000000Z",
        "ended_at": "2026-01-01T00:01:00.000000Z", "seconds": 60.0, "params": {"best": float("nan")}, "inputs": {},
        "outputs": {"rows": 3}, "environment": "sha256:e", "source": {"commit": "abc"}, "cost": {"wall_s": 60.0},
        "process": process,
    }  # fmt: skip
    with database.write() as connection:
        schema.insert(connection, "runs", run)
        schema.insert(connection, "environments", {"digest": "sha256:e", "body": {"cpus": 2}})
    database.close()
    ledger = place.open()
    record = ledger.get(run["id"])
    assert (record.status, record.seed, record.outputs, record.environment) == ("done", 3, {"rows": 3}, {"cpus": 2})
    assert record.params["best"] != record.params["best"]
    assert (record.host, record.who, record.parent, record.deleted_at) == ("old-machine", None, None, None)
    assert (record.tags, record.notes) == ({}, [])
    assert [r.id for r in ledger.runs(project="bank")] == [run["id"]]
    ledger.tag(run["id"], {"old": ""})
    assert ledger.get(run["id"]).tags == {"old": ""}
    ledger.close()


@PLACES
def test_a_version_that_was_forgotten_before_there_was_a_bin_stays_so(
    where: str, request: pytest.FixtureRequest
) -> None:
    """Its row holds its number alone: it is not found, neither in the lists nor in the bin."""
    place = request.getfixturevalue(where)
    database = Database(place.url)
    migrate(database, MIGRATIONS[:4])
    row = {
        "name": "d", "number": 1, "digest": "", "content": "", "kind": "file", "place": "d", "files": 1, "size_bytes": 1,
        "message": "", "who": "ana", "host": "h", "at": "2026-01-01T00:00:00.000000Z", "details": {},
    }  # fmt: skip
    with database.write() as connection:
        schema.insert(connection, "data_items", row)
    database.close()
    ledger = place.open()
    assert ledger.items.log() == ledger.items.log(removed=None) == ledger.items.names() == []
    ledger.close()
