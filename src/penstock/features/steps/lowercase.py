"""Texts and categories in lower case."""

from __future__ import annotations

from typing import ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.features.kinds import CATEGORIES, TEXTS
from penstock.features.prepare import OfTexts


@final
class Lowercase(OfTexts):
    """Unicode lower case, worked out by the decoder; a text is taken as it is written, split at whitespace.

    A text column without any step has lower case already; `lowercase` is for those inside `tokens`, `no_punct`, `osb` and the
    recipes of Amazon Machine Learning, and for categories that are written in several ways.
    """

    name: ClassVar[str] = "lowercase"
    takes: ClassVar[frozenset[Kind]] = TEXTS | CATEGORIES
