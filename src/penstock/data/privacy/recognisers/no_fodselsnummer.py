"""`no_fodselsnummer`: Norwegian birth numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class NoFodselsnummer:
    """Norwegian birth numbers (fødselsnummer).

    What it finds
        Date of birth, three digits, and two check digits modulo 11.
    How sure it is
        High where most values pass; hardly any other number does.
    Example
        `15108695088`
    What to do
        `hash` or `drop`: it tells the date of birth and sex to whoever reads it.
    Reference
        Skatteetaten, fødselsnummer.
    """

    name = "no_fodselsnummer"
    says = "Norwegian birth numbers"
    action = "hash"
    hint = r"fodselsnummer|fnr|personnummer"
    mask = r"(?<![0-9])[0-9]{6} [0-9]{5}(?![0-9])"
    needs = NUMBERS
    examples = ("15108695088", "151086 95088")
    others = ("15108695077", "12345678901")

    def matches(self, text: str) -> bool:
        from stdnum.no.fodselsnummer import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{6} ?[0-9]{5}", proof="checksum")
