"""What MLflow and the ledger call the same thing: parameters, names of metrics, statuses, instants."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from penstock.ledger.clock import instant_text
from penstock.ledger.record import DONE, FAILED, INTERRUPTED, QUEUED, RUNNING, STOPPED

EXPERIMENT_TAG = "mlflow.experimentId"
MODEL_EXPERIMENT_TAG = "mlflow.model.experimentId"
"""Which experiment a run, or a logged model, belongs to. MLflow's clients do not see them among the tags."""

DATASET, MODEL = "dataset ", "model "
"""How the inputs of a run that MLflow recorded begin: ``dataset NAME DIGEST``, ``model ID``; outputs: ``model ID``."""
TAG = "tag "
"""How the tags of an experiment begin among its details."""

MLFLOW_STATUS = {
    QUEUED: "SCHEDULED",
    RUNNING: "RUNNING",
    DONE: "FINISHED",
    FAILED: "FAILED",
    INTERRUPTED: "KILLED",
    STOPPED: "KILLED",
}
STATUS = {"FINISHED": DONE, "FAILED": FAILED, "KILLED": INTERRUPTED}
"""How a run of MLflow's ends."""

FIRST_MS, LAST_MS = -2_208_988_800_000, 253_402_300_799_999
"""The years 1900 to 9999: what lies outside is no instant of a run."""

RUN_TAG, OPERATION_TAG, STATUS_TAG, STOPPED_TAG = (
    "penstock.run",
    "penstock.operation",
    "penstock.status",
    "penstock.stopped",
)
STARTED_TAG, ENDED_TAG = "penstock.started_at", "penstock.ended_at"
"""What an export writes beside a run or model, so that an import knows it, or makes it again as it was."""
OWN_TAGS = frozenset({RUN_TAG, OPERATION_TAG, STATUS_TAG, STOPPED_TAG, STARTED_TAG, ENDED_TAG})

_NUMBER = re.compile(r"[-+]?(?:\d[\d.eE+-]*|nan|inf)")
_TAKEN = frozenset({"step", "elapsed_s"})
_OTHERWISE = "metric."


def typed(text: str) -> Any:
    """A parameter with the type that its text tells, if it gives the same text again: the ledger can then compare it.

    >>> [typed(t) for t in ("0.1", "10", "True", "None", "1e-05", "0.10", "007", "gini", "nan")]
    [0.1, 10, True, None, 1e-05, '0.10', '007', 'gini', nan]
    """
    words = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    if len(text) <= 40 and _NUMBER.fullmatch(text):
        for kind in (int, float):
            try:
                value = kind(text)
            except ValueError:
                continue
            if str(value) == text and (kind is float or abs(value) < 2**63):
                return value
    return text


def metric_name(key: str) -> str:
    """The name of a metric in the log of a run, where ``step`` and ``elapsed_s`` have another meaning.

    >>> metric_name("loss"), metric_name("step"), metric_key(metric_name("step"))
    ('loss', 'metric.step', 'step')
    """
    return _OTHERWISE + key if key in _TAKEN else key


def metric_key(name: str) -> str:
    """The other way round."""
    key = name.removeprefix(_OTHERWISE)
    return key if key in _TAKEN else name


def instant_of(milliseconds: int) -> str:
    """MLflow's milliseconds as an instant of the ledger.

    >>> instant_of(1_700_000_000_123), milliseconds_of("2023-11-14T22:13:20.123000Z")
    ('2023-11-14T22:13:20.123000Z', 1700000000123)

    Raises
    ------
    ValueError : it lies outside of the years 1900 to 9999.
    """
    if not FIRST_MS <= milliseconds <= LAST_MS:
        raise ValueError(f"{milliseconds} milliseconds since 1970 is outside of the years 1900 to 9999")
    seconds, rest = divmod(int(milliseconds), 1000)
    return instant_text(datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000))


def milliseconds_of(instant: str | None) -> int | None:
    """An instant of the ledger as MLflow's milliseconds."""
    return None if instant is None else round(seconds_of(instant) * 1000)


def seconds_of(instant: str) -> float:
    """An instant of the ledger, in seconds since 1970."""
    return datetime.fromisoformat(instant).timestamp()
