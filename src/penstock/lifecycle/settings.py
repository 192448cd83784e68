"""What of the declaration each stage depends on: no more than that, so that an edit runs again only what it changes."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from penstock.errors import DeclarationError
from penstock.project.project import Project


@dataclass(frozen=True)
class Settings:
    """Parameters of the stages after the data set, as plain JSON values."""

    search: dict[str, Any]
    evaluate: dict[str, Any]
    judge: dict[str, Any]
    package: dict[str, Any]
    fallback: dict[str, Any] | None = None  # None: no fallback is declared

    @classmethod
    def of(cls, project: Project, budget: str | None) -> Settings:
        """From the declaration; `budget` overrides the declared one."""
        d = project.declaration
        goal = {name: value for name, value in msgspec.to_builtins(d.goal).items() if name != "costs"}
        costs = None if d.goal.costs is None else [d.goal.costs.false_positive, d.goal.costs.false_negative]
        gates = [
            {k: v for k, v in msgspec.to_builtins(g).items() if v is not None and v is not False}
            for g in d.gates
            if not g.reproducible  # judged at deploy, from the ledger
        ]
        slices = msgspec.to_builtins(d.evaluation.slices)
        learning = {
            "seed": d.search.seed,
            "metric": d.goal.metric,
            "learners": None if d.search.learners is None else list(d.search.learners),
            **({} if d.search.imbalance is None else {"imbalance": d.search.imbalance}),
            **({} if costs is None else {"costs": costs}),
        }
        late = None if d.serving.fallback == "none" else d.serving.fallback
        without = sorted(name for name, policy in d.serving.missing.items() if policy == "fallback")
        return cls(
            search={
                "budget": d.search.budget if budget is None else budget,
                "strategy": d.search.strategy,
                "workers": d.search.workers,
                **learning,
            },
            fallback={"late": late, "missing": without, "search": learning} if late or without else None,
            evaluate={
                "slices": [*slices, *(column for column in d.evaluation.protected if column not in slices)],
                "seed": d.search.seed,
                "gates": gates,
            },
            judge={"gates": gates, "goal": goal},
            package={
                "name": project.name,
                "question": d.project.question,
                "abstain_below": d.serving.abstain_below,
                "abstain_when_novel": d.serving.abstain_when_novel,
                "extra_fields": d.serving.extra_fields,
                "key": d.data.key,
                "seed": d.search.seed,
                "scope": msgspec.to_builtins(d.scope),
                **({"privacy": d.privacy.decided} if d.privacy.decided else {}),
                **({"missing": dict(sorted(d.serving.missing.items()))} if d.serving.missing else {}),
            },
        )


def overriding(reason: str | None) -> dict[str, str] | None:
    """Who overrides, why, and on which day. (The instant stands in the audit trail.)"""
    if reason is None:
        return None
    if not reason.strip():
        raise DeclarationError(
            "the reason is empty", why="it is kept with your name, for whoever asks later", way_out="say why"
        )
    return {"reason": reason.strip(), "who": getpass.getuser(), "at": datetime.now(UTC).date().isoformat()}
