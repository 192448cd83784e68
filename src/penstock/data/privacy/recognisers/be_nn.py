"""`be_nn`: Belgian national numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class BeNn:
    """Belgian national numbers (rijksregisternummer, numéro national).

    What it finds
        Date of birth, a serial number, and two check digits modulo 97.
    How sure it is
        High where most values pass; less than one number of eleven digits in 97 does by chance.
    Example
        `85.07.30-033.28`
    What to do
        `hash` or `drop`: it tells the date of birth and sex to whoever reads it.
    Reference
        Koninklijk besluit of 3 April 1984.
    """

    name = "be_nn"
    says = "Belgian national numbers"
    action = "hash"
    hint = r"rijksregisternummer|registre national|numero national|niss|insz|national number"
    mask = r"(?<![0-9])[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}(?![0-9])"
    needs = NUMBERS
    examples = ("85.07.30-033.28", "85073003328")
    others = ("85073003329", "12345678901")

    def matches(self, text: str) -> bool:
        from stdnum.be.nn import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(
            self, column, shape=r"[0-9]{2}[. ]?[0-9]{2}[. ]?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}", proof="checksum"
        )
