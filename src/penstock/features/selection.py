"""What the steps that choose features share: who is kept, why the others are not, and what it costs to ask for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import RecipeError
from penstock.features.ops import take
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var

FEWEST_ROWS = 20
"""Training rows from which a column can be told from chance."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What became of one column. `score` is None where it was not worked out."""

    name: str
    kept: bool
    score: float | None
    why: str

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "kept": self.kept, "score": self.score, "why": self.why}


@dataclass(frozen=True, slots=True)
class Selection:
    """What a step of a recipe made of its columns."""

    step: str
    columns: tuple[Choice, ...]

    def to_json(self) -> dict[str, Any]:
        return {"step": self.step, "columns": [choice.to_json() for choice in self.columns]}


@dataclass(frozen=True)
class FittedSelection:
    """Some columns of a block, taken out of it as they are.

    Attributes
    ----------
    names : of the columns that are kept, in the order of the block.
    of : names of all columns of the block, shape (k,).
    places : positions of those that are kept, shape (len(names),).
    choices : why each was kept or dropped.
    """

    names: tuple[str, ...]
    of: tuple[str, ...]
    places: tuple[int, ...]
    choices: tuple[Choice, ...] = field(compare=False)

    @classmethod
    def by(cls, columns: Columns, choices: Sequence[Choice]) -> FittedSelection:
        places = tuple(j for j, choice in enumerate(choices) if choice.kept)
        return cls(tuple(columns.names[j] for j in places), columns.names, places, tuple(choices))

    def within(self, names: Sequence[str]) -> FittedSelection:
        """The same columns, out of a block that has lost some of the others."""
        return FittedSelection(
            self.names, tuple(names), tuple(list(names).index(name) for name in self.names), self.choices
        )

    def emit(self, inputs: Sequence[Var]) -> Var:
        (block,) = inputs
        return take(block, list(self.places), len(self.of))


@dataclass(frozen=True, slots=True)
class Rule:
    """When a column is kept.

    Parameters
    ----------
    scores : what each is worth, float (k,). says : what a score is, in words with a place for it: ``"variance {}"``.
    threshold : what a score must be above. most : how many are kept at most.
    price : what one unit of cost must bring in scores beyond the threshold.
    """

    scores: np.ndarray
    says: str
    threshold: float
    most: int
    price: float = 0.0


def select(columns: Columns, rule: Rule) -> FittedSelection:
    """The columns that the rule keeps.

    Costs are those of the columns of the table, each paid once, however many features come of it: what the features of one
    origin are worth together is held against what is still to pay for it, the worthiest first.
    """
    scores = rule.scores
    why = [rule.says.format(f"{score:.4g}") for score in scores]
    kept = scores > rule.threshold
    for j in np.flatnonzero(~kept).tolist():
        why[j] += f", not above {rule.threshold:.4g}"
    if rule.price > 0 and columns.costs:
        _buy(columns, rule, kept, why)
    best = np.argsort(-scores, kind="stable")
    for j in best[kept[best]][rule.most :].tolist():
        kept[j] = False
        why[j] += f", not among the best {rule.most}"
    choices = [
        Choice(name, bool(keep), float(score), reason)
        for name, keep, score, reason in zip(columns.names, kept, scores, why, strict=True)
    ]
    return FittedSelection.by(columns, choices)


def keep_all(columns: Columns, why: str) -> FittedSelection:
    """All columns, where nothing can be told of them."""
    return FittedSelection.by(columns, [Choice(name, True, None, why) for name in columns.names])


def need_target(name: str, target: Target | None) -> Target:
    """
    Raises
    ------
    RecipeError : there is no target to choose by.
    """
    if target is None:
        raise RecipeError(
            f"{name!r} has no target to choose by",
            why="it keeps the columns that tell something of the target, and these rows have none",
            way_out="use select_variance, or declare [data] target",
        )
    return target


def _buy(columns: Columns, rule: Rule, kept: np.ndarray, why: list[str]) -> None:
    """Drop what is not worth its cost."""
    groups: dict[frozenset[str], list[int]] = defaultdict(list)
    for j in np.flatnonzero(kept).tolist():
        groups[columns.origin(j)].append(j)
    worth = {origin: float(sum(rule.scores[j] - rule.threshold for j in of)) for origin, of in groups.items()}
    paid: set[str] = set()
    for origin in sorted(groups, key=lambda origin: -worth[origin]):
        cost = sum(columns.costs.get(name, 0.0) for name in origin - paid)
        if worth[origin] > rule.price * cost:
            paid |= origin
            continue
        for j in groups[origin]:
            kept[j] = False
            why[j] += f", brings {worth[origin]:.4g} for a cost of {cost:g}"
