"""`pl_pesel`: Polish national numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class PlPesel:
    """Polish national numbers (PESEL).

    What it finds
        Eleven digits: date of birth, a serial number, and a check digit.
    How sure it is
        High where most values pass; by chance a few in a hundred do, since the date must be one, too.
    Example
        `44051401359`
    What to do
        `hash` or `drop`: it tells the date of birth and sex to whoever reads it.
    Reference
        Ustawa o ewidencji ludności of 24 September 2010.
    """

    name = "pl_pesel"
    says = "Polish national numbers (PESEL)"
    action = "hash"
    hint = r"pesel"
    mask = r"(?<![0-9])[0-9]{11}(?![0-9])"
    needs = NUMBERS
    examples = ("44051401359", "02070803628")
    others = ("44051401358", "12345678901")

    def matches(self, text: str) -> bool:
        from stdnum.pl.pesel import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{11}", proof="checksum")
