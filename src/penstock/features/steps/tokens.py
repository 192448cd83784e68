"""Texts as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import Prepared
from penstock.features.prepare import OfTexts, Preparation


@final
class Tokens(OfTexts):
    """A text as it is written, split at whitespace: case and punctuation stay. Worked out by the decoder.

    A text column without any step is its words in lower case without punctuation; `tokens` is for texts in which case or
    marks say something: "FREE!!!" is not free.
    """

    name: ClassVar[str] = "tokens"

    def preparation(self, kinds: Sequence[Kind]) -> Preparation:
        """What the decoder does: a text that is prepared already consists of tokens."""

        def tree(trees: Sequence[str | Prepared]) -> Prepared:
            (inner,) = trees
            return inner if isinstance(inner, Prepared) else Prepared("tokens", (inner,))

        return tree
