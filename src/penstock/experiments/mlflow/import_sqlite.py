"""Take over what an MLflow database (SQLite) knows: experiments, runs with their metrics and files, logged models. Without MLflow.

Every run gets an id of the ledger, made of its start and MLflow's id; the latter stays in a tag, by which a second import knows
the run and leaves it alone. A run that Penstock itself has exported into the database is known by the tags that it has from there: where
it is still in the ledger it is left alone, elsewhere it is made again under its own id, with its operation, status and instants. Files are copied from local folders as MLflow lays them out (``.../<run>/artifacts``), from no other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from penstock.errors import StoreFull
from penstock.experiments.capture.secrets import Masker
from penstock.experiments.metrics.series import Appender
from penstock.experiments.mlflow.database import MlflowDatabase, open_database
from penstock.experiments.mlflow.imported import ImportedFromMlflow
from penstock.experiments.mlflow.metrics import Point, grouped, summary
from penstock.experiments.mlflow.records import ID_TAG, Records, instant
from penstock.experiments.mlflow.values import (
    RUN_TAG,
    STARTED_TAG,
    TAG,
    seconds_of,
)
from penstock.ledger.arriving import RUN_ID
from penstock.ledger.ledger import Ledger
from penstock.ledger.log import read_log
from penstock.objects.digests import digest_of
from penstock.objects.tree import MEDIA, entries_of, store_tree
from penstock.project.workspace import Workspace


def import_mlflow(workspace: Workspace, path: Path) -> ImportedFromMlflow:
    """Take over all runs of an MLflow database that are not here yet; all or none.

    Raises
    ------
    ArchiveError : it is no database of MLflow. StoreFull : no space is left.
    """
    with open_database(path) as database:
        return _Import(workspace, database).result()


class _Import:
    """One import, while it is made."""

    def __init__(self, workspace: Workspace, database: MlflowDatabase) -> None:
        self.workspace = workspace
        self.ledger: Ledger = workspace.ledger
        self.database = database
        self.masker = Masker(workspace.declaration.run.secrets)
        self.without_files: dict[str, str] = {}
        self.here = self._here()  # MLflow's id -> ours, of what an earlier import brought, or an export wrote

    def result(self) -> ImportedFromMlflow:
        runs, models = self.database.runs(), self.database.models()
        taken = {row.id for row in self.ledger.ask("SELECT id FROM runs")}
        for its, tags in [(r["run_uuid"], r["tags"]) for r in runs] + [(m["model_id"], m["tags"]) for m in models]:
            if tags.get(RUN_TAG) in taken:
                self.here.setdefault(its, tags[RUN_TAG])
        new = [run for run in runs if run["run_uuid"] not in self.here]
        new_models = [model for model in models if model["model_id"] not in self.here]
        ids = dict(self.here)
        for its, tags, started in [
            *((run["run_uuid"], run["tags"], run["start_time"]) for run in new),
            *((model["model_id"], model["tags"], model["creation_timestamp_ms"]) for model in new_models),
        ]:
            own = tags.get(RUN_TAG, "")
            ids[its] = own if RUN_ID.fullmatch(own) and own not in taken else _new_id(its, started or 0, taken)
            taken.add(ids[its])
        experiments = (
            self._experiments({row["experiment_id"] for row in (*new, *new_models)}) if new or new_models else {}
        )
        logs, count = self._logs({run["run_uuid"]: instant(run, STARTED_TAG, "start_time") for run in new})
        rows = Records(ids, experiments, self.masker, self.workspace.name)
        records = []
        for run in new:
            files = self._files(ids[run["run_uuid"]], run["artifact_uri"], run["run_uuid"])
            records.append(rows.run(run, files, *logs.get(run["run_uuid"], (None, {}, {}))))
        for model in new_models:
            files = self._files(ids[model["model_id"]], model["artifact_location"], model["model_id"])
            records.append(rows.model(model, files))
        done = self.ledger.take_over([record.to_json() for record in records], origin=self.database.path.name)
        self._delete({ids[run["run_uuid"]] for run in new if run["lifecycle_stage"] == "deleted"})
        self._delete({ids[m["model_id"]] for m in new_models if m["lifecycle_stage"] == "deleted"})
        return ImportedFromMlflow(
            path=str(self.database.path),
            runs=[ids[run["run_uuid"]] for run in new if ids[run["run_uuid"]] in done],
            models=[ids[model["model_id"]] for model in new_models if ids[model["model_id"]] in done],
            experiments=sorted({experiments[row["experiment_id"]][1] for row in new}),
            known=sorted(self.here[row] for row in (r["run_uuid"] for r in runs) if row in self.here),
            metrics=count,
            without_files=self.without_files,
        )

    # ---- parts

    def _here(self) -> dict[str, str]:
        rows = self.ledger.ask("SELECT value, run FROM run_tags WHERE name = :name", {"name": ID_TAG})
        return {row.value: row.run for row in rows}

    def _experiments(self, wanted: set[int]) -> dict[int, tuple[str, str]]:
        """MLflow's number -> our id, and the name. One of the same name is the same; new ones keep their number where it is free."""
        ours = self.ledger.experiments.all(deleted=None)
        by_name, numbers = {one.name: one for one in ours}, {one.id for one in ours}
        found: dict[int, tuple[str, str]] = {}
        for row in self.database.experiments():
            if row["experiment_id"] not in wanted and row["name"] not in by_name and row["lifecycle_stage"] != "active":
                continue
            known = by_name.get(row["name"])
            if known is None:
                number = str(row["experiment_id"])
                details = {TAG + name: self.masker.mask(value) for name, value in row["tags"].items()}
                known = self.ledger.experiments.add(row["name"], details, id=None if number in numbers else number)
                if row["lifecycle_stage"] == "deleted":
                    known = self.ledger.experiments.delete(known.id)
            found[row["experiment_id"]] = (known.id, known.name)
        return found

    def _logs(self, started: Mapping[str, str]) -> tuple[dict[str, tuple[str, dict[str, Any], dict[str, float]]], int]:
        """MLflow's id -> digest of the log, series and last values; and how many values there are."""
        logs: dict[str, tuple[str, dict[str, Any], dict[str, float]]] = {}
        count = 0
        if not started:
            return logs, count
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "metrics.jsonl")
            for run, points in self.database.metrics():
                if run not in started:
                    continue
                count += _write(file, started[run], points)
                with open(file, "rb") as lines:
                    series, last = summary(read_log(lines), started[run])
                logs[run] = (self.ledger.objects.put_file(file), series, last)
                file.unlink()
        return logs, count

    def _files(self, run_id: str, uri: str | None, of: str) -> dict[str, Any] | None:
        """The files of a run or model as a stored tree; None where there are none."""
        folder = _folder(uri or "", of, self.database.path.absolute().parent)
        if folder is None:
            if uri:
                self.without_files[run_id] = uri
            return None
        entries = list(entries_of(folder))
        if not entries:
            return None
        digest = store_tree(self.ledger.objects, entries)
        return {"digest": digest, "size_bytes": len(self.ledger.objects.get(digest)), "media": MEDIA}

    def _delete(self, ids: set[str]) -> None:
        """Throw runs away that were thrown away in MLflow; those that belong to them stay."""
        gone = self.ledger.delete(ids) if ids else []
        stay = [run_id for run_id in gone if run_id not in ids]
        if stay:
            self.ledger.restore(stay)


