"""`uk_nhs`: health numbers of England and Wales."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class UkNhs:
    """Health numbers of England and Wales (NHS numbers).

    What it finds
        Ten digits, often in groups of 3, 3 and 4, of which the last is right modulo 11; one number in eleven has it by chance.
    How sure it is
        High where at least 95 % of the values pass: ISBN-10 has the same check, but ends in X in 9 % of the books.
    Example
        `943 476 5919`
    What to do
        `hash`, where it joins rows; else `drop`.
    Reference
        NHS Data Dictionary, NHS NUMBER.
    """

    name = "uk_nhs"
    says = "NHS numbers"
    action = "hash"
    hint = r"nhs|nhs number|nhs no"
    mask = r"(?<![0-9])[0-9]{3}[ -][0-9]{3}[ -][0-9]{4}(?![0-9])"
    needs = NUMBERS
    examples = ("943 476 5919", "9434765919")
    others = ("9434765910", "123-456-7890")

    def matches(self, text: str) -> bool:
        from stdnum.gb.nhs import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", proof="checksum", most=0.95)
