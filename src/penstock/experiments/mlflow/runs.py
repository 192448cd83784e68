"""MLflow's runs, in the ledger: each is a run of its own, with an id of the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

from mlflow.entities import (
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunInfo,
    RunStatus,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, INVALID_STATE, RESOURCE_DOES_NOT_EXIST
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_SOURCE_NAME
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.uri import append_to_uri_path

from penstock.errors import NotFound
from penstock.experiments.capture.secrets import Masker
from penstock.experiments.metrics.log import log as log_to_script
from penstock.experiments.mlflow.entities import run_of
from penstock.experiments.mlflow.experiments import DEFAULT_ID, ExperimentsOfMlflow
from penstock.experiments.mlflow.metrics import MetricLog, Point, history, is_live, latest_of, recorded
from penstock.experiments.mlflow.place import files_uri
from penstock.experiments.mlflow.values import DATASET, EXPERIMENT_TAG, MODEL, STATUS, instant_of, metric_name, typed
from penstock.ledger.ledger import Ledger
from penstock.ledger.log import read_log
from penstock.ledger.record import QUEUED, RUNNING, RunSummary
from penstock.ledger.run import LOG_NAME
from penstock.project.workspace import Workspace

COLUMNS = ("params", "metrics", "tags", "inputs", "outputs")
"""What of a run MLflow wants to see."""
OPERATION = "mlflow"
"""Operation of a run whose script is not known."""


@final
class RunsOfMlflow:
    """Begin, extend, end and read runs as MLflow's clients do."""

    def __init__(self, workspace: Workspace, experiments: ExperimentsOfMlflow) -> None:
        self._workspace = workspace
        self._ledger: Ledger = workspace.ledger
        self._experiments = experiments
        self.log = MetricLog(self._ledger)

    # ---- beginning and ending

    def create(
        self,
        experiment_id: str | None,
        user_id: str | None,
        start_time: int | None,
        tags: Sequence[RunTag],
        name: str | None,
    ) -> Run:
        """Begin a run. Inside of a run of Penstock it becomes a child of that one, unless it is a child of another."""
        experiment = self._experiments.active(DEFAULT_ID if experiment_id is None else experiment_id)
        told = {tag.key: "" if tag.value is None else str(tag.value) for tag in tags}
        if name and told.get(MLFLOW_RUN_NAME, name) != name:
            raise MlflowException(
                f"run_name is {name!r}, but the tag {MLFLOW_RUN_NAME} is {told[MLFLOW_RUN_NAME]!r}: they must agree",
                INVALID_PARAMETER_VALUE,
            )
        told[MLFLOW_RUN_NAME] = name or told.get(MLFLOW_RUN_NAME) or _generate_random_name()
        started_at = None if start_time is None else _instant(start_time)
        run_id = self._ledger.begin(
            self._operation(told.get(MLFLOW_SOURCE_NAME)),
            inputs={"experiment": experiment.name},
            project=self._workspace.name,
            parent=self._parent(told.get(MLFLOW_PARENT_RUN_ID)),
            environment=self._environment,
            source=self._source,
            tags={**self._masked_tags(told), EXPERIMENT_TAG: experiment.id},
        )
        changed: dict[str, Any] = {"who": user_id} if user_id else {}
        if started_at is not None:
            changed["started_at"] = started_at
        if changed:
            self._ledger.change(run_id, **changed)
        return self.get(run_id)

    def update(self, run_id: str, status: int | None, end_time: int | None, name: str | None) -> RunInfo:
        """Rename, end, or go on with a run."""
        row = self._active(run_id)
        if name:
            self._ledger.tag(run_id, {MLFLOW_RUN_NAME: name})
        word = None if status is None else RunStatus.to_string(status)
        if word in STATUS:
            self._end(run_id, row.started_at, STATUS[word], end_time)
        elif word == "RUNNING":
            self.log.restore(run_id, row.log)
            self._ledger.resume(run_id)
        elif word is not None:
            raise MlflowException(f"A run of Penstock does not become {word} again once it has begun", INVALID_STATE)
        return self.get(run_id).info

    def delete(self, run_id: str) -> None:
        self._row(run_id)
        self._ledger.delete([run_id])

    def restore(self, run_id: str) -> None:
        self._row(run_id)
        self._ledger.restore([run_id])

    # ---- extending

    def log_batch(
        self, run_id: str, metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[RunTag]
    ) -> None:
        """Record parameters, metrics and tags. A parameter never changes its value."""
        row = self._active(run_id)
        if params:
            self._params(run_id, params)
        if metrics:
            self._metrics(run_id, row, metrics)
        if tags:
            self._ledger.tag(run_id, self._masked_tags({t.key: "" if t.value is None else str(t.value) for t in tags}))

    def delete_tag(self, run_id: str, key: str) -> None:
        self._active(run_id)
        if key not in self._summary(run_id).tags:
            raise MlflowException(f"No tag with name: {key} in run with id {run_id}", RESOURCE_DOES_NOT_EXIST)
        self._ledger.tag(run_id, {key: None})

    def log_inputs(self, run_id: str, datasets: Sequence[DatasetInput], models: Sequence[LoggedModelInput]) -> None:
        self._active(run_id)
        inputs: dict[str, Any] = {}
        for one in datasets:
            body = {name: value for name, value in dict(one.dataset).items() if value is not None}
            body["tags"] = {tag.key: tag.value for tag in one.tags}
            inputs[f"{DATASET}{one.dataset.name} {one.dataset.digest}"] = body
        inputs |= {MODEL + model.model_id: {"model": model.model_id} for model in models}
        if inputs:
            self._ledger.set_inputs(run_id, self._masker.mask_json(inputs))

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        self._active(run_id)
        outputs = {MODEL + model.model_id: {"model": model.model_id, "step": model.step} for model in models}
        if outputs:
            self._ledger.set_outputs(run_id, outputs)

    # ---- reading

    def get(self, run_id: str) -> Run:
        return self.entity(self._summary(run_id))

    def entity(self, found: RunSummary) -> Run:
        """A run as MLflow sees it, with the metrics that it has logged up to now."""
        return run_of(found, self._latest(found), self._artifact_uri(found))

    def history(self, run_id: str, key: str) -> list[Metric]:
        """All values of a metric, in the order in which they came."""
        found = self._summary(run_id)
        points = history(self._ledger.log_of(self._ledger.get(run_id)), found.started_at, key)
        if not points and metric_name(key) in found.metrics:  # it was recorded without a log
            points = [self._latest(found)[key]]
        return [Metric(key, point.value, point.at_ms, point.step) for point in points]

    # ---- the ledger's rows

    def _summary(self, run_id: str) -> RunSummary:
        found = self._ledger.summaries(where=("r.id = :one_id", {"one_id": run_id}), deleted=None, columns=COLUMNS)
        if not found:
            raise self._absent(run_id)
        return found[0]

    def _row(self, run_id: str) -> Any:
        """What must be known of a run before anything is written to it: one quick query."""
        query = "SELECT status, started_at, ended_at, deleted_at, parent, log FROM runs WHERE id = :id"
        rows = self._ledger.ask(query, {"id": run_id})
        if not rows:
            raise self._absent(run_id)
        return rows[0]

    def _active(self, run_id: str) -> Any:
        row = self._row(run_id)
        if row.deleted_at is not None:
            raise MlflowException(f"The run {run_id} must be in 'active' lifecycle_stage.", INVALID_PARAMETER_VALUE)
        if row.status == QUEUED:
            raise MlflowException(f"The run {run_id} is queued: it has not begun", INVALID_STATE)
        return row

    def _absent(self, run_id: str) -> MlflowException:
        return MlflowException(f"Run '{run_id}' not found in {self._workspace.root}", RESOURCE_DOES_NOT_EXIST)

    def _end(self, run_id: str, started_at: str, status: str, end_time: int | None) -> None:
        ended_at = None if end_time is None else _instant(end_time)
        series = self.log.settle(run_id, started_at)
        self._ledger.end(run_id, status=status, ended_at=ended_at, outputs={"series": series} if series else None)

    def _latest(self, found: RunSummary) -> dict[str, Point]:
        path = self._ledger.folder_of(found.id) / LOG_NAME
        if is_live(found.status, path):
            with open(path, "rb") as file:
                return latest_of(read_log(file), found.started_at)
        return recorded(found.metrics, found.outputs, found.started_at, found.ended_at)

    def _artifact_uri(self, found: RunSummary) -> str:
        """Where artifacts of a run lie: in the object store, unless its experiment has a place of its own."""
        try:
            own = self._experiments.found(found.tags.get(EXPERIMENT_TAG, DEFAULT_ID)).details.get("artifact_location")
        except MlflowException:
            own = None
        return append_to_uri_path(own, found.id, "artifacts") if own else files_uri(self._workspace.root, found.id)

    # ---- writing

    def _params(self, run_id: str, params: Iterable[Param]) -> None:
        known = self._summary(run_id).params
        new: dict[str, Any] = {}
        for param in params:
            value = self._masker.value(param.key, "" if param.value is None else str(param.value))
            if param.key in known and str(known[param.key]) != value:
                raise MlflowException(
                    f"Changing param values is not allowed. Param with key='{param.key}' was already logged with "
                    f"value='{known[param.key]}' for run ID='{run_id}'. Attempted logging new value '{value}'.",
                    INVALID_PARAMETER_VALUE,
                )
            new[param.key] = typed(value)
        self._ledger.set_params(run_id, new)

    def _metrics(self, run_id: str, row: Any, metrics: Sequence[Metric]) -> None:
        ended = row.status != RUNNING
        if ended:
            self.log.restore(run_id, row.log)
        points = [(m.key, Point(int(m.step or 0), int(m.timestamp), float(m.value))) for m in metrics]
        self.log.append(run_id, row.started_at, points)
        if ended:  # MLflow lets a run that has ended take more metrics
            series = self.log.settle(run_id, row.started_at)
            self._ledger.end(run_id, status=row.status, ended_at=row.ended_at, outputs={"series": series})
        if row.parent is not None and row.parent == os.environ.get("PENSTOCK_RUN"):
            for key, point in points:
                log_to_script(point.step, **{metric_name(key): point.value})

    def _parent(self, told: str | None) -> str | None:
        """The run that a new one belongs to: what MLflow says, or the run of Penstock whose script this process is."""
        asked = told or os.environ.get("PENSTOCK_RUN")
        if not asked:
            return None
        try:
            return self._ledger.get(asked).id
        except NotFound:  # the script writes to another workspace than the one that it was started from
            return None

    def _operation(self, source_name: str | None) -> str:
        """A script by its path within the workspace, as `penstock run` calls it."""
        if not source_name:
            return OPERATION
        path = Path(source_name).absolute()
        return (
            path.relative_to(self._workspace.root).as_posix()
            if path.is_relative_to(self._workspace.root)
            else path.name
        )

    def _masked_tags(self, tags: dict[str, str]) -> dict[str, str]:
        return {name: str(self._masker.value(name, value)) for name, value in tags.items()}

    @cached_property
    def _masker(self) -> Masker:
        return Masker.of_environment(os.environ, names=self._workspace.declaration.run.secrets)

    @cached_property
    def _environment(self) -> dict[str, Any]:
        from penstock.experiments.capture.environment import capture

        return capture(names=self._workspace.declaration.run.variables, masker=self._masker)

    @cached_property
    def _source(self) -> dict[str, Any]:
        from penstock.experiments.capture.git import source

        return source(self._workspace.root)


def _instant(milliseconds: int) -> str:
    try:
        return instant_of(milliseconds)
    except ValueError as error:
        raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
