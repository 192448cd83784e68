"""`ca_sin`: Canadian social insurance numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class CaSin:
    """Canadian social insurance numbers (SIN).

    What it finds
        Nine digits that pass Luhn; one number in ten does by chance.
    How sure it is
        High where at least 95 % of the values pass, which no column of other numbers does but by design.
    Example
        `123-456-782`
    What to do
        `hash`, where it joins rows; else `drop`.
    Reference
        Employment and Social Development Canada; ISO/IEC 7812-1 (Luhn).
    """

    name = "ca_sin"
    says = "Canadian social insurance numbers"
    action = "hash"
    hint = r"sin|social insurance|social insurance number"
    mask = r"(?<![0-9])[0-9]{3}[ -][0-9]{3}[ -][0-9]{3}(?![0-9])"
    needs = NUMBERS
    examples = ("123-456-782", "123456782")
    others = ("123-456-781", "999-999-999")

    def matches(self, text: str) -> bool:
        from stdnum.ca.sin import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", proof="checksum", most=0.95)
