"""What the ledger knows of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from penstock.ledger.status import DONE, FAILED, INTERRUPTED, QUEUED, RUNNING, STATUSES, STOPPED, key_of

__all__ = [
    "DONE", "FAILED", "INTERRUPTED", "QUEUED", "RUNNING", "STATUSES", "STOPPED", "RunRecord", "RunSummary", "key_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One recorded operation, as it was when it was read.

    Attributes
    ----------
    id : sorts by time.
    status : ``queued``, ``running``, ``done``, ``failed``, ``interrupted`` (by hand, or its process is gone) or ``stopped``
        (early, because it was hopeless: the reason is ``outputs["stopped"]``).
    key : what the result depends on; an equal key means an equal result. See `key_of`.
    code : version of the code that ran.
    started_at, ended_at : UTC instants; `ended_at` is None while running and when the process was killed.
    inputs, params, outputs : name -> JSON value; digests among them are the edges of the lineage.
    artifacts : name -> {"digest", "size_bytes", "media"} of the stored outputs.
    metrics : name -> {"value", "low", "high"}; `low` and `high` are None where no interval was given.
    environment : {"python", "platform", "machine", "cpus", "packages": {name: version}}.
    source : {"penstock": version, "commit": hex or None, "dirty": bool or None} of the project folder.
    cost : {"wall_s", "cpu_s", "peak_memory_bytes", ...}.
    error : {"code", "what", "why", "try"} of a failed run (``"code": "bug"`` and a traceback for a fault of ours).
    log : digest of what was logged, None where nothing was, or while running.
    parent : id of the batch or pipeline run that it belongs to. who, host : user and machine.
    deleted_at : when it was thrown away, None where it was not. tags : name -> text.
    notes : [{"number", "at", "who", "text"}], oldest first.
    """

    id: str
    operation: str
    status: str
    key: str
    code: str
    project: str | None
    seed: int | None
    started_at: str
    ended_at: str | None
    seconds: float | None
    params: dict[str, Any]
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    source: dict[str, Any]
    cost: dict[str, Any]
    error: dict[str, Any] | None
    log: str | None
    environment: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, dict[str, float | None]] = field(default_factory=dict)
    parent: str | None = None
    who: str | None = None
    host: str | None = None
    deleted_at: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self)}


@dataclass(slots=True)
class RunSummary:
    """What a listing shows of a run. Not frozen, as thousands are made at once; what was not asked for is empty.

    metrics : name -> value, NaN where the metric has none.
    """

    id: str
    operation: str
    status: str
    project: str | None
    parent: str | None
    started_at: str
    ended_at: str | None
    seconds: float | None
    who: str | None
    host: str | None
    deleted_at: str | None
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
