"""What came of reading a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.bundle.kinds import Kind, Task
from penstock.data.column_finding import ColumnFinding, Told
from penstock.data.split import PARTS
from penstock.data.versions import DatasetVersion


@dataclass(frozen=True)
class IngestResult:
    """What came of reading a source.

    Attributes
    ----------
    version : the data-set version. known : it was there already, from the same bytes and options.
    columns : what was found of each column, and why. task, why_task : what is predicted, and why so.
    read_why : what was detected of the file's form.
    diff : what changed from the parent; None without one.
    warnings : what a person should look at.
    personal : of each column that holds personal data or was decided on: what was found, and the action; it quotes no value.
    """

    version: DatasetVersion
    columns: tuple[ColumnFinding, ...]
    task: Task
    why_task: str
    read_why: tuple[str, ...]
    diff: dict[str, Any] | None
    warnings: tuple[str, ...]
    known: bool = False
    personal: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, version: DatasetVersion, details: Mapping[str, Any], *, known: bool) -> IngestResult:
        """What the record of a version says."""
        columns = tuple(
            ColumnFinding(
                c["name"], Kind(c["kind"]), Told(c["why"]), tuple(map(Told, c["warnings"])), tuple(c.get("guessed", ()))
            )
            for c in details["columns"]
        )
        return cls(
            version,
            columns,
            version.target.task,
            details["why_task"],
            tuple(details["read_why"]),
            details["diff"],
            tuple(details["warnings"]),
            known,
            tuple(details.get("personal", ())),
        )

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: self.version.rows[part] for part in PARTS}
