"""Combinations of categories, or of the words of texts with categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import CROSS, Prepared
from penstock.errors import RecipeError
from penstock.features.bounds import Bound
from penstock.features.kinds import CATEGORIES, TEXTS
from penstock.features.ops import ints, op, texts
from penstock.features.prepare import Preparation
from penstock.features.step import Columns, Target
from penstock.features.vocabulary import MISSING

if TYPE_CHECKING:
    from spox import Var

MOST = 1_000
"""Combinations of columns that one call may make."""


@final
class Cartesian:
    """The values of two or more columns joined by an underscore: `cartesian(job, marital)` has the value nurse_single.

    It is missing where one of them is. A group stands for each of its columns: `cartesian(group(a, b), c)` is a with c and b
    with c. With a text among them, each of its words (as it is written; `lowercase` and `no_punct` may stand inside) is
    joined with the others, and the result is a text; the decoder does that, so that the others must be columns then, or bins of
    columns (`as_category(quantile_bin(age, 10))`, whose edges become part of the decoder), and no other results of steps of the graph.
    """

    name: ClassVar[str] = "cartesian"
    takes: ClassVar[frozenset[Kind]] = TEXTS | CATEGORIES
    gives: ClassVar[Kind | None] = Kind.CATEGORICAL
    arity: ClassVar[int] = 2
    variadic: ClassVar[bool] = True
    columnwise: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, Bound]] = {}
    ready: ClassVar[bool] = False

    def objection(self, kind: Kind) -> str | None:
        """Why the graph does not take a kind."""
        return "the words of a text are joined by the decoder" if kind is Kind.TEXT else None

    def preparation(self, kinds: Sequence[Kind]) -> Preparation | None:
        """What the decoder does where there is a text."""
        if Kind.TEXT not in kinds:
            return None
        whole = [kind is not Kind.TEXT for kind in kinds]
        return lambda trees: Prepared(
            CROSS,
            tuple(Prepared("one_token", (t,)) if one else t for t, one in zip(trees, whole, strict=True)),
        )

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedCartesian:
        chosen = tuple(product(*(range(len(columns.names)) for columns in inputs)))
        if len(chosen) > MOST:
            raise RecipeError(
                f"'cartesian' would make {len(chosen):,} columns",
                why=f"it joins each column of each group with each of the others; at most {MOST:,} are made",
                way_out="name fewer columns",
            )
        names = [" x ".join(columns.names[j] for columns, j in zip(inputs, each, strict=True)) for each in chosen]
        return FittedCartesian(tuple(names), chosen)


@dataclass(frozen=True)
class FittedCartesian:
    """Attributes: chosen : for each output, the column of each block."""

    names: tuple[str, ...]
    chosen: tuple[tuple[int, ...], ...]

    def emit(self, inputs: Sequence[Var]) -> Var:
        """One gather and one join for each block, over all combinations at once."""
        joined: Var | None = None
        missing: Var | None = None
        for block, places in zip(inputs, zip(*self.chosen, strict=True), strict=True):
            values = op.gather(block, ints(list(places)), axis=1)
            absent = op.equal(values, texts([MISSING]))
            if joined is None or missing is None:
                joined, missing = values, absent
            else:
                joined = op.string_concat(op.string_concat(joined, texts(["_"])), values)
                missing = op.or_(missing, absent)
        assert joined is not None
        assert missing is not None
        return op.where(missing, texts([MISSING]), joined)
