"""The tracking store that MLflow finds for ``penstock:`` URIs."""

from __future__ import annotations

import json
from typing import Any, final

from mlflow.entities import (
    DatasetInput,
    Experiment,
    ExperimentTag,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    Param,
    Run,
    RunInfo,
    RunTag,
    ViewType,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_MODELS
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.validation import (
    _validate_batch_log_data,
    _validate_batch_log_limits,
    _validate_metric,
    _validate_metric_name,
    _validate_param,
    _validate_param_keys_unique,
    _validate_run_id,
    _validate_tag,
    _validate_tag_name,
)

from penstock.experiments.mlflow.experiments import ExperimentsOfMlflow
from penstock.experiments.mlflow.models import ModelsOfMlflow
from penstock.experiments.mlflow.place import SCHEME, workspace_of
from penstock.experiments.mlflow.runs import RunsOfMlflow
from penstock.experiments.mlflow.search import search_runs


@final
class PenstockStore(AbstractStore):
    """MLflow's tracking store on the ledger of a workspace.

    It does what training scripts use: experiments, runs, parameters, metrics, tags, search, data sets as inputs, logged models.
    Traces, prompts, scorers and evaluation data sets raise NotImplementedError, as MLflow's base class does.
    """

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__()
        workspace = workspace_of(store_uri)
        self.workspace = workspace
        self._experiments = ExperimentsOfMlflow(
            workspace.ledger, artifact_uri or f"{SCHEME}://{workspace.root.as_posix()}"
        )
        self._runs = RunsOfMlflow(workspace, self._experiments)
        self._models = ModelsOfMlflow(workspace, self._experiments)

    # ---- experiments

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = SEARCH_MAX_RESULTS_DEFAULT,
        filter_string: str | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        return self._experiments.search(view_type, max_results, filter_string, order_by, page_token)

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: list[ExperimentTag] | None = None
    ) -> str:
        return self._experiments.create(name, artifact_location, tags)

    def get_experiment(self, experiment_id: str) -> Experiment:
        return self._experiments.get(str(experiment_id))

    def get_experiment_by_name(self, experiment_name: str) -> Experiment | None:
        return self._experiments.by_name(experiment_name)

    def delete_experiment(self, experiment_id: str) -> None:
        self._experiments.delete(str(experiment_id))

    def restore_experiment(self, experiment_id: str) -> None:
        self._experiments.restore(str(experiment_id))

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        self._experiments.rename(str(experiment_id), new_name)

    def set_experiment_tag(self, experiment_id: str, tag: ExperimentTag) -> None:
        self._experiments.set_tag(str(experiment_id), tag)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        self._experiments.delete_tag(str(experiment_id), key)

    # ---- runs

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: list[RunTag] | None, run_name: str | None
    ) -> Run:
        for tag in tags or []:
            _validate_tag(tag.key, tag.value)
        return self._runs.create(experiment_id, user_id, start_time, tags or [], run_name)

    def get_run(self, run_id: str) -> Run:
        _validate_run_id(run_id)
        return self._runs.get(run_id)

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        _validate_run_id(run_id)
        return self._runs.update(run_id, run_status, end_time, run_name)

    def delete_run(self, run_id: str) -> None:
        _validate_run_id(run_id)
        self._runs.delete(run_id)

    def restore_run(self, run_id: str) -> None:
        _validate_run_id(run_id)
        self._runs.restore(run_id)

    def _search_runs(
        self,
        experiment_ids: list[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> tuple[list[Run], str | None]:
        return search_runs(
            self.workspace.ledger,
            self._runs,
            experiment_ids,
            filter_string,
            run_view_type,
            max_results,
            order_by,
            page_token,
        )

    # ---- what runs log

    def log_metric(self, run_id: str, metric: Metric) -> None:
        _validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
        self._log(run_id, metrics=[metric])

    def log_param(self, run_id: str, param: Param) -> None:
        self._log(run_id, params=[_validate_param(param.key, param.value)])

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        self._log(run_id, tags=[_validate_tag(tag.key, tag.value)])

    def delete_tag(self, run_id: str, key: str) -> None:
        _validate_tag_name(key)
        self._runs.delete_tag(run_id, key)

    def log_batch(self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> None:
        metrics, params, tags = _validate_batch_log_data(metrics, params, tags)
        _validate_batch_log_limits(metrics, params, tags)
        _validate_param_keys_unique(params)
        self._log(run_id, metrics, params, tags)

    def log_inputs(
        self, run_id: str, datasets: list[DatasetInput] | None = None, models: list[LoggedModelInput] | None = None
    ) -> None:
        _validate_run_id(run_id)
        self._runs.log_inputs(run_id, datasets or [], models or [])

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput] | None) -> None:
        _validate_run_id(run_id)
        self._runs.log_outputs(run_id, models or [])

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        known = self.get_run(run_id).data.tags.get(MLFLOW_LOGGED_MODELS)
        models = [*(json.loads(known) if known else []), mlflow_model.get_tags_dict()]
        self._log(run_id, tags=[RunTag(MLFLOW_LOGGED_MODELS, json.dumps(models))])

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList:
        _validate_run_id(run_id)
        _validate_metric_name(metric_key)
        found = self._runs.history(run_id, metric_key)
        if max_results is None:
            return PagedList(found[SearchUtils.parse_start_offset_from_page_token(page_token) :], None)
        return PagedList(*SearchUtils.paginate(found, page_token, max_results))

    def _log(
        self,
        run_id: str,
        metrics: list[Metric] | None = None,
        params: list[Param] | None = None,
        tags: list[RunTag] | None = None,
    ) -> None:
        _validate_run_id(run_id)
        self._runs.log_batch(run_id, metrics or [], params or [], tags or [])
        self._models.log_metrics(run_id, [metric for metric in metrics or [] if metric.model_id is not None])

    # ---- logged models

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: list[LoggedModelTag] | None = None,
        params: list[LoggedModelParameter] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        return self._models.create(str(experiment_id), name, source_run_id, tags or [], params or [], model_type)

    def log_logged_model_params(self, model_id: str, params: list[LoggedModelParameter]) -> None:
        self._models.log_params(model_id, params)

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
        return self._models.finalize(model_id, LoggedModelStatus(status))

    def set_logged_model_tags(self, model_id: str, tags: list[LoggedModelTag]) -> None:
        self._models.set_tags(model_id, tags)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        self._models.delete_tag(model_id, key)

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        return self._models.get(model_id, allow_deleted=allow_deleted)

    def delete_logged_model(self, model_id: str) -> None:
        self._models.delete(model_id)

    def search_logged_models(
        self,
        experiment_ids: list[str],
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        return self._models.search(experiment_ids, filter_string, datasets, max_results, order_by, page_token)
