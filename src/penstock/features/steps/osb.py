"""Orthogonal sparse bigrams of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import Prepared
from penstock.features.bounds import Bound, Whole
from penstock.features.kinds import TEXTS
from penstock.features.prepare import FittedByDecoder, Preparation
from penstock.features.step import Columns, Target


@final
class Osb:
    """Pairs of words within a window, with an underscore for each step between them: The_quick, The__brown, The___fox.

    Each word is paired with each of the `size` - 1 words that follow it. The result is a text of such pairs, to be weighed or
    counted as words are: `tfidf(osb(note, 4))`. Worked out by the decoder, from the text as it is written.

    Parameters
    ----------
    size : words in the window.

    Source: Siefkes, Assis, Chhabra and Yerazunis (2004), PKDD, LNCS 3202, 410.
    """

    name: ClassVar[str] = "osb"
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = None
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"size": Whole(2, 10)}
    ready: ClassVar[bool] = False

    def __init__(self, size: int = 4) -> None:
        self.size = size

    def preparation(self, kinds: Sequence[Kind]) -> Preparation:
        """What the decoder does."""
        return lambda trees: Prepared("sparse_bigrams", tuple(trees), (self.size,))

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedByDecoder:
        return FittedByDecoder.of(inputs[0])
