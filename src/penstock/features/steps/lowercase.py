"""Texts and categories in lower case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import Prepared
from penstock.features.bounds import Bound
from penstock.features.kinds import CATEGORIES, TEXTS
from penstock.features.prepare import FittedByDecoder, Preparation
from penstock.features.step import Columns, Target


@final
class Lowercase:
    """Unicode lower case, worked out by the decoder; a text is taken as it is written, split at whitespace.

    A text column without any step has lower case already; `lowercase` is for those inside `tokens`, `no_punct`, `osb` and the
    recipes of Amazon Machine Learning, and for categories that are written in several ways.
    """

    name: ClassVar[str] = "lowercase"
    takes: ClassVar[frozenset[Kind]] = TEXTS | CATEGORIES
    gives: ClassVar[Kind | None] = None
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {}
    ready: ClassVar[bool] = False

    def preparation(self, kinds: Sequence[Kind]) -> Preparation:
        """What the decoder does."""
        return lambda trees: Prepared("lowercase", tuple(trees))

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedByDecoder:
        return FittedByDecoder.of(inputs[0])