def _new_id(its: str, started_ms: int, taken: Iterable[str]) -> str:
    """An id of the ledger for one of MLflow's: the same every time, but where two of one millisecond fall together.

    >>> _new_id("4fa80d433adf421ab036b52235dba585", 1700000000123, ())[:15]
    '20231114T221320'
    """
    hashed = int(digest_of(its.encode())[-12:], 16)
    while True:
        instant = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=started_ms, microseconds=hashed % 1000)
        made = f"{instant:%Y%m%dT%H%M%S}-{instant.microsecond:05x}{hashed // 1000 % 16:x}"
        if made not in taken:
            return made
        hashed += 1


def _folder(uri: str, of: str, beside: Path) -> Path | None:
    """The local folder of some artifacts: only one that is laid out as MLflow does, so that no database leads elsewhere."""
    split = urlsplit(uri)
    if split.scheme not in ("", "file") or split.netloc not in ("", "localhost"):
        return None
    path = beside / (unquote(split.path) if split.scheme else uri)
    if path.parts[-2:] != (of, "artifacts") or ".." in path.parts or path.is_symlink() or not path.is_dir():
        return None
    return path


def _write(file: Path, started_at: str, points: Iterable[tuple[str, Point]]) -> int:
    """Write a log of metrics; gives how many values it has."""
    appender, start, count = Appender(file, 0.0), seconds_of(started_at), 0
    for (step, at_ms), values in grouped(points):
        appender.add({"step": step, **values}, elapsed_s=at_ms / 1000 - start)
        count += len(values)
    appender.close()
    if appender.lost:
        raise StoreFull(
            "no space left while importing metrics",
            f"a temporary file could not be written: {file.parent}",
            "free some space",
        )
    return count
