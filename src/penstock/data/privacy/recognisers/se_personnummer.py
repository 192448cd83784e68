"""`se_personnummer`: Swedish personal numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class SePersonnummer:
    """Swedish personal numbers (personnummer).

    What it finds
        Date of birth, four digits of which the last is right by Luhn.
    How sure it is
        High where most values pass; by chance a few in a hundred numbers do, since the date must be one, too.
    Example
        `880320-0016`
    What to do
        `hash` or `drop`: it tells the date of birth and sex to whoever reads it.
    Reference
        Folkbokföringslagen (1991:481), § 18.
    """

    name = "se_personnummer"
    says = "Swedish personal numbers"
    action = "hash"
    hint = r"personnummer|personal number|pnr"
    mask = r"(?<![0-9])(?:[0-9]{2})?[0-9]{6}[-+][0-9]{4}(?![0-9])"
    needs = NUMBERS
    examples = ("880320-0016", "8803200016")
    others = ("880320-0018", "891339-0016")

    def matches(self, text: str) -> bool:
        from stdnum.se.personnummer import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"(?:[0-9]{2})?[0-9]{6}[-+]?[0-9]{4}", proof="checksum")
