"""The tables of the ledger, as queries see them, and how their values are stored. How they came to be: `penstock.ledger.migrations`.

What has structure is canonical JSON in a text column. Floats in it keep NaN and infinity, as Python writes them: a query that
looks into such a column must expect the bare words ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.ledger.connection import Connection
    from penstock.ledger.sql import Row

_TABLES = """
migrations: name text key, at text
runs: id text key, operation text, status text, key text, code text, project text null, seed bigint null,
    started_at text, ended_at text null, seconds double null, params json, inputs json, outputs json, environment text,
    source json, cost json, error json null, log text null, process json, parent text null, deleted_at text null,
    who text null, host text null
run_inputs: run text key, name text key, digest text
run_outputs: run text key, name text key, digest text, size_bytes bigint null, media text null
run_metrics: run text key, name text key, value double null, low double null, high double null
run_tags: run text key, name text key, value text
run_notes: run text key, number integer key, at text, who text, text text
environments: digest text key, body json
trials: search text key, number integer key, learner text, params json, state text, value double null, seconds double,
    threads integer, details json, at text
model_versions: name text key, version integer key, run text, bundle text, report text null, passed boolean,
    overrides json, dataset text, metrics json, details json, created_at text
model_aliases: name text key, alias text key, version integer
envelopes: dataset text key, number integer key, rows integer, object text, key_id text, strata json null,
    opened_at text null, opened_by text null, opened_by_run text null, purpose text null
secrets: name text key, value text, created_at text
datasets: digest text key, parent text null, manifest text, source json, details json, run text null, number integer,
    created_at text, forgotten_at text null
dataset_heads: project text key, digest text
events: number integer key, previous text, at text, who text, what text, subject text, details json, hash text
locks: name text key, holder text, process json, since text
file_stats: path text key, size_bytes bigint, mtime_ns bigint, inode bigint, digest text
decisions: id text key, number integer key, at text, who text, hypothesis text, why text, outcome text, runs json
data_items: name text key, number integer key, digest text, content text, kind text, place text, files bigint,
    size_bytes bigint, message text, who text, host text, at text, details json, removed_at text null
restrictions: digest text key, users json, why text, who text, at text
experiments: id text key, name text, details json, created_at text, deleted_at text null
"""


@lru_cache(maxsize=1)
def tables() -> dict[str, dict[str, tuple[str, ...]]]:
    """Name of a table -> name of a column -> text, integer, bigint, double, boolean or json; then key, or null."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in _TABLES.strip().replace("\n    ", " ").splitlines():
        name, _, columns = line.partition(": ")
        words = [column.split() for column in columns.split(", ")]
        found[name] = {name: (kind, *more) for name, kind, *more in words}
    return found


def json_text(value: Any) -> str:
    """A value as it is stored.

    >>> json_text({"b": 1, "a": [float("nan")]})
    '{"a":[NaN],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def json_value(text: str | None) -> Any:
    """A stored value, as it was."""
    return None if text is None else json.loads(text)


def insert(connection: Connection, table: str, values: dict[str, Any], *, or_nothing: bool = False) -> bool:
    """Insert one row; `values` as Python has them. With `or_nothing`, a key that is there already gives False."""
    return connection.execute(_insertion(table, tuple(values), or_nothing), **stored(table, values)) > 0


def insert_many(connection: Connection, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows that have the same columns."""
    if rows:
        connection.many(_insertion(table, tuple(rows[0]), False), [stored(table, row) for row in rows])


def put_many(connection: Connection, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows that have the same columns, or replace those of the same key."""
    if not rows:
        return
    keys = [name for name, column in tables()[table].items() if "key" in column]
    changed = ", ".join(f"{name} = excluded.{name}" for name in rows[0] if name not in keys)
    statement = f"{_insertion(table, tuple(rows[0]), False)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changed}"
    connection.many(statement, [stored(table, row) for row in rows])


def update(connection: Connection, table: str, values: dict[str, Any], where: str, **params: Any) -> int:
    """Change the rows for which `where` holds (its parameters must not be named as columns); gives their number."""
    changed = ", ".join(f"{name} = :{name}" for name in values)
    return connection.execute(f"UPDATE {table} SET {changed} WHERE {where}", **stored(table, values), **params)


def stored(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values of columns as they are stored."""
    jsons = _jsons(table)
    return {name: json_text(value) if name in jsons and value is not None else value for name, value in values.items()}


def read(table: str, row: Row) -> dict[str, Any]:
    """Column -> value of a row that has columns of this table only, as Python has them."""
    values = row.to_dict()
    for name in _jsons(table) & values.keys():
        values[name] = json_value(values[name])
    for name in _booleans(table) & values.keys():
        values[name] = bool(values[name])
    return values


@lru_cache(maxsize=256)
def _insertion(table: str, columns: tuple[str, ...], or_nothing: bool) -> str:
    values = ", ".join(f":{name}" for name in columns)
    end = " ON CONFLICT DO NOTHING" if or_nothing else ""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}){end}"


@lru_cache(maxsize=64)
def _jsons(table: str) -> frozenset[str]:
    return frozenset(name for name, column in tables()[table].items() if column[0] == "json")


@lru_cache(maxsize=64)
def _booleans(table: str) -> frozenset[str]:
    return frozenset(name for name, column in tables()[table].items() if column[0] == "boolean")
