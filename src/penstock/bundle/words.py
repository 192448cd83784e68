"""The words of a text, as every text step sees them."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")
_GAP = re.compile(r"\W+")
_DIGIT = re.compile(r"\d")


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


def packed_words(text: str) -> str:
    """A text as it enters the graph: its words, and behind each word with digits its shape, in which every digit is 0.

    A phone number or a price hardly ever comes twice; that there is one of so many digits does, and says much.

    >>> packed_words("Call 0800 now, win £100!")
    'call 0800 0000 now win 100 000'
    """
    words = normalise_text(text)
    if _DIGIT.search(words) is None:
        return words
    packed = []
    for word in words.split(" "):
        packed.append(word)
        shape = _DIGIT.sub("0", word)
        if shape != word:
            packed.append(shape)
    return " ".join(packed)


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
