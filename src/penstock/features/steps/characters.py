"""Texts as their characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import Prepared
from penstock.features.bounds import Bound
from penstock.features.kinds import TEXTS
from penstock.features.prepare import FittedByDecoder, Preparation
from penstock.features.step import Columns, Target


@final
class Characters:
    """Each character of a text as a word of its own, so that `ngram(characters(note), 3)` counts character n-grams.

    The text is taken as it is written (`characters(lowercase(note))` for lower case), with one space, shown as ␣, between its
    words. Worked out by the decoder.
    """

    name: ClassVar[str] = "characters"
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = None
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {}
    ready: ClassVar[bool] = False

    def preparation(self, kinds: Sequence[Kind]) -> Preparation:
        """What the decoder does."""
        return lambda trees: Prepared("characters", tuple(trees))

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedByDecoder:
        return FittedByDecoder.of(inputs[0])
