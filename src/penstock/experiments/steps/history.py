"""The finished runs of steps, as the ledger has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from penstock.errors import StoreError
from penstock.experiments.steps.record import Past
from penstock.ledger.arriving import KEY
from penstock.ledger.record import DONE, RunRecord

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger

_OURS = f"substr(r.key, 1, {len(KEY)}) <> '{KEY}'"  # what others have computed is never taken for a known result
OF_STEP = f"r.id IN (SELECT run FROM run_inputs WHERE name = 'step_key' AND digest = :key) AND {_OURS}"
IS_STEP = "r.id IN (SELECT run FROM run_inputs WHERE name = 'step_key')"
LOOKED_AT = 20
"""Of a step's finished runs with equal inputs, so many of the newest are looked at: they differ in their scripts only."""


class History:
    """Finished runs of the steps. What it was asked once it remembers, until it is told to `forget`.

    Where several projects share a ledger, equal work is shared; what a step did last is asked of its own project.
    """

    def __init__(self, ledger: Ledger, project: str) -> None:
        self._ledger = ledger
        self._project = project
        self._of_key: dict[tuple[str, str], list[Past]] = {}
        self._newest: dict[str, Past | None] = {}

    def forget(self, step: str) -> None:
        """Read a step's runs again when they are next asked for."""
        self._of_key = {asked: found for asked, found in self._of_key.items() if asked[0] != step}
        self._newest.pop(step, None)

    def of_key(self, step: str, key: str) -> list[Past]:
        """Those with equal command, parameters and inputs, newest first."""
        if (step, key) not in self._of_key:
            records = self._ledger.runs(operation=step, status=DONE, limit=LOOKED_AT, where=(OF_STEP, {"key": key}))
            self._of_key[step, key] = _finished(records)
        return self._of_key[step, key]

    def newest(self, step: str) -> Past | None:
        """The last finished run of a step, None before its first."""
        if step not in self._newest:
            records = self._ledger.runs(
                operation=step, status=DONE, limit=LOOKED_AT, project=self._project, where=(IS_STEP, {})
            )
            self._newest[step] = next(iter(_finished(records)), None)
        return self._newest[step]

    def made(self, step: str, path: str, digest: str) -> bool:
        """Whether a step has ever made this at a path."""
        made = f"r.id IN (SELECT run FROM run_outputs WHERE name = :name AND digest = :digest) AND {_OURS}"
        params = {"name": f"outputs.step.outputs.{path}.digest", "digest": digest}
        return bool(self._ledger.summaries(operation=step, limit=1, columns=(), where=(made, params)))

    def attempt(self, step: str) -> str:
        """What became of the last attempt of a step that has never finished."""
        for record in self._ledger.runs(operation=step, limit=1, project=self._project):
            if record.inputs.get("step") == step and record.status != DONE:
                return f"it has not finished yet: its last run, {record.id}, is {record.status}"
        return "it has not run yet"

    def listing(self, digest: str) -> dict[str, str] | None:
        """Path -> digest of a folder or glob, as it was; None where it was not kept."""
        try:
            listed = json.loads(self._ledger.objects.get(digest))
        except (StoreError, ValueError):
            return None
        return listed if isinstance(listed, dict) else None


def _finished(records: list[RunRecord]) -> list[Past]:
    return [past for past in map(Past.of, records) if past is not None]
