"""`penstock run --why`: which stages would run, and why; nothing is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.lifecycle.stages import Context, Stages, Step, WouldRun
from penstock.project.project import Project

ORDER = ("contract", "ingest", "append", "recipe", "search", "evaluate", "judge", "fallback", "package", "register")


@dataclass(frozen=True)
class Explanation:
    """What a run would do."""

    known: list[Step]
    would_run: list[tuple[str, str]]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "known": [s.to_json() for s in self.known],
            "would_run": [{"name": name, "why": why} for name, why in self.would_run],
        }

    def to_text(self) -> str:
        lines = [f"{s.name}: known ({s.why})" for s in self.known]
        lines += [f"{name}: would run, because {why}" for name, why in self.would_run]
        return "\n".join(lines if self.would_run else [*lines, "nothing to do"])


def explaining(project: Project, pipeline: Callable[[Stages], Any]) -> Explanation:
    """Follow the pipeline as far as it is known."""
    stages = Stages(Context(project), dry=True)
    try:
        with stages:
            pipeline(stages)
    except WouldRun as first:
        after = ORDER[ORDER.index(first.name) + 1 :]
        why = f"it follows {first.name}, whose result is not known yet"
        absent = {"append"}  # only where there are labelled rows
        if not project.declaration.serving.declares_fallback:
            absent.add("fallback")
        later = [(name, why) for name in after if name not in absent]
        return Explanation(stages.steps, [(first.name, first.why), *later])
    return Explanation(stages.steps, [])
