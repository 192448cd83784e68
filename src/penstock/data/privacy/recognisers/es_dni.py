"""`es_dni`: Spanish identity numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class EsDni:
    """Spanish identity numbers (DNI).

    What it finds
        Eight digits and a letter that is right modulo 23; one such value in 23 has it by chance.
    How sure it is
        High where most values pass.
    Example
        `54362315K`
    What to do
        `hash`, where it joins rows; else `drop`.
    Reference
        Real Decreto 1553/2005.
    """

    name = "es_dni"
    says = "Spanish identity numbers (DNI)"
    action = "hash"
    hint = r"dni|nif|documento|documento nacional"
    mask = r"\b[0-9]{8}-?[A-Za-z]\b"
    needs = NUMBERS
    examples = ("54362315K", "54362315-K")
    others = ("54362315Z", "12345678A")

    def matches(self, text: str) -> bool:
        from stdnum.es.dni import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{8}[ -]?[A-Za-z]", proof="checksum")
