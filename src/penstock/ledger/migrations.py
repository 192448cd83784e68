"""How the ledger's tables came to be: named functions in a list that only grows.

To change the schema, append a function here and change `penstock.ledger.schema` to what the tables then are; a test holds
the two equal. Never edit a function that has been released: ledgers in the field have run it. Each runs in one transaction
together with the record that it ran. A ledger that records a name that is not in this list was written by a later release.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock.errors import NewerFormat, StoreError
from penstock.ledger.clock import now_text
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.schema import insert, json_value

Migration = Callable[[Connection], None]


def migrate(database: Database, steps: list[Migration] | None = None) -> None:
    """Bring the ledger to the newest schema. Costs one query where it is there already.

    Raises
    ------
    NewerFormat : a later release of Penstock has changed this ledger.
    StoreError : it is of an earlier release, and nothing can be written here.
    """
    steps = MIGRATIONS if steps is None else steps
    missing = _missing(database, steps)
    if missing and database.why_read_only:
        raise StoreError(
            f"the ledger {database.place} is of an earlier Penstock and has to be brought up to date first",
            why=f"nothing can be written here ({database.why_read_only})",
            way_out="run `penstock runs` once where its folder may be written to, or in a copy of the folder",
        )
    for step in missing:
        with database.write() as connection:
            if _name(step) in _applied(connection):  # another process was faster
                continue
            step(connection)
            insert(connection, "migrations", {"name": _name(step), "at": now_text()})
    if missing:
        database.settle()


def _missing(database: Database, steps: list[Migration]) -> list[Migration]:
    with database.read() as connection:
        applied = _applied(connection)
    known = [_name(step) for step in steps]
    newer = sorted(applied.difference(known))
    if newer:
        raise NewerFormat(
            f"the ledger {database.place} is newer than this Penstock",
            why=f"it has been changed by the migration {newer[-1]!r}, which this release does not know",
            way_out='pip install --upgrade "penstock"',
        )
    return [step for step in steps if _name(step) not in applied]


def _applied(connection: Connection) -> set[str]:
    if not connection.has_table("migrations"):
        return set()
    return set(connection.values("SELECT name FROM migrations"))


def _name(step: Migration) -> str:
    return step.__name__.removeprefix("_")


def _0001_first_tables(connection: Connection) -> None:
    """Runs, trials, the registry, envelopes, secrets, data sets, events, locks and the file stat cache."""
    for statement in _FIRST_TABLES.strip().split(";\n"):
        connection.execute(statement)


def _0002_events_only_grow(connection: Connection) -> None:
    """The database itself refuses to change or remove an event of the audit trail."""
    refusal = "the audit trail is append-only"
    if connection.is_sqlite:
        for verb in ("UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    connection.execute(
        "CREATE FUNCTION events_only_grow() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    connection.execute(
        "CREATE TRIGGER events_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION events_only_grow()"
    )


def _0003_runs_of_scripts(connection: Connection) -> None:
    """Runs belong to others, are thrown away and brought back, are tagged and noted; decisions, and MLflow's experiments."""
    for statement in _SCRIPT_TABLES.strip().split(";\n"):
        connection.execute(statement)
    for row in connection.all("SELECT id, process FROM runs"):
        host = json_value(row.process).get("host")
        connection.execute("UPDATE runs SET host = :host WHERE id = :id", id=row.id, host=host)


def _0004_data_items(connection: Connection) -> None:
    """Named files and folders with their versions, and versions that only some may read."""
    for statement in _DATA_TABLES.strip().split(";\n"):
        connection.execute(statement)


def _0005_a_bin_for_data(connection: Connection) -> None:
    """Versions of data items are thrown away and brought back; those that were removed before stay forgotten."""
    connection.execute("ALTER TABLE data_items ADD COLUMN removed_at TEXT")
    connection.execute("UPDATE data_items SET removed_at = at WHERE digest = ''")


def _0006_forgotten_versions(connection: Connection) -> None:
    """Versions of a data set whose rows are let go of for good."""
    connection.execute("ALTER TABLE datasets ADD COLUMN forgotten_at TEXT")


MIGRATIONS: list[Migration] = [
    _0001_first_tables,
    _0002_events_only_grow,
    _0003_runs_of_scripts,
    _0004_data_items,
    _0005_a_bin_for_data,
    _0006_forgotten_versions,
]

