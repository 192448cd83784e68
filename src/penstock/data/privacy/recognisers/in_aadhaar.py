"""`in_aadhaar`: Indian identity numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class InAadhaar:
    """Indian identity numbers (Aadhaar).

    What it finds
        Twelve digits, not beginning with 0 or 1, of which the last is right by Verhoeff; one in ten has it by chance.
    How sure it is
        High where at least 95 % of the values pass, which no column of other numbers does but by design.
    Example
        `2347 9826 3846`
    What to do
        `hash`, where it joins rows; else `drop`. Indian law names who may store it at all.
    Reference
        UIDAI; Verhoeff (1969), Error Detecting Decimal Codes.
    """

    name = "in_aadhaar"
    says = "Indian identity numbers (Aadhaar)"
    action = "hash"
    hint = r"aadhaar|aadhar|uidai"
    mask = r"(?<![0-9])[2-9][0-9]{3} [0-9]{4} [0-9]{4}(?![0-9])"
    needs = NUMBERS
    examples = ("2347 9826 3846", "234798263846")
    others = ("234798263847", "643343121456")

    def matches(self, text: str) -> bool:
        from stdnum.in_.aadhaar import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}", proof="checksum", most=0.95)
