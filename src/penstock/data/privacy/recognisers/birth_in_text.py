"""`birth_in_text`: when people were born, as a text says it."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import Column, Evidence

_WORDS = (
    r"(?:[Bb]orn|BORN|[Bb]irthday|[Dd]ate of [Bb]irth|[Bb]irth ?date|DOB|[Dd]ob|D\.O\.B\.|[Gg]eb\.?|[Gg]eboren|GEBOREN|[Gg]eburtsdatum|[Gg]eburtstag"
    r"|[Nn]ée?|[Nn]aissance|[Nn]acid[oa]|[Nn]acimiento|[Nn]at[oa]|[Nn]ascita|[Gg]eboortedatum|[Ff]ødt|[Ff]ödd)"
)
_BETWEEN = r"[ :=,(]{1,3}(?:(?:is|was|on|the|am|le|la|el|il|op|den) ){0,2}"
_DATE = (
    r"(?:(?:18|19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}"
    r"|[0-9]{1,2}(?:st|nd|rd|th)?[-/. ] ?(?:[0-9]{1,2}|(?:de |of )?[A-Za-z\u00c0-\u017f]{3,10}\.?)[-/. ],? ?(?:de )?(?:(?:18|19|20)[0-9]{2}|[0-9]{2})"
    r"|[A-Za-z\u00c0-\u017f]{3,10} [0-9]{1,2}(?:st|nd|rd|th)?,? (?:18|19|20)[0-9]{2})"
)


@final
class BirthInText:
    """Dates of birth inside texts.

    What it finds
        A date behind a word of birth (`born on`, `DOB:`, `geb.`, `née le`, `nacido el`, ...), in the usual forms, with months as numbers or words.
        Dates behind other words are left alone.
    How sure it is
        High: hardly anything but a date of birth stands behind such a word. What is written otherwise (`turned 40 in May`) is not found.
    Example
        `born on 21.07.1984`
    What to do
        `mask:hits` takes the words and the date out; `drop`, where nobody needs the text.
    Reference
        Sweeney (2000), Simple Demographics Often Identify People Uniquely: sex, date of birth and postcode name 87 % of a nation.
    """

    name = "birth_in_text"
    says = "dates of birth"
    action = "mask:hits"
    hint = r"birth note|born"
    mask = rf"(?<![A-Za-z]){_WORDS}{_BETWEEN}{_DATE}(?![0-9])"
    needs = r"[0-9]{2}"
    examples = ("born on 21.07.1984", "DOB: 1984-07-21", "geb. 21.7.84", "born July 21, 1984", "née le 21 juillet 1984")
    others = ("opened on 21.07.1984", "1984-07-21", "born in Berlin", "born 1984")

    def matches(self, text: str) -> bool:
        return _WHOLE.fullmatch(text) is not None

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=self.mask, proof="structure", chance=0.0)


_WHOLE = re.compile(BirthInText.mask)
