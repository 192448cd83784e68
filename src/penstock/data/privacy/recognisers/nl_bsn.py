"""`nl_bsn`: Dutch citizen numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class NlBsn:
    """Dutch citizen service numbers (BSN).

    What it finds
        Nine digits that pass the eleven test; one number in eleven does by chance.
    How sure it is
        High where at least 95 % of the values pass, which no column of other numbers does but by design.
    Example
        `111222333`
    What to do
        `hash`, where it joins rows; else `drop`. Dutch law names who may use it at all.
    Reference
        Wet algemene bepalingen burgerservicenummer; the elfproef.
    """

    name = "nl_bsn"
    says = "Dutch citizen service numbers (BSN)"
    action = "hash"
    hint = r"bsn|burgerservicenummer|sofinummer"
    mask = r"(?<![0-9])[0-9]{4}[. ][0-9]{2}[. ][0-9]{3}(?![0-9])"
    needs = NUMBERS
    examples = ("111222333", "1112.22.333")
    others = ("111252333", "123456780")

    def matches(self, text: str) -> bool:
        from stdnum.nl.bsn import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{9}|[0-9]{4}[. ][0-9]{2}[. ][0-9]{3}", proof="checksum", most=0.95)
