"""How a run can stand, and the key under which its result is found. Apart from the records, so that starting a run loads little."""

from __future__ import annotations

import json
from typing import Any

from penstock.objects.digests import digest_of, digest_of_json

QUEUED, RUNNING, DONE, FAILED, INTERRUPTED, STOPPED = "queued", "running", "done", "failed", "interrupted", "stopped"
STATUSES = (QUEUED, RUNNING, DONE, FAILED, INTERRUPTED, STOPPED)


def key_of(operation: str, inputs: dict[str, Any], params: dict[str, Any], code: str) -> str:
    """The digest of everything that a result depends on.

    Equal for equal content, whatever the order of the names.

    >>> key_of("split", {"dataset": 1}, {"test": 0.2}, "1") == key_of("split", {"dataset": 1}, {"test": 0.2}, "1")
    True
    >>> key_of("split", {"dataset": 1}, {"test": 0.2}, "1") == key_of("split", {"dataset": 2}, {"test": 0.2}, "1")
    False
    """
    return safe_digest(
        {"format": 1, "kind": "run-key", "operation": operation, "inputs": inputs, "params": params, "code": code}
    )


def safe_digest(value: Any) -> str:
    """The digest of a JSON value, also where it holds texts that are not UTF-8 (names of files may)."""
    try:
        return digest_of_json(value)
    except UnicodeEncodeError:
        return digest_of(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
