"""Texts as their characters."""

from __future__ import annotations

from typing import ClassVar, final

from penstock.features.prepare import OfTexts


@final
class Characters(OfTexts):
    """Each character of a text as a word of its own, so that `ngram(characters(note), 3)` counts character n-grams.

    The text is taken as it is written (`characters(lowercase(note))` for lower case), with one space, shown as ␣, between its
    words. Worked out by the decoder.
    """

    name: ClassVar[str] = "characters"
