"""`uk_nino`: National Insurance numbers of the United Kingdom."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence

_NUMBER = re.compile(
    r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", re.IGNORECASE
)


@final
class UkNino:
    """National Insurance numbers of the United Kingdom.

    What it finds
        Two letters, six digits and a letter from A to D, but for pairs of letters that are never given out.
    How sure it is
        Medium: there is no check digit, but hardly anything else has the form. High where the column's name says so, too.
    Example
        `AB 12 34 56 C`
    What to do
        `drop`, or `hash`, where it joins rows.
    Reference
        HM Revenue & Customs, National Insurance Manual NIM39110.
    """

    name = "uk_nino"
    says = "National Insurance numbers"
    action = "drop"
    hint = r"nino|national insurance|national insurance number|ni number|ni no"
    mask = r"(?<![0-9A-Za-z])[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Da-d](?![0-9A-Za-z])"
    needs = NUMBERS
    examples = ("AB 12 34 56 C", "JG103759A")
    others = ("GB123456A", "AB123456E", "DA123456A", "AB12345C")

    def matches(self, text: str) -> bool:
        return _NUMBER.fullmatch(text) is not None

    def judge(self, column: Column) -> Evidence | None:
        return by_values(
            self, column, shape=r"[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Da-d]", proof="pattern", chance=0.0
        )
