"""`de_idnr`: German tax numbers of persons."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class DeIdnr:
    """German tax identification numbers of persons (Steuer-ID).

    What it finds
        Eleven digits of which one comes twice or three times and the last is right (ISO 7064, MOD 11,10).
    How sure it is
        High where most values pass; few numbers of eleven digits do by chance, and how many is measured.
    Example
        `36 574 261 809`
    What to do
        `hash`, where it joins rows; else `drop`.
    Reference
        Bundeszentralamt für Steuern, Aufbau der Identifikationsnummer; § 139b AO.
    """

    name = "de_idnr"
    says = "German tax identification numbers"
    action = "hash"
    hint = r"steuer id|steueridentifikationsnummer|steuer idnr|tax id|idnr|tin"
    mask = r"(?<![0-9])[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}(?![0-9])"
    needs = NUMBERS
    examples = ("36 574 261 809", "36574261809")
    others = ("36574261890", "12345678901")

    def matches(self, text: str) -> bool:
        from stdnum.de.idnr import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", proof="checksum")
