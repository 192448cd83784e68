"""What an import from an MLflow database brought, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ImportedFromMlflow:
    """What was taken over. `known` were here before; `without_files` : run -> the place where its files are, out of reach."""

    path: str
    runs: list[str]
    models: list[str]
    experiments: list[str]
    known: list[str]
    metrics: int
    without_files: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return 0

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "runs": self.runs,
            "models": self.models,
            "experiments": self.experiments,
            "known": self.known,
            "metrics": self.metrics,
            "without_files": self.without_files,
        }

    def to_text(self) -> str:
        lines = [
            f"{len(self.runs)} runs of {len(self.experiments)} experiments with {self.metrics:,} values of metrics"
            + (f", and {len(self.models)} logged models" if self.models else "")
            + f", from {self.path}"
        ]
        lines += [f"  {run}" for run in self.runs[:20]]
        if len(self.runs) > 20:
            lines.append(f"  ... and {len(self.runs) - 20} more: penstock runs")
        if self.known:
            lines.append(f"{len(self.known)} were here before, and stay as they were")
        lines += [f"files of {run} were not taken: {place}" for run, place in self.without_files.items()]
        return "\n".join(lines)
