"""The words of a text, as every text step sees them."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")
_GAP = re.compile(r"\W+")


def normalise_text(text: str) -> str:
    """The words of a text, as every text step sees them: NFKC, Unicode lower case, words joined by one space.

    A word is a run of letters, digits and underscores; combining marks inside it belong to it, so that words written
    with vowel signs (Hindi, Thai, vocalised Arabic) or a Turkish dotted i stay whole.

    >>> normalise_text("  Ｆree entry!! £100 at Straße-Café ")
    'free entry 100 at straße café'
    """
    if text.isascii():
        return " ".join(_WORD.findall(text.lower()))
    return _GAP.sub(_gap, unicodedata.normalize("NFKC", text).lower()).strip(" ")


def _gap(match: re.Match[str]) -> str:
    """What stands between two runs of word characters: marks that belong to the word before, then a space."""
    between = match[0]
    if between == " ":
        return between
    kept = 0
    if match.start() > 0:
        while kept < len(between) and unicodedata.category(between[kept])[0] == "M":
            kept += 1
    return between[:kept] + (" " if kept < len(between) else "")
