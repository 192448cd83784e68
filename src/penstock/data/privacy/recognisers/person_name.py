"""`person_name`: names of persons, as a hint."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_name
from penstock.data.privacy.recogniser import Column, Evidence

_OF_THINGS = (
    r"file|product|company|brand|event|host|domain|model|country|city|state|species|class|category|table|column|project|team|"
    r"school|store|shop|job|app|page|song|movie|title|item|device|station|street|region|user agent|bank|hotel|course|field"
)
_SHAPE = r"[^\W\d_][^\d_@:/\\]{1,80}"


@final
class PersonName:
    """Names of persons, as a hint only.

    What it finds
        Columns whose name speaks of the names of persons, and whose values are words. Names inside texts are not found.
    How sure it is
        Low, always: no list of names is complete, and most of their words mean other things, too. Look at the column
        yourself: it is held back until it is decided.
    Example
        `Lovelace, Ada` in a column `customer_name`
    What to do
        `drop`; `hash`, where it joins rows.
    Reference
        Mansfield et al. (2022), Behind the Mask: Demographic bias in name detection for PII masking, LTEDI 2022.
    """

    name = "person_name"
    says = "names of persons"
    action = "drop"
    hint = (
        r"name|names|surname|lastname|last name|firstname|first name|forename|given name|full name|fullname|family name|maiden name|"
        r"kunde|kundin|patient|patientin|ansprechpartner|sachbearbeiter|cliente|"
        r"nachname|vorname|apellidos?|nombre|prenom|nom|cognome|username|user name"
    )
    mask = ""
    needs = ""
    examples = ("Ada Lovelace", "Braund, Mr. Owen Harris", "李小龙", "O'Neil")
    others = ("42", "a@example.org", "x", "http://example.org")

    def matches(self, text: str) -> bool:
        return re.fullmatch(_SHAPE, text) is not None

    def judge(self, column: Column) -> Evidence | None:
        if column.named(_OF_THINGS):
            return None
        return by_name(self, column, shape=_SHAPE)
