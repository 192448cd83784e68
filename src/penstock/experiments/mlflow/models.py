"""MLflow's logged models, in the ledger: each is a run, a child of the run that made it, and its files are that run's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, final

from mlflow.entities import LoggedModel, LoggedModelParameter, LoggedModelStatus, LoggedModelTag, Metric
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.search_utils import SearchLoggedModelsUtils
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_logged_model_name, _validate_param, _validate_tag_name

from penstock.experiments.mlflow.entities import HIDDEN
from penstock.experiments.mlflow.experiments import DEFAULT_ID, ExperimentsOfMlflow
from penstock.experiments.mlflow.place import MODEL_PREFIX, files_uri
from penstock.experiments.mlflow.values import MODEL_EXPERIMENT_TAG, metric_name, milliseconds_of, typed
from penstock.ledger.clock import now_text
from penstock.ledger.ledger import Ledger
from penstock.ledger.record import DONE, FAILED, QUEUED, RUNNING, RunSummary
from penstock.project.workspace import Workspace

OPERATION = "log_model"
_COLUMNS = ("params", "tags", "inputs", "outputs")
_STATUS = {RUNNING: LoggedModelStatus.PENDING, QUEUED: LoggedModelStatus.PENDING, DONE: LoggedModelStatus.READY}


@final
class ModelsOfMlflow:
    """Make, fill, finish and find logged models."""

    def __init__(self, workspace: Workspace, experiments: ExperimentsOfMlflow) -> None:
        self._workspace = workspace
        self._ledger: Ledger = workspace.ledger
        self._experiments = experiments

    def create(
        self,
        experiment_id: str,
        name: str | None,
        source_run_id: str | None,
        tags: Sequence[LoggedModelTag],
        params: Sequence[LoggedModelParameter],
        model_type: str | None,
    ) -> LoggedModel:
        _validate_logged_model_name(name)
        experiment = self._experiments.active(experiment_id or DEFAULT_ID)
        for tag in tags:
            _validate_tag_name(tag.key)
        run_id = self._ledger.begin(
            OPERATION,
            inputs={"model": {"name": name or _generate_random_name(), "type": model_type, "run": source_run_id}},
            params=_typed(params),
            project=self._workspace.name,
            parent=source_run_id,
            tags={**{tag.key: str(tag.value) for tag in tags}, MODEL_EXPERIMENT_TAG: experiment.id},
        )
        return self.get(MODEL_PREFIX + run_id)

    def log_params(self, model_id: str, params: Sequence[LoggedModelParameter]) -> None:
        self._ledger.set_params(self._active(model_id).id, _typed(params))
        self._touch(model_id)

    def log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Record metrics that a run has measured of models; each also says on which data set."""
        by_model: dict[str, list[Metric]] = {}
        for metric in metrics:
            by_model.setdefault(metric.model_id, []).append(metric)
        for model_id, own in by_model.items():
            model = self._active(model_id)
            told = {json.dumps([m.key, m.dataset_name, m.dataset_digest, run_id]): _metric_json(m, run_id) for m in own}
            with self._ledger.lock(f"metrics of {model.id}", wait_s=60.0):
                known = self._active(model_id).outputs.get("metrics", {})
                self._ledger.set_outputs(model.id, {"metrics": {**known, **told}})
            self._ledger.set_metrics(model.id, {metric_name(m.key): float(m.value) for m in own})

    def finalize(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        if not LoggedModelStatus.is_finalized(status):
            raise MlflowException(f"A logged model cannot be finalized as {status}", INVALID_PARAMETER_VALUE)
        self._ledger.end(self._active(model_id).id, status=DONE if status == LoggedModelStatus.READY else FAILED)
        return self.get(model_id)

    def set_tags(self, model_id: str, tags: Sequence[LoggedModelTag]) -> None:
        for tag in tags:
            _validate_tag_name(tag.key)
        self._ledger.tag(self._active(model_id).id, {tag.key: str(tag.value) for tag in tags})
        self._touch(model_id)

    def delete_tag(self, model_id: str, key: str) -> None:
        model = self._active(model_id)
        if key not in model.tags:
            raise MlflowException(f"No tag with key {key!r} for model {model_id!r}", RESOURCE_DOES_NOT_EXIST)
        self._ledger.tag(model.id, {key: None})
        self._touch(model_id)

    def get(self, model_id: str, *, allow_deleted: bool = False) -> LoggedModel:
        return self._entity(self._found(model_id, deleted=allow_deleted))

    def delete(self, model_id: str) -> None:
        self._ledger.delete([self._active(model_id).id])

    def search(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        datasets: list[dict[str, Any]] | None,
        max_results: int | None,
        order_by: list[dict[str, Any]] | None,
        page_token: str | None,
    ) -> PagedList:
        if not all(one.get("dataset_name") for one in datasets or []):
            raise MlflowException("`dataset_name` in the `datasets` clause must be specified.", INVALID_PARAMETER_VALUE)
        condition = "r.id IN (SELECT t.run FROM run_tags t WHERE t.name = :model_tag AND t.value IN :experiments)"
        values = {"model_tag": MODEL_EXPERIMENT_TAG, "experiments": [str(one) for one in experiment_ids]}
        found = self._ledger.summaries(OPERATION, where=(condition, values), columns=_COLUMNS)
        models = SearchLoggedModelsUtils.filter_logged_models([self._entity(m) for m in found], filter_string, datasets)
        models = SearchLoggedModelsUtils.sort(models, order_by)
        most = max_results or SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT
        return PagedList(*SearchLoggedModelsUtils.paginate(models, page_token, most))

    def _active(self, model_id: str) -> RunSummary:
        return self._found(model_id, deleted=False)

    def _found(self, model_id: str, *, deleted: bool) -> RunSummary:
        where = ("r.id = :model_id", {"model_id": model_id.removeprefix(MODEL_PREFIX)})
        found = self._ledger.summaries(OPERATION, where=where, deleted=None if deleted else False, columns=_COLUMNS)
        if not found or not model_id.startswith(MODEL_PREFIX):
            raise MlflowException(f"Logged model with ID '{model_id}' not found.", RESOURCE_DOES_NOT_EXIST)
        return found[0]

    def _touch(self, model_id: str) -> None:
        """Note when a model was changed last."""
        self._ledger.set_outputs(model_id.removeprefix(MODEL_PREFIX), {"changed_at": now_text()})

    def _entity(self, found: RunSummary) -> LoggedModel:
        told = found.inputs["model"]
        model_id, experiment_id = MODEL_PREFIX + found.id, found.tags.get(MODEL_EXPERIMENT_TAG, DEFAULT_ID)
        own = self._experiments.found(experiment_id).details.get("artifact_location")
        files = files_uri(self._workspace.root, found.id, model=True)
        return LoggedModel(
            experiment_id=experiment_id,
            model_id=model_id,
            name=told["name"],
            artifact_location=append_to_uri_path(own, "models", model_id, "artifacts") if own else files,
            creation_timestamp=milliseconds_of(found.started_at),
            last_updated_timestamp=milliseconds_of(
                max(found.started_at, found.ended_at or "", found.outputs.get("changed_at", ""))
            ),
            model_type=told["type"],
            source_run_id=told["run"],
            status=_STATUS.get(found.status, LoggedModelStatus.FAILED),
            tags={name: value for name, value in found.tags.items() if name not in HIDDEN},
            params={name: str(value) for name, value in found.params.items()},
            metrics=[Metric(**body, model_id=model_id) for body in found.outputs.get("metrics", {}).values()],
        )


def _typed(params: Sequence[LoggedModelParameter]) -> dict[str, Any]:
    checked = [_validate_param(param.key, param.value) for param in params]
    return {param.key: typed("" if param.value is None else str(param.value)) for param in checked}


def _metric_json(metric: Metric, run_id: str) -> dict[str, Any]:
    return {
        "key": metric.key,
        "value": float(metric.value),
        "timestamp": int(metric.timestamp),
        "step": int(metric.step or 0),
        "dataset_name": metric.dataset_name,
        "dataset_digest": metric.dataset_digest,
        "run_id": run_id,
    }