_FIRST_TABLES = """
CREATE TABLE migrations (name TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE runs (
    id TEXT PRIMARY KEY, operation TEXT NOT NULL, status TEXT NOT NULL, key TEXT NOT NULL, code TEXT NOT NULL,
    project TEXT, seed BIGINT, started_at TEXT NOT NULL, ended_at TEXT, seconds DOUBLE PRECISION,
    params TEXT NOT NULL, inputs TEXT NOT NULL, outputs TEXT NOT NULL, environment TEXT NOT NULL,
    source TEXT NOT NULL, cost TEXT NOT NULL, error TEXT, log TEXT, process TEXT NOT NULL
);
CREATE INDEX runs_by_key ON runs (operation, key, status, id);
CREATE TABLE run_inputs (run TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (run, name));
CREATE INDEX run_inputs_by_digest ON run_inputs (digest);
CREATE TABLE run_outputs (
    run TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, size_bytes BIGINT, media TEXT, PRIMARY KEY (run, name)
);
CREATE INDEX run_outputs_by_digest ON run_outputs (digest);
CREATE TABLE run_metrics (
    run TEXT NOT NULL, name TEXT NOT NULL, value DOUBLE PRECISION, low DOUBLE PRECISION, high DOUBLE PRECISION,
    PRIMARY KEY (run, name)
);
CREATE TABLE environments (digest TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE trials (
    search TEXT NOT NULL, number INTEGER NOT NULL, learner TEXT NOT NULL, params TEXT NOT NULL, state TEXT NOT NULL,
    value DOUBLE PRECISION, seconds DOUBLE PRECISION NOT NULL, threads INTEGER NOT NULL, details TEXT NOT NULL,
    at TEXT NOT NULL, PRIMARY KEY (search, number)
);
CREATE TABLE model_versions (
    name TEXT NOT NULL, version INTEGER NOT NULL, run TEXT NOT NULL, bundle TEXT NOT NULL, report TEXT,
    passed BOOLEAN NOT NULL, overrides TEXT NOT NULL, dataset TEXT NOT NULL, metrics TEXT NOT NULL,
    details TEXT NOT NULL, created_at TEXT NOT NULL, PRIMARY KEY (name, version)
);
CREATE TABLE model_aliases (
    name TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (name, alias)
);
CREATE TABLE envelopes (
    dataset TEXT NOT NULL, number INTEGER NOT NULL, rows INTEGER NOT NULL, object TEXT NOT NULL, key_id TEXT NOT NULL,
    strata TEXT, opened_at TEXT, opened_by TEXT, opened_by_run TEXT, purpose TEXT, PRIMARY KEY (dataset, number)
);
CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE datasets (
    digest TEXT PRIMARY KEY, parent TEXT, manifest TEXT NOT NULL, source TEXT NOT NULL, details TEXT NOT NULL,
    run TEXT, number INTEGER NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE dataset_heads (project TEXT PRIMARY KEY, digest TEXT NOT NULL);
CREATE TABLE events (
    number INTEGER PRIMARY KEY, previous TEXT NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    subject TEXT NOT NULL, details TEXT NOT NULL, hash TEXT NOT NULL UNIQUE
);
CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, process TEXT NOT NULL, since TEXT NOT NULL);
CREATE TABLE file_stats (
    path TEXT PRIMARY KEY, size_bytes BIGINT NOT NULL, mtime_ns BIGINT NOT NULL, inode BIGINT NOT NULL,
    digest TEXT NOT NULL
)
"""

_SCRIPT_TABLES = """
ALTER TABLE runs ADD COLUMN parent TEXT;
ALTER TABLE runs ADD COLUMN deleted_at TEXT;
ALTER TABLE runs ADD COLUMN who TEXT;
ALTER TABLE runs ADD COLUMN host TEXT;
CREATE INDEX runs_by_parent ON runs (parent, id);
CREATE INDEX runs_by_project ON runs (project, id);
CREATE INDEX runs_by_status ON runs (status, id);
CREATE TABLE run_tags (run TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name));
CREATE INDEX run_tags_by_name ON run_tags (name, value);
CREATE TABLE run_notes (
    run TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (run, number)
);
CREATE TABLE decisions (
    id TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL, hypothesis TEXT NOT NULL,
    why TEXT NOT NULL, outcome TEXT NOT NULL, runs TEXT NOT NULL, PRIMARY KEY (id, number)
);
CREATE TABLE experiments (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, details TEXT NOT NULL, created_at TEXT NOT NULL, deleted_at TEXT
)
"""

_DATA_TABLES = """
CREATE TABLE data_items (
    name TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL, content TEXT NOT NULL, kind TEXT NOT NULL,
    place TEXT NOT NULL, files BIGINT NOT NULL, size_bytes BIGINT NOT NULL, message TEXT NOT NULL, who TEXT NOT NULL,
    host TEXT NOT NULL, at TEXT NOT NULL, details TEXT NOT NULL, PRIMARY KEY (name, number)
);
CREATE INDEX data_items_by_digest ON data_items (digest);
CREATE TABLE restrictions (
    digest TEXT PRIMARY KEY, users TEXT NOT NULL, why TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX events_by_subject ON events (subject, number)
"""
