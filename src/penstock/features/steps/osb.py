"""Orthogonal sparse bigrams of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import Prepared
from penstock.features.bounds import Bound, Whole
from penstock.features.prepare import OfTexts, Preparation


@final
class Osb(OfTexts):
    """Pairs of words within a window, with an underscore for each step between them: The_quick, The__brown, The___fox.

    Each word is paired with each of the `size` - 1 words that follow it. The result is a text of such pairs, to be weighed or
    counted as words are: `tfidf(osb(note, 4))`. Worked out by the decoder, from the text as it is written.

    Parameters
    ----------
    size : words in the window.

    Source: Siefkes, Assis, Chhabra and Yerazunis (2004), PKDD, LNCS 3202, 410.
    """

    name: ClassVar[str] = "osb"
    bounds: ClassVar[Mapping[str, Bound]] = {"size": Whole(2, 10)}

    def __init__(self, size: int = 4) -> None:
        self.size = size

    def preparation(self, kinds: Sequence[Kind]) -> Preparation:
        """What the decoder does."""
        return lambda trees: Prepared("sparse_bigrams", tuple(trees), (self.size,))
