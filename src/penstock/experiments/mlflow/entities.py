"""Runs and experiments of the ledger as MLflow's own objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from mlflow.entities import (
    Dataset,
    DatasetInput,
    ExperimentTag,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
)
from mlflow.entities import Experiment as MlflowExperiment
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from penstock.experiments.mlflow.metrics import Point
from penstock.experiments.mlflow.values import (
    DATASET,
    EXPERIMENT_TAG,
    MLFLOW_STATUS,
    MODEL,
    MODEL_EXPERIMENT_TAG,
    TAG,
    milliseconds_of,
)
from penstock.ledger.experiments import Experiment
from penstock.ledger.record import RunSummary

Thing = TypeVar("Thing")
HIDDEN = frozenset({EXPERIMENT_TAG, MODEL_EXPERIMENT_TAG})


def experiment_of(found: Experiment, location: str) -> MlflowExperiment:
    """An experiment; `location` is where artifacts of its runs lie unless it has a place of its own."""
    tags = [
        ExperimentTag(name.removeprefix(TAG), value)
        for name, value in sorted(found.details.items())
        if name.startswith(TAG) and value is not None
    ]
    created = milliseconds_of(found.created_at)
    return MlflowExperiment(
        experiment_id=found.id,
        name=found.name,
        artifact_location=found.details.get("artifact_location") or location,
        lifecycle_stage=stage_of(found.deleted_at),
        tags=tags,
        creation_time=created,
        last_update_time=found.details.get("updated_ms") or created,
    )


def run_of(found: RunSummary, metrics: dict[str, Point], artifact_uri: str) -> Run:
    """A run, with everything that `penstock.experiments.mlflow.runs` has asked the ledger for."""
    info = RunInfo(
        run_id=found.id,
        experiment_id=found.tags.get(EXPERIMENT_TAG, "0"),
        user_id=found.who or "",
        status=MLFLOW_STATUS[found.status],
        start_time=milliseconds_of(found.started_at),
        end_time=milliseconds_of(found.ended_at),
        lifecycle_stage=stage_of(found.deleted_at),
        artifact_uri=artifact_uri,
        run_name=found.tags.get(MLFLOW_RUN_NAME) or found.operation,
    )
    data = RunData(
        metrics=[Metric(key, point.value, point.at_ms, point.step) for key, point in metrics.items()],
        params=[Param(name, str(value)) for name, value in found.params.items()],
        tags=[RunTag(name, value) for name, value in found.tags.items() if name not in HIDDEN],
    )
    return Run(info, data, inputs_of(found.inputs), outputs_of(found.outputs))


def inputs_of(inputs: dict[str, Any]) -> RunInputs:
    """The data sets and models that MLflow recorded as inputs of a run."""
    datasets = [
        DatasetInput(
            Dataset(**{name: part for name, part in body.items() if name != "tags"}),
            [InputTag(name, value) for name, value in body["tags"].items()],
        )
        for body in _named(inputs, DATASET, dict)
    ]
    models = [LoggedModelInput(body["model"]) for body in _named(inputs, MODEL, dict)]
    return RunInputs(dataset_inputs=datasets, model_inputs=models)


def outputs_of(outputs: dict[str, Any]) -> RunOutputs:
    """The logged models that a run has made."""
    return RunOutputs([LoggedModelOutput(body["model"], body["step"]) for body in _named(outputs, MODEL, dict)])


def stage_of(deleted_at: str | None) -> str:
    """MLflow's word for what was thrown away and what was not."""
    return str(LifecycleStage.ACTIVE if deleted_at is None else LifecycleStage.DELETED)


def _named(values: dict[str, Any], begins: str, kind: type[Thing]) -> Iterable[Thing]:
    return [body for name, body in values.items() if name.startswith(begins) and isinstance(body, kind)]
