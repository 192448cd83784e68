"""`fr_nir`: French social security numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class FrNir:
    """French social security numbers (NIR).

    What it finds
        Sex, year, month and place of birth, a serial number and two check digits: 97 less the remainder modulo 97.
    How sure it is
        High where most values pass; one number of the form in 97 does by chance.
    Example
        `2 95 10 99 126 111 93`
    What to do
        `hash` or `drop`: it tells sex, age and place of birth to whoever reads it.
    Reference
        INSEE, Numéro d'inscription au répertoire.
    """

    name = "fr_nir"
    says = "French social security numbers (NIR)"
    action = "hash"
    hint = r"nir|insee|secu|securite sociale|numero de securite sociale"
    mask = r"(?<![0-9])[1-8] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![0-9])"
    needs = NUMBERS
    examples = ("2 95 10 99 126 111 93", "295109912611193")
    others = ("295109912611199", "123456789012345")

    def matches(self, text: str) -> bool:
        from stdnum.fr.nir import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(
            self,
            column,
            shape=r"[1-8] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
            proof="checksum",
        )
