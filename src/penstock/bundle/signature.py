"""What a bundle takes and gives, and what a person may want to know before asking it: `signature.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import Layout
from penstock.bundle.preparing import Fetch
from penstock.bundle.specs import TargetSpec
from penstock.errors import BundleError, NewerFormat

FORMAT = 2
"""1 where no number is taken less an offset: what knows no offsets reads it rightly."""
ExtraFields = Literal["refuse", "ignore"]
WhenMissing = Literal["fill", "refuse", "fallback"]
"""What becomes of a row without a value for a field: filled as in training, refused, or answered by a model that does without."""


@dataclass(frozen=True, slots=True)
class InputColumn:
    """One input of the model. `known`: the decoded values seen in training, or None when values are not listed."""

    name: str
    kind: Kind
    example: Any = None
    known: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """When the graph abstains; the graph decides, these are its limits in words.

    threshold : of the positive class's probability (binary only).
    abstain_below : confidence (the probability of the answered class) below which it abstains; None: it never does.
    novelty_limit : novelty above which a row counts as novel.
    """

    threshold: float | None = None
    abstain_below: float | None = None
    novelty_limit: float = float("inf")
    abstain_when_novel: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """The graph answers in standard deviations of the target; this takes it back, in double."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A prediction interval: offsets from the prediction in the target's units, and the share of rows that it covers."""

    coverage: float
    low: float
    high: float


@dataclass(frozen=True)
class Signature:
    """The inputs, the target and the rules of one version of a model.

    Attributes
    ----------
    columns : the inputs in order; the graph's output `outside` has one flag for each, in the same order.
    key : name of an identifier column that is echoed in the answer, or None.
    scale, interval : regression only.
    missing : what becomes of a row that lacks a field; a field that is not named is filled as in training.
    """

    model: str
    task: Task
    target: TargetSpec
    layout: Layout
    columns: tuple[InputColumn, ...]
    extra_fields: ExtraFields = "refuse"
    key: str | None = None
    decision: DecisionRule = DecisionRule()
    scale: Scale | None = None
    interval: Interval | None = None
    goal_metric: str = ""
    missing: Mapping[str, WhenMissing] = field(default_factory=dict)

    def fields_that(self, policy: WhenMissing) -> frozenset[str]:
        """The fields with a policy."""
        return frozenset(name for name, given in self.missing.items() if given == policy)

    def to_json(self) -> dict[str, Any]:
        rule = self.decision
        return {
            "format": FORMAT if self.layout.offsets else 1,
            "kind": "signature",
            "model": self.model,
            "task": str(self.task),
            "target": self.target.to_json(),
            "layout": self.layout.to_json(),
            "columns": [
                {
                    "name": column.name,
                    "kind": str(column.kind),
                    "example": column.example,
                    "known": None if column.known is None else list(column.known),
                }
                for column in self.columns
            ],
            "extra_fields": self.extra_fields,
            "key": self.key,
            "decision": {
                "threshold": rule.threshold,
                "abstain_below": rule.abstain_below,
                "novelty_limit": rule.novelty_limit if rule.novelty_limit != float("inf") else None,
                "abstain_when_novel": rule.abstain_when_novel,
            },
            "scale": {"mean": self.scale.mean, "std": self.scale.std} if self.scale else None,
            "interval": (
                {"coverage": self.interval.coverage, "low": self.interval.low, "high": self.interval.high}
                if self.interval
                else None
            ),
            "goal_metric": self.goal_metric,
            **({"missing": dict(sorted(self.missing.items()))} if self.missing else {}),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], fetch: Fetch | None = None) -> Signature:
        """The signature of its stored form; `fetch` finds the files that it names.

        Raises
        ------
        NewerFormat : written by a later release.
        BundleError : it is not a signature.
        """
        if isinstance(plain, Mapping) and isinstance(plain.get("format"), int) and plain["format"] > FORMAT:
            raise NewerFormat(
                f"the signature has format {plain['format']}",
                why=f"this release of Penstock knows formats up to {FORMAT}",
                way_out="upgrade Penstock",
            )
        try:
            rule = dict(plain["decision"])
            if rule.get("novelty_limit") is None:
                rule["novelty_limit"] = float("inf")
            return cls(
                model=plain["model"],
                task=Task(plain["task"]),
                target=TargetSpec.from_json(plain["target"]),
                layout=Layout.from_json(plain["layout"], fetch),
                columns=tuple(
                    InputColumn(
                        column["name"],
                        Kind(column["kind"]),
                        column["example"],
                        None if column["known"] is None else tuple(column["known"]),
                    )
                    for column in plain["columns"]
                ),
                extra_fields=plain["extra_fields"],
                key=plain["key"],
                decision=DecisionRule(**rule),
                scale=Scale(**plain["scale"]) if plain["scale"] else None,
                interval=Interval(**plain["interval"]) if plain["interval"] else None,
                goal_metric=plain["goal_metric"],
                missing=dict(plain.get("missing", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                "the stored signature cannot be read",
                why=f"{type(error).__name__}: {error}",
                way_out="package it again",
            ) from error
