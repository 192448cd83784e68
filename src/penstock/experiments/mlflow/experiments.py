"""MLflow's experiments, in the ledger."""

from __future__ import annotations

import time
from typing import Any, final

from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import ExperimentTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.utils.search_utils import SearchExperimentsUtils
from mlflow.utils.validation import (
    _validate_experiment_artifact_location,
    _validate_experiment_id,
    _validate_experiment_name,
    _validate_experiment_tag,
)

from penstock.errors import BadParameter, NotFound
from penstock.experiments.mlflow.entities import experiment_of
from penstock.experiments.mlflow.values import EXPERIMENT_TAG, MODEL_EXPERIMENT_TAG, TAG
from penstock.ledger.experiments import Experiment
from penstock.ledger.ledger import Ledger

DEFAULT_ID, DEFAULT_NAME = "0", str(MlflowExperiment.DEFAULT_EXPERIMENT_NAME)
_DELETED = {ViewType.ACTIVE_ONLY: False, ViewType.DELETED_ONLY: True, ViewType.ALL: None}


@final
class ExperimentsOfMlflow:
    """Named groups of runs. Number 0, "Default", is always there.

    Parameters
    ----------
    location : where artifacts lie by default, as MLflow is told it.
    """

    def __init__(self, ledger: Ledger, location: str) -> None:
        self._ledger = ledger
        self._location = location
        self._absent: set[str] = set()  # names that were asked for, and were not there
        if ledger.experiments.by_name(DEFAULT_NAME) is None:
            try:
                ledger.experiments.add(DEFAULT_NAME, id=DEFAULT_ID)
            except BadParameter:  # another process was faster
                ledger.experiments.get(DEFAULT_ID)

    def search(
        self,
        view_type: int,
        max_results: int,
        filter_string: str | None,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> PagedList:
        check_most(max_results)
        found = [self._entity(one) for one in self._ledger.experiments.all(deleted=_DELETED[view_type])]
        found = SearchExperimentsUtils.filter(found, filter_string)
        found = SearchExperimentsUtils.sort(found, order_by or ["creation_time DESC", "experiment_id ASC"])
        page, token = SearchExperimentsUtils.paginate(found, page_token, max_results)
        return PagedList(page, token)

    def create(self, name: str, artifact_location: str | None, tags: list[ExperimentTag] | None) -> str:
        _validate_experiment_name(name)
        if artifact_location:
            _validate_experiment_artifact_location(artifact_location)
        for tag in tags or []:
            _validate_experiment_tag(tag.key, tag.value)
        details = {"artifact_location": artifact_location, "updated_ms": _now_ms(), **_details(tags or [])}
        absent = name in self._absent
        self._absent.discard(name)
        try:
            return self._ledger.experiments.add(name, details).id
        except BadParameter as error:
            taken = self._ledger.experiments.by_name(name)
            gone = taken is not None and taken.deleted_at is not None
            if absent and taken is not None and not gone and not artifact_location and not tags:
                # Another process made it since this one asked. An error would let MLflow's set_experiment return without
                # setting it, and the runs of this process would go to the default experiment unnoticed.
                return taken.id
            raise MlflowException(
                f"Experiment {name!r} already exists"
                + (" in deleted state: restore it or take another name" if gone else ""),
                RESOURCE_ALREADY_EXISTS,
            ) from error

    def get(self, experiment_id: str) -> MlflowExperiment:
        return self._entity(self.found(experiment_id))

    def by_name(self, name: str) -> MlflowExperiment | None:
        found = self._ledger.experiments.by_name(name)
        if found is None:
            self._absent.add(name)
            return None
        return self._entity(found)

    def active(self, experiment_id: str) -> Experiment:
        """One to which something may be added."""
        found = self.found(experiment_id)
        if found.deleted_at is not None:
            raise MlflowException(f"Experiment {experiment_id} was deleted: restore it first", INVALID_STATE)
        return found

    def found(self, experiment_id: str) -> Experiment:
        _validate_experiment_id(experiment_id)
        try:
            return self._ledger.experiments.get(experiment_id)
        except NotFound as error:
            raise MlflowException(f"No Experiment with id={experiment_id} exists", RESOURCE_DOES_NOT_EXIST) from error

    def delete(self, experiment_id: str) -> None:
        """Throw an experiment away, with its runs and models."""
        if experiment_id == DEFAULT_ID:
            raise MlflowException("The default experiment cannot be deleted", INVALID_PARAMETER_VALUE)
        self.active(experiment_id)
        self._ledger.experiments.delete(experiment_id)
        self._ledger.delete(self._runs(experiment_id, "r.deleted_at IS NULL"))

    def restore(self, experiment_id: str) -> None:
        """Bring an experiment back, with the runs that went with it."""
        gone = self.found(experiment_id)
        if gone.deleted_at is None:
            raise MlflowException(f"Experiment {experiment_id} is active: nothing to restore", INVALID_STATE)
        self._ledger.restore(self._runs(experiment_id, "r.deleted_at >= :gone_at", gone_at=gone.deleted_at))
        self._ledger.experiments.delete(experiment_id, restore=True)

    def rename(self, experiment_id: str, name: str) -> None:
        _validate_experiment_name(name)
        self.active(experiment_id)
        try:
            self._ledger.experiments.update(experiment_id, name=name, details={"updated_ms": _now_ms()})
        except BadParameter as error:
            raise MlflowException(f"Experiment {name!r} already exists", RESOURCE_ALREADY_EXISTS) from error

    def set_tag(self, experiment_id: str, tag: ExperimentTag) -> None:
        _validate_experiment_tag(tag.key, tag.value)
        self.active(experiment_id)
        self._ledger.experiments.update(experiment_id, details={**_details([tag]), "updated_ms": _now_ms()})

    def delete_tag(self, experiment_id: str, key: str) -> None:
        if self.active(experiment_id).details.get(TAG + key) is None:
            raise MlflowException(f"No tag with name {key!r} in experiment {experiment_id}", RESOURCE_DOES_NOT_EXIST)
        self._ledger.experiments.update(experiment_id, details={TAG + key: None, "updated_ms": _now_ms()})

    def _entity(self, found: Experiment) -> MlflowExperiment:
        return experiment_of(found, self._location)

    def _runs(self, experiment_id: str, condition: str, **params: Any) -> list[str]:
        """Ids of the runs and logged models of an experiment for which `condition` holds."""
        rows = self._ledger.ask(
            f"SELECT r.id FROM runs r WHERE {condition} AND r.id IN (SELECT t.run FROM run_tags t "
            "WHERE t.name IN :tag_names AND t.value = :experiment)",
            {"tag_names": [EXPERIMENT_TAG, MODEL_EXPERIMENT_TAG], "experiment": experiment_id, **params},
        )
        return [row.id for row in rows]


def check_most(max_results: int) -> None:
    """How much one page may hold, as MLflow's own stores have it."""
    if not isinstance(max_results, int) or not 1 <= max_results <= SEARCH_MAX_RESULTS_THRESHOLD:
        raise MlflowException(
            f"Invalid value for max_results: {max_results!r} is not between 1 and {SEARCH_MAX_RESULTS_THRESHOLD}",
            INVALID_PARAMETER_VALUE,
        )


def _details(tags: list[ExperimentTag]) -> dict[str, str]:
    return {TAG + tag.key: str(tag.value) for tag in tags}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
