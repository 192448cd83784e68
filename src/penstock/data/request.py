"""What an ingest is asked for: equal requests give the same data-set version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.bundle.kinds import Kind, Task
from penstock.bundle.specs import Label
from penstock.data.writing import NOT_SAID, Writing
from penstock.objects.digests import digest_of_json
from penstock.project.split_settings import SplitSettings

if TYPE_CHECKING:
    from penstock.bundle.history import Past

SETTLED = frozenset(Kind) - {Kind.CONSTANT, Kind.BINARY}
"""Kinds that a column keeps in the versions that follow, where they are asked for in the same way; one or two values may become more."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: the content of the source and everything that decides how it is read and dealt."""

    source: str  # digest of the content
    options: Mapping[str, Any]  # `Source.options`
    target: str
    split: SplitSettings
    task: Task | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    missing: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    positive: Label | None = None
    redeals: str | None = None  # digest of the version whose rows are dealt anew
    row_key: str | None = None  # the column that says which row is which
    history: tuple[Past, ...] = ()  # columns that look back
    privacy: Mapping[str, str] = field(default_factory=dict)  # column -> action; those that are kept are not among them
    writing: Writing = NOT_SAID  # how dates and numbers are written

    @property
    def key(self) -> str:
        """The same for the same content and options."""
        redeals = {} if self.redeals is None else {"redeals": self.redeals}
        return digest_of_json({"source": self.source, "how": self.how, "split": self.split.to_json(), **redeals})

    @property
    def base(self) -> str:
        """The same for requests whose rows may share a lineage: one target, one way of dealing."""
        return digest_of_json({"target": self.target, "split": self.split.to_json()})

    @property
    def how(self) -> dict[str, Any]:
        return {
            "options": dict(self.options),
            "target": self.target,
            "task": self.task,
            "kinds": {name: str(kind) for name, kind in self.kinds.items()},
            "missing": None if self.missing is None else list(self.missing),
            "drop": sorted(self.drop),
            "positive": self.positive,
            **({} if self.row_key is None else {"key": self.row_key}),
            **({"history": _pasts(self.history)} if self.history else {}),
            **({"privacy": dict(sorted(self.privacy.items()))} if self.privacy else {}),
            **({"writing": said} if (said := self.writing.to_json()) else {}),
        }


def _pasts(history: tuple[Past, ...]) -> list[dict[str, Any]]:
    from penstock.bundle.history import past_json

    return [past_json(past) for past in history]
