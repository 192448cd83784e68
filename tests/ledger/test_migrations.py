"""Migrations: the ledger's tables are what the queries think, on both databases, whoever made them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from penstock.errors import NewerFormat
from penstock.ledger import migrations, schema
from penstock.ledger.database import Database
from penstock.ledger.ledger import Ledger
from penstock.ledger.migrations import MIGRATIONS, migrate

PLACES = pytest.mark.parametrize("where", ["sqlite_place", "postgres_place"])


@PLACES
def test_the_migrated_tables_are_those_of_the_schema(where: str, request: pytest.FixtureRequest) -> None:
    """Every table, column, type, key and "not null" that queries rely on is what the migrations made."""
    place = request.getfixturevalue(where)
    place.open().close()
    engine = sa.create_engine(place.url.replace("postgresql://", "postgresql+psycopg://"))
    made = sa.MetaData()
    made.reflect(engine)
    assert set(made.tables) == set(schema.metadata.tables)
    for name, table in schema.metadata.tables.items():
        found = made.tables[name]
        assert {c.name for c in found.columns} == {c.name for c in table.columns}
        assert [c.name for c in found.primary_key] == [c.name for c in table.primary_key]
        for column in table.columns:
            assert found.c[column.name].type.python_type is _stored(column.type), f"{name}.{column.name}"
            if not column.primary_key:  # SQLite does not report keys as "not null"
                assert found.c[column.name].nullable == column.nullable, f"{name}.{column.name}"
    engine.dispose()


def _stored(kind: sa.types.TypeEngine[object]) -> type:
    """What a column holds in the database: JSON is text there."""
    return str if isinstance(kind, schema.Json) else kind.python_type


@PLACES
def test_a_ledger_of_a_newer_release_is_refused(where: str, request: pytest.FixtureRequest) -> None:
    """Its tables may mean something else; the way out is to upgrade."""
    place = request.getfixturevalue(where)
    ledger = place.open()
    with ledger._database.write() as connection:
        connection.execute(schema.migrations.insert().values(name="0099_from_the_future", at="2030-01-01T00:00:00Z"))
    ledger.close()
    with pytest.raises(NewerFormat, match=r"(?s)newer than this Penstock.*0099_from_the_future.*--upgrade"):
        place.open()


@PLACES
def test_a_migration_that_fails_leaves_nothing(where: str, request: pytest.FixtureRequest) -> None:
    """Its tables and its record come together or not at all, and the next start tries it again."""
    place = request.getfixturevalue(where)
    ledger = place.open()
    fails = True

    def _0099_add_teams(connection: sa.Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE teams (name TEXT PRIMARY KEY)")
        if fails:
            raise RuntimeError("power cut")

    steps = [*MIGRATIONS, _0099_add_teams]
    with pytest.raises(RuntimeError, match="power cut"):
        migrate(ledger._database, steps)
    with ledger._database.read() as connection:
        assert not sa.inspect(connection).has_table("teams")
    place.open().close()  # the release without that migration goes on
    fails = False
    migrate(ledger._database, steps)
    migrate(ledger._database, steps)
    with ledger._database.read() as connection:
        assert sa.inspect(connection).has_table("teams")
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.migrations)) == len(steps)
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
