"""What recognises one kind of personal data, and what it has to show for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

GROUP = "penstock.recognisers"
Confidence = Literal["low", "medium", "high"]
ORDER: tuple[Confidence, ...] = ("low", "medium", "high")
Proof = Literal["checksum", "structure", "pattern", "name"]
"""What stands behind a match: check digits; a grammar that hardly anything else follows; a shape; the column's name alone."""

SPACES = " \u00a0\u2007\u2009\u202f"
"""Those of a keyboard, and those that do not break a line, or are narrow, of word processors: for a class of characters."""
DASHES = r"\-" + "\u2010\u2011\u2012\u2013\u2014\u2212"
"""Hyphens, dashes and the minus sign: for a class of characters."""
DIGITS = "0-9\uff10-\uff19\u0660-\u0669\u06f0-\u06f9"
"""ASCII, full-width (East Asian), Arabic and Persian: for a class of characters."""
NUMBERS = rf"[{DIGITS}][{DIGITS}{SPACES}()./+{DASHES}]{{4,}}[{DIGITS}]"
"""What texts with a number of six digits or more hold, however it is grouped."""

_OTHER_DIGITS = {ord(zero) + i: str(i) for zero in "\uff10\u0660\u06f0" for i in range(10)}
_GAPS = re.compile(rf"[{SPACES}{DASHES}.]")

_BETWEEN_WORDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=[0-9])")


@dataclass(frozen=True)
class Column:
    """What recognisers are shown of a column.

    Attributes
    ----------
    name : of the column. values : distinct values, stripped, without missing ones; a sample where there are very many.
    texts : whether the values are texts of several words, in which personal data may stand.
    """

    name: str
    values: Sequence[str]
    texts: bool = False

    @cached_property
    def words(self) -> str:
        """The column's name as lower-case words: ``customerEMail_2`` is ``customer e mail 2``."""
        return " ".join(_BETWEEN_WORDS.sub(" ", self.name).lower().split())

    @cached_property
    def joined(self) -> str:
        """All values, one a line: one search at C speed says whether any has a shape."""
        return "\n".join(value.replace("\n", " ") for value in self.values)

    @cached_property
    def _holding(self) -> dict[str, list[str]]:
        return {}

    def holding(self, needs: str) -> Sequence[str]:
        """The values in which a regular expression is found; each is searched once, for all that ask."""
        if not needs:
            return self.values
        if needs not in self._holding:
            search = re.compile(needs).search
            self._holding[needs] = [value for value in self.values if search(value)]
        return self._holding[needs]

    def named(self, hint: str) -> bool:
        """Whether the name holds one of the words of `hint`, an alternation of regular expressions."""
        return bool(hint) and re.search(rf"(?:^| )(?:{hint})(?: |$)", self.words) is not None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a column is held to be personal.

    Attributes
    ----------
    kind : name of the recogniser. confidence : "low", "medium" or "high". proof : what stands behind a match.
    share : of the distinct values (or, `inside` texts, of the texts) that match. looked_at : how many there were.
    chance : share that values of the same form would match by chance.
    named : the column's name says so, too. inside : the matches stand inside texts.
    why : all of this in words. It never quotes a value.
    """

    kind: str
    confidence: Confidence
    proof: Proof
    share: float
    chance: float
    looked_at: int
    named: bool
    inside: bool
    why: str

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "confidence": self.confidence,
            "proof": self.proof,
            "share": round(self.share, 6),
            "by_chance": round(self.chance, 6),
            "looked_at": self.looked_at,
            "named": self.named,
            "inside": self.inside,
            "why": self.why,
        }


def closed_up(text: str) -> str:
    """A number in ASCII digits, without what groups it.

    >>> closed_up("DE89.3704 0044\u20110532"), closed_up("\uff14\uff11\uff11\uff11")
    ('DE89370400440532', '4111')
    """
    return _GAPS.sub("", text.translate(_OTHER_DIGITS))


class Recogniser(Protocol):
    """One kind of personal data. Built-in ones and plug-ins come through ``penstock.recognisers``.

    The docstring is shown to users and stands in the order of a check: what it finds, how sure it is, an example, what to
    do, reference. Every recogniser keeps what `penstock.testing.recogniser.RecogniserContract` asks: it never quotes a value, its
    patterns are linear in the length of a text, and `mask` covers every one of its examples inside a sentence.

    Class attributes
    ----------------
    name : permanent id, which is also what a masked hit becomes: ``[email]``.
    says : what it finds, in the plural, for sentences.
    action : what is proposed for a column of such values; see `penstock.bundle.privacy.actions`.
    hint : words of column names that speak of it, an alternation of regular expressions over `Column.words`; "" none.
    mask : regular expression of hits inside texts, in the part that Python and ECMAScript share; "" where such values are
        not sought in texts. It may match more than `matches` takes: what is masked needlessly harms less than what is not.
    needs : a quick regular expression that a text must hold for `mask` to be tried, such as `NUMBERS`; many kinds share one.
    examples, others : values that it takes, and values that look alike and are refused.
    """

    @property
    def name(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def mask(self) -> str: ...
    @property
    def needs(self) -> str: ...
    @property
    def examples(self) -> tuple[str, ...]: ...
    @property
    def others(self) -> tuple[str, ...]: ...

    def matches(self, text: str) -> bool:
        """Whether a whole value (stripped) is one."""
        ...

    def judge(self, column: Column) -> Evidence | None:
        """The evidence that a column holds such values, or None."""
        ...
