"""What the ledger knows of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from penstock.objects.digests import digest_of_json

RUNNING, DONE, FAILED, INTERRUPTED = "running", "done", "failed", "interrupted"
STATUSES = (RUNNING, DONE, FAILED, INTERRUPTED)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One recorded operation, as it was when it was read.

    Attributes
    ----------
    id : sorts by time.
    status : ``running``, ``done``, ``failed`` or ``interrupted`` (stopped by hand, or its process is gone).
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

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self)}


def key_of(operation: str, inputs: dict[str, Any], params: dict[str, Any], code: str) -> str:
    """The digest of everything that a result depends on.

    Equal for equal content, whatever the order of the names.

    >>> key_of("split", {"dataset": 1}, {"test": 0.2}, "1") == key_of("split", {"dataset": 1}, {"test": 0.2}, "1")
    True
    >>> key_of("split", {"dataset": 1}, {"test": 0.2}, "1") == key_of("split", {"dataset": 2}, {"test": 0.2}, "1")
    False
    """
    return digest_of_json(
        {"format": 1, "kind": "run-key", "operation": operation, "inputs": inputs, "params": params, "code": code}
    )
