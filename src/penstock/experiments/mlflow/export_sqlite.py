"""Write runs of the ledger into an MLflow database (SQLite), through MLflow's own store: its server and pages then show them.

This needs the extra `mlflow`; mlflow-skinny writes databases where SQLAlchemy and Alembic are installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from penstock.errors import ArchiveError, MissingExtra
from penstock.experiments.looking.carried import ask_for_carried
from penstock.experiments.mlflow.files import ARTIFACT
from penstock.experiments.mlflow.metrics import points_of, recorded
from penstock.experiments.mlflow.place import MODEL_PREFIX
from penstock.experiments.mlflow.records import ID_TAG
from penstock.experiments.mlflow.values import (
    ENDED_TAG,
    EXPERIMENT_TAG,
    MLFLOW_STATUS,
    MODEL,
    MODEL_EXPERIMENT_TAG,
    OPERATION_TAG,
    OWN_TAGS,
    RUN_TAG,
    STARTED_TAG,
    STATUS_TAG,
    STOPPED_TAG,
    metric_key,
    milliseconds_of,
)
from penstock.ledger.record import DONE, QUEUED, RUNNING, RunRecord
from penstock.objects.tree import read_tree
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

_PARENT_TAG, _NAME_TAG, _NOTE_TAG = "mlflow.parentRunId", "mlflow.runName", "mlflow.note.content"
_HIDDEN = OWN_TAGS | {EXPERIMENT_TAG, MODEL_EXPERIMENT_TAG, ID_TAG, _PARENT_TAG}
_MOST_METRICS, _MOST_OTHERS = 1000, 100
_ODD = re.compile(r"[^\w\-. :/]")
Item = TypeVar("Item")


@dataclass(frozen=True)
class ExportedToMlflow:
    """What was written. `runs` : run of the ledger -> of MLflow; `known` were in the database before."""

    path: str
    runs: dict[str, str]
    known: list[str]
    metrics: int
    artifacts: str
    without_files: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 0

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "runs": self.runs,
            "known": self.known,
            "metrics": self.metrics,
            "artifacts": self.artifacts,
            "without_files": self.without_files,
        }

    def to_text(self) -> str:
        lines = [f"{len(self.runs)} runs with {self.metrics:,} values of metrics written to {self.path}"]
        lines += [f"  {ours} is {theirs}" for ours, theirs in list(self.runs.items())[:20]]
        if self.known:
            lines.append(f"{len(self.known)} were in it before, and stay as they were")
        lines += [
            f"files of {run} were not written: its experiment keeps them in another place" for run in self.without_files
        ]
        return "\n".join([*lines, f"to see them: mlflow ui --backend-store-uri sqlite:///{self.path}"])


def export_mlflow(workspace: Workspace, ids: Sequence[str], path: Path) -> ExportedToMlflow:
    """Write runs (all that have ended, where none is named) into a database, which is made where there is none.

    Files go to a folder beside it. What is in the database already is left as it is.

    Raises
    ------
    MissingExtra : MLflow is not installed. NotFound : there is no such run. ArchiveError : `path` is no database of
    MLflow. StoreFull : no space is left. AccessError : a run took a version of the data that is restricted to others.
    """
    path = path.absolute()
    records = _chosen(workspace, ids)
    ask_for_carried(workspace, records)
    files = path.with_name(f"{path.stem}-artifacts")
    store = _open(path, files)
    writer = _Writer(workspace, store)
    for record in records:
        writer.write(record)
    return ExportedToMlflow(str(path), writer.runs, writer.known, writer.metrics, str(files), writer.without_files)


def _chosen(workspace: Workspace, ids: Sequence[str]) -> list[RunRecord]:
    """The runs, each after the one that it belongs to. Logged models are none of them: they go with their runs."""
    ledger = workspace.ledger
    found = [ledger.get(reference) for reference in ids] if ids else ledger.runs()
    ended = {r.id: r for r in found if r.status not in (QUEUED, RUNNING) and MODEL_EXPERIMENT_TAG not in r.tags}
    ordered: dict[str, RunRecord] = {}

    def add(record: RunRecord) -> None:
        if record.parent in ended and record.parent not in ordered:
            add(ended[record.parent])
        ordered[record.id] = record

    for run_id in sorted(ended):
        add(ended[run_id])
    return list(ordered.values())


def _open(path: Path, files: Path) -> SqlAlchemyStore:
    try:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "writing a database of MLflow needs MLflow",
            why=f"{error.name!r} is optional and not installed here",
            way_out='pip install "penstock[mlflow]"',
        ) from error
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return SqlAlchemyStore(f"sqlite:///{path}", files.as_uri())
    except (SQLAlchemyError, MlflowException) as error:
        raise ArchiveError(
            f"{path.name!r} cannot be written as a database of MLflow",
            why=str(error).partition("\n")[0],
            way_out="name another file, or bring an older database up to date with `mlflow db upgrade`",
        ) from error


class _Writer:
    """One export, while it is made."""

    def __init__(self, workspace: Workspace, store: SqlAlchemyStore) -> None:
        self.workspace = workspace
        self.store = store
        self.runs: dict[str, str] = {}
        self.known: list[str] = []
        self.without_files: list[str] = []
        self.metrics = 0
        self._experiments: dict[str, str] = {}
        self._theirs = self._in_it()

    def write(self, record: RunRecord) -> None:
        from mlflow.entities import Metric, Param, RunStatus, RunTag

        if record.id in self._theirs or record.tags.get(ID_TAG) in self._theirs.values():
            self.known.append(record.id)
            return
        tags = self._tags(record)
        run = self.store.create_run(
            experiment_id=self._experiment(record),
            user_id=record.who or "",
            start_time=milliseconds_of(record.started_at),
            tags=[RunTag(name, value) for name, value in tags.items()],
            run_name=tags[_NAME_TAG],
        )
        theirs = run.info.run_id
        for params in _pieces((Param(_named(n), str(v)) for n, v in record.params.items()), _MOST_OTHERS):
            self.store.log_batch(theirs, metrics=[], params=params, tags=[])
        for metrics in _pieces(
            (Metric(_named(n), p.value, p.at_ms, p.step) for n, p in self._points(record)), _MOST_METRICS
        ):
            self.store.log_batch(theirs, metrics=metrics, params=[], tags=[])
            self.metrics += len(metrics)
        self._files(record, run.info.artifact_uri)
        self._models(record, theirs, run.info.experiment_id)
        status = RunStatus.from_string(MLFLOW_STATUS[record.status])
        self.store.update_run_info(
            theirs, status, milliseconds_of(record.ended_at or record.started_at), tags[_NAME_TAG]
        )
        self.store.set_tag(theirs, RunTag(RUN_TAG, record.id))  # last: what was cut short is not taken for written
        self.runs[record.id] = self._theirs[record.id] = theirs

    def _in_it(self) -> dict[str, str]:
        """Runs of the ledger that are in the database: our id -> MLflow's; and those that came from it."""
        found: dict[str, str] = {}
        experiments = [one.experiment_id for one in self.store.search_experiments(max_results=50_000)]
        token = None
        while experiments:
            page = self.store.search_runs(experiments, None, 3, 10_000, None, token)
            for run in page:
                found[run.data.tags.get(RUN_TAG, f"of MLflow: {run.info.run_id}")] = run.info.run_id
            token = page.token
            if not token:
                break
        return found

    def _experiment(self, record: RunRecord) -> str:
        """The experiment of a run in the database; that of the workspace where MLflow did not make the run."""
        ours = record.tags.get(EXPERIMENT_TAG)
        name = self.workspace.name if ours is None else self.workspace.ledger.experiments.get(ours).name
        if name not in self._experiments:
            known = self.store.get_experiment_by_name(name)
            self._experiments[name] = self.store.create_experiment(name) if known is None else known.experiment_id
        return self._experiments[name]

    def _tags(self, record: RunRecord) -> dict[str, str]:
        tags = {_named(name): value for name, value in record.tags.items() if name not in _HIDDEN}
        tags.setdefault(_NAME_TAG, record.operation)
        tags |= _own_tags(record)
        if record.parent in self._theirs:
            tags[_PARENT_TAG] = self._theirs[record.parent]
        if record.source.get("commit"):
            tags.setdefault("mlflow.source.git.commit", record.source["commit"])
        if record.outputs.get("stopped"):
            tags[STOPPED_TAG] = str(record.outputs["stopped"])
        if record.notes:
            tags.setdefault(
                _NOTE_TAG, "\n\n".join(f"{note['at']} {note['who']}: {note['text']}" for note in record.notes)
            )
        return {name: value[:8000] for name, value in tags.items()}

    def _points(self, record: RunRecord) -> Iterator[tuple[str, Any]]:
        """All values of all metrics; those that were recorded without a log too."""
        logged = set()
        for name, point in points_of(self.workspace.ledger.log_of(record), record.started_at):
            logged.add(name)
            yield metric_key(name), point
        rest = {n: m["value"] for n, m in record.metrics.items() if n not in logged and m["value"] is not None}
        yield from recorded(rest, record.outputs, record.started_at, record.ended_at).items()

    def _models(self, record: RunRecord, theirs: str, experiment: str) -> None:
        """The logged models that a run has made."""
        from mlflow.entities import LoggedModelOutput, LoggedModelParameter, LoggedModelStatus, LoggedModelTag

        for child in self.workspace.ledger.children(record.id):
            if MODEL_EXPERIMENT_TAG not in child.tags:
                continue
            told = child.inputs["model"]
            tags = {_named(n): v for n, v in child.tags.items() if n not in _HIDDEN}
            tags |= {**_own_tags(child), RUN_TAG: child.id}
            model = self.store.create_logged_model(
                experiment,
                name=told["name"],
                source_run_id=theirs,
                tags=[LoggedModelTag(n, v) for n, v in tags.items()],
                params=[LoggedModelParameter(_named(n), str(v)) for n, v in child.params.items()],
                model_type=told["type"],
            )
            self._tree(child, model.artifact_location)
            self.store.finalize_logged_model(
                model.model_id, LoggedModelStatus.READY if child.status == DONE else LoggedModelStatus.FAILED
            )
            step = record.outputs.get(f"{MODEL}{MODEL_PREFIX}{child.id}", {}).get("step", 0)
            self.store.log_outputs(theirs, [LoggedModelOutput(model.model_id, step)])

    def _tree(self, record: RunRecord, uri: str) -> Path | None:
        """The files that a run has kept, at a place of the database's; None where that is no local folder."""
        split = urlsplit(uri)
        kept = record.artifacts.get(ARTIFACT)
        if split.scheme not in ("", "file"):
            if kept is not None:
                self.without_files.append(record.id)
            return None
        folder = Path(unquote(split.path))
        if kept is not None and self.workspace.objects.has(kept["digest"]):
            folder.mkdir(parents=True, exist_ok=True)
            read_tree(self.workspace.objects, kept["digest"]).extract(folder)
        return folder

    def _files(self, record: RunRecord, uri: str) -> None:
        """The files, console and environment of a run, into its place beside the database."""
        folder, objects = self._tree(record, uri), self.workspace.objects
        if folder is None:
            return
        for name, file in (("console", "console.log"), ("diff", "uncommitted.diff"), ("packages", "requirements.txt")):
            if (kept := record.artifacts.get(name)) is not None and objects.has(kept["digest"]):
                (folder / "penstock").mkdir(parents=True, exist_ok=True)
                objects.get_file(kept["digest"], folder / "penstock" / file)
        if record.environment:
            (folder / "penstock").mkdir(parents=True, exist_ok=True)
            (folder / "penstock" / "environment.json").write_text(
                json.dumps(record.environment, indent=1), encoding="utf-8"
            )


def _own_tags(record: RunRecord) -> dict[str, str]:
    """What MLflow has no place for, so that an import makes the run again as it was."""
    tags = {OPERATION_TAG: record.operation, STATUS_TAG: record.status, STARTED_TAG: record.started_at}
    return {**tags, ENDED_TAG: record.ended_at} if record.ended_at else tags


def _named(name: str) -> str:
    """A name as MLflow allows it.

    >>> _named("loss%"), _named("val/loss")
    ('loss_', 'val/loss')
    """
    return _ODD.sub("_", name)[:250]


def _pieces(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while piece := list(islice(iterator, most)):
        yield piece
