"""Texts without the punctuation around their words."""

from __future__ import annotations

from typing import ClassVar, final

from penstock.features.prepare import OfTexts


@final
class NoPunct(OfTexts):
    """Punctuation at both ends of each word goes, that inside stays: "seat-belts!" is seat-belts. Worked out by the decoder.

    The text is split at whitespace; a word of punctuation alone goes. Punctuation is what Unicode calls so, and all marks
    of ASCII, such as $ and +.
    """

    name: ClassVar[str] = "no_punct"
