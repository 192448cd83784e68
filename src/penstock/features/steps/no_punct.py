"""Texts without the punctuation around their words."""

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
class NoPunct:
    """Punctuation at both ends of each word goes, that inside stays: "seat-belts!" is seat-belts. Worked out by the decoder.

    The text is split at whitespace; a word of punctuation alone goes. Punctuation is what Unicode calls so, and all marks
    of ASCII, such as $ and +.
    """

    name: ClassVar[str] = "no_punct"
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = None
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {}
    ready: ClassVar[bool] = False

    def preparation(self, kinds: Sequence[Kind]) -> Preparation:
        """What the decoder does."""
        return lambda trees: Prepared("no_punct", tuple(trees))

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedByDecoder:
        return FittedByDecoder.of(inputs[0])
