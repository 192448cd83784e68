"""Rows of an MLflow database as runs of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.experiments.capture.secrets import Masker
from penstock.experiments.mlflow.files import ARTIFACT
from penstock.experiments.mlflow.place import MODEL_PREFIX
from penstock.experiments.mlflow.values import (
    DATASET,
    ENDED_TAG,
    EXPERIMENT_TAG,
    MODEL,
    MODEL_EXPERIMENT_TAG,
    OPERATION_TAG,
    OWN_TAGS,
    STARTED_TAG,
    STATUS,
    STATUS_TAG,
    STOPPED_TAG,
    instant_of,
    metric_name,
    typed,
)
from penstock.ledger.clock import instant_text, seconds_between
from penstock.ledger.record import RunRecord
from penstock.ledger.runs import ENDS

ID_TAG = "mlflow.runId"
"""MLflow's own id of an imported run, or of an imported model."""
_PARENT_TAG, _NAME_TAG, _SOURCE_TAG = "mlflow.parentRunId", "mlflow.runName", "mlflow.source.name"
_COMMIT_TAG = "mlflow.source.git.commit"
_MODEL_STATUS = {2: "done", 3: "failed"}
"""MLflow's numbers: 1 is pending."""


@dataclass(frozen=True)
class Records:
    """Makes records of rows.

    Attributes
    ----------
    ids : MLflow's id of a run or model -> ours. experiments : MLflow's number -> our id, and the name.
    masker : hides what is secret. project : to which the runs belong.
    """

    ids: Mapping[str, str]
    experiments: Mapping[int, tuple[str, str]]
    masker: Masker
    project: str

    def run(
        self,
        run: dict[str, Any],
        files: dict[str, Any] | None,
        log: str | None,
        series: dict[str, Any],
        last: dict[str, float],
    ) -> RunRecord:
        """A run, with its files, its log, and what the log sums up to."""
        ids = self.ids
        run_id, tags = ids[run["run_uuid"]], dict(run["tags"])
        experiment, name = self.experiments[run["experiment_id"]]
        inputs: dict[str, Any] = {
            "experiment": name,
            "mlflow": {"run": run["run_uuid"], "artifact_uri": run["artifact_uri"]},
        }
        inputs |= {f"{DATASET}{body['name']} {body['digest']}": body for body in run["datasets"]}
        made = {
            f"{MODEL}{MODEL_PREFIX}{ids[m]}": {"model": MODEL_PREFIX + ids[m], "step": s}
            for m, s in run["models"]
            if m in ids
        }
        stopped = {"stopped": tags[STOPPED_TAG]} if STOPPED_TAG in tags else {}
        parent = ids.get(tags.get(_PARENT_TAG, ""))
        if parent:
            tags[_PARENT_TAG] = parent
        tags.setdefault(_NAME_TAG, run.get("name") or "")
        source = run.get("source_name") or tags.get(_SOURCE_TAG) or ""
        return self._record(
            run_id,
            operation=tags.get(OPERATION_TAG) or Path(str(source)).name or "mlflow",
            status=_status(tags, STATUS.get(run["status"])),
            key=run["run_uuid"],
            started_at=instant(run, STARTED_TAG, "start_time"),
            ended_at=None if run["end_time"] is None else instant(run, ENDED_TAG, "end_time"),
            params=run["params"],
            inputs=inputs,
            outputs={**({"series": series} if series else {}), **made, **stopped},
            metrics=last,
            log=log,
            who=run.get("user_id") or None,
            parent=parent,
            commit=tags.get(_COMMIT_TAG) or run.get("source_version") or None,
            files=files,
            tags={**tags, EXPERIMENT_TAG: experiment, ID_TAG: run["run_uuid"]},
        )

    def model(self, model: dict[str, Any], files: dict[str, Any] | None) -> RunRecord:
        """A logged model as a run, a child of the run that made it."""
        ids = self.ids
        run_id, source = ids[model["model_id"]], ids.get(model["source_run_id"] or "")
        metrics = {
            f"{row['metric_name']} {row['run_id']} {row['dataset_name']}": {
                "key": row["metric_name"],
                "value": row["metric_value"],
                "timestamp": row["metric_timestamp_ms"],
                "step": row["metric_step"],
                "dataset_name": row["dataset_name"],
                "dataset_digest": row["dataset_digest"],
                "run_id": ids.get(row["run_id"], row["run_id"]),
            }
            for row in model["metrics"]
        }
        return self._record(
            run_id,
            operation="log_model",
            status=_status(model["tags"], _MODEL_STATUS.get(model["status"])),
            key=model["model_id"],
            started_at=instant(model, STARTED_TAG, "creation_timestamp_ms"),
            ended_at=instant(model, ENDED_TAG, "last_updated_timestamp_ms"),
            params=model["params"],
            inputs={"model": {"name": model["name"], "type": model["model_type"], "run": source}},
            outputs={"metrics": metrics} if metrics else {},
            metrics={metric_name(row["metric_name"]): row["metric_value"] for row in model["metrics"]},
            log=None,
            who=None,
            parent=source,
            commit=None,
            files=files,
            tags={
                **model["tags"],
                MODEL_EXPERIMENT_TAG: self.experiments[model["experiment_id"]][0],
                ID_TAG: model["model_id"],
            },
        )

    def _record(
        self,
        run_id: str,
        *,
        started_at: str,
        ended_at: str | None,
        params: Mapping[str, str],
        metrics: Mapping[str, float | None],
        files: dict[str, Any] | None,
        commit: str | None,
        tags: Mapping[str, str],
        inputs: dict[str, Any],
        **fields: Any,
    ) -> RunRecord:
        seconds = None if ended_at is None else seconds_between(started_at, ended_at)
        return RunRecord(
            id=run_id,
            code="mlflow",
            project=self.project,
            seed=None,
            started_at=started_at,
            ended_at=ended_at,
            seconds=seconds,
            params={name: typed(str(self.masker.value(name, value))) for name, value in params.items()},
            inputs=self.masker.mask_json(inputs),
            source={"commit": commit, "dirty": None} if commit else {},
            cost={} if seconds is None else {"wall_s": seconds},
            error=None,
            artifacts={} if files is None else {ARTIFACT: files},
            metrics={n: {"value": v, "low": None, "high": None} for n, v in metrics.items()},
            tags={
                name: str(self.masker.value(name, value))
                for name, value in tags.items()
                if name.strip() and name not in OWN_TAGS
            },
            **fields,
        )


def instant(row: Mapping[str, Any], tag: str, column: str) -> str:
    """An instant of a run or model: as an export of ours wrote it, to the microsecond, or else MLflow's."""
    try:
        own = datetime.fromisoformat(row["tags"].get(tag, ""))
        if own.tzinfo is not None and own.year >= 1900:
            return instant_text(own)
    except (ValueError, OverflowError):  # none, or changed by somebody
        pass
    return instant_of(row[column] or 0)


def _status(tags: Mapping[str, str], theirs: str | None) -> str:
    """How it ended; MLflow has no word for a run that was stopped early."""
    own = tags.get(STATUS_TAG, "")
    return own if own in ENDS else theirs or "interrupted"
