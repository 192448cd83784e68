"""What stands in an MLflow database (SQLite), read with plain SQL. Schemas from MLflow 1.0 to 3.17; tables that came later may lack."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, final
from urllib.parse import quote

from penstock.errors import ArchiveError
from penstock.experiments.mlflow.metrics import Point
from penstock.experiments.mlflow.values import FIRST_MS, LAST_MS

_NEEDED = {
    "experiments": {"experiment_id", "name", "lifecycle_stage"},
    "runs": {"run_uuid", "status", "start_time", "end_time", "lifecycle_stage", "artifact_uri", "experiment_id"},
    "metrics": {"key", "value", "timestamp", "run_uuid", "step", "is_nan"},
    "params": {"key", "value", "run_uuid"},
    "tags": {"key", "value", "run_uuid"},
}
_INFINITE = 1.7976931348623157e308
"""As MLflow stores infinity."""


@contextmanager
def open_database(path: Path) -> Iterator[MlflowDatabase]:
    """Open a database for reading; nothing is ever written to it.

    Raises
    ------
    ArchiveError : it is no SQLite file, or not MLflow's, or is damaged.
    """
    if not path.is_file():
        raise ArchiveError(
            f"there is no file {str(path)!r}", "the path does not exist", "name the database, often mlflow.db"
        )
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        yield MlflowDatabase(connection, path)
    except sqlite3.DatabaseError as error:
        raise ArchiveError(
            f"{path.name!r} cannot be read as a database", why=str(error), way_out="name an SQLite database of MLflow"
        ) from error
    finally:
        connection.close()


@final
class MlflowDatabase:
    """The rows of an MLflow database as dictionaries. Made by `open_database`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._tables = {
            row["name"]: {column["name"] for column in connection.execute(f'PRAGMA table_info("{row["name"]}")')}
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        for table, columns in _NEEDED.items():
            lacking = columns - self._tables.get(table, set())
            if lacking:
                raise ArchiveError(
                    f"{path.name!r} is no database of MLflow",
                    why=f"its table {table!r} lacks {', '.join(sorted(lacking))}"
                    if table in self._tables
                    else f"no table {table!r}",
                    way_out="name MLflow's own database, often mlflow.db; an older one is brought up to date by `mlflow db upgrade`",
                )

    def experiments(self) -> list[dict[str, Any]]:
        return [
            {**row, "tags": tags.get(row["experiment_id"], {})}
            for tags in [self._experiment_tags()]
            for row in self._all("experiments")
        ]

    def runs(self) -> list[dict[str, Any]]:
        """All runs, oldest first, with their parameters, tags, data sets and models."""
        params, tags = self._pairs("params", "run_uuid"), self._pairs("tags", "run_uuid")
        datasets, models = self._datasets(), self._models_of_runs()
        found = []
        for row in self._all("runs", order="start_time, run_uuid"):
            run = row["run_uuid"]
            _need_instants(f"run {run}", row, "start_time", "end_time")
            more = {"params": params.get(run, {}), "tags": tags.get(run, {}), "datasets": datasets.get(run, [])}
            found.append({**row, **more, "models": models.get(run, [])})
        return found

    def metrics(self) -> Iterator[tuple[str, Iterator[tuple[str, Point]]]]:
        """Id of a run -> all values of its metrics, in the order in which they were logged."""
        query = "SELECT run_uuid, key, value, timestamp, step, is_nan FROM metrics ORDER BY run_uuid, rowid"
        for run, rows in groupby(self._connection.execute(query), key=itemgetter("run_uuid")):
            yield run, ((row["key"], _point(run, row)) for row in rows)

    def models(self) -> list[dict[str, Any]]:
        """All logged models, oldest first, with parameters, tags and metrics."""
        if "logged_models" not in self._tables:
            return []
        params = self._pairs("logged_model_params", "model_id", "param_key", "param_value")
        tags = self._pairs("logged_model_tags", "model_id", "tag_key", "tag_value")
        metrics: dict[str, list[dict[str, Any]]] = {}
        for row in self._all("logged_model_metrics", order="rowid"):
            metrics.setdefault(row["model_id"], []).append(row)
        found = self._all("logged_models", order="creation_timestamp_ms, model_id")
        for row in found:
            _need_instants(f"logged model {row['model_id']}", row, "creation_timestamp_ms", "last_updated_timestamp_ms")
        return [
            {
                **row,
                **{n: by.get(row["model_id"], {}) for n, by in (("params", params), ("tags", tags))},
                "metrics": metrics.get(row["model_id"], []),
            }
            for row in found
        ]

    def _experiment_tags(self) -> dict[Any, dict[str, str]]:
        return self._pairs("experiment_tags", "experiment_id")

    def _datasets(self) -> dict[str, list[dict[str, Any]]]:
        """Id of a run -> the data sets that it took, each with the tags of the taking."""
        if not {"datasets", "inputs", "input_tags"} <= self._tables.keys():
            return {}
        tags = self._pairs("input_tags", "input_uuid", "name", "value")
        query = (
            "SELECT i.input_uuid, i.destination_id, d.* FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
            "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' ORDER BY i.rowid"
        )
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self._connection.execute(query):
            body = {
                "name": row["name"],
                "digest": row["digest"],
                "source_type": row["dataset_source_type"],
                "source": row["dataset_source"],
                "schema": row["dataset_schema"],
                "profile": row["dataset_profile"],
            }
            body = {name: value for name, value in body.items() if value is not None}
            found.setdefault(row["destination_id"], []).append({**body, "tags": tags.get(row["input_uuid"], {})})
        return found

    def _models_of_runs(self) -> dict[str, list[tuple[str, int]]]:
        """Id of a run -> id and step of the logged models that it made."""
        if "step" not in self._tables.get("inputs", set()):
            return {}
        query = "SELECT source_id, destination_id, step FROM inputs WHERE source_type = 'RUN_OUTPUT' ORDER BY rowid"
        found: dict[str, list[tuple[str, int]]] = {}
        for row in self._connection.execute(query):
            found.setdefault(row["source_id"], []).append((row["destination_id"], row["step"]))
        return found

    def _pairs(self, table: str, of: str, key: str = "key", value: str = "value") -> dict[Any, dict[str, str]]:
        found: dict[Any, dict[str, str]] = {}
        for row in self._all(table):
            found.setdefault(row[of], {})[row[key]] = "" if row[value] is None else str(row[value])
        return found

    def _all(self, table: str, order: str = "rowid") -> list[dict[str, Any]]:
        if table not in self._tables:
            return []
        return [dict(row) for row in self._connection.execute(f'SELECT * FROM "{table}" ORDER BY {order}')]


def _need_instants(of: str, row: Mapping[str, Any], *columns: str) -> None:
    """Refuse instants that are none: they name runs and order them."""
    for column in columns:
        value = row[column]
        if value is not None and (type(value) is not int or not FIRST_MS <= value <= LAST_MS):
            raise _strange(of, f"its {column} is {value!r}, which are no milliseconds of the years 1900 to 9999")


def _point(run: str, row: sqlite3.Row) -> Point:
    if type(row["step"]) is not int or type(row["timestamp"]) is not int:
        raise _strange(
            f"run {run}", f"its metric {row['key']!r} has step {row['step']!r} and time {row['timestamp']!r}"
        )
    if row["is_nan"]:
        return Point(row["step"], row["timestamp"], math.nan)
    value = row["value"]
    if not isinstance(value, int | float):
        raise _strange(f"run {run}", f"its metric {row['key']!r} is {value!r}, which is no number")
    number = math.copysign(math.inf, value) if abs(value) >= _INFINITE else float(value)
    return Point(row["step"], row["timestamp"], number)


def _strange(of: str, why: str) -> ArchiveError:
    return ArchiveError(
        f"{of} of the database makes no sense",
        why,
        "correct or delete it in a copy of the database, and import that one",
    )
