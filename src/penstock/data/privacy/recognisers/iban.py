"""`iban`: international bank account numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import DASHES, NUMBERS, SPACES, Column, Evidence, closed_up

_GAP = f"[{SPACES}{DASHES}.]?"


@final
class Iban:
    """International bank account numbers (IBAN).

    What it finds
        A country, two check digits and the account, with or without spaces, dots and hyphens, in columns and inside texts. The length is that of
        the country and the remainder modulo 97 is 1; of other numbers of the form one in 97 would pass.
    How sure it is
        High where most values pass: what chance would give is measured by shuffling the digits of the column's own values.
    Example
        `DE89 3704 0044 0532 0130 00`
    What to do
        `hash`, where it joins rows or names a client; `drop`, where nobody needs it.
    Reference
        ISO 13616-1:2020; ISO/IEC 7064 (MOD 97-10).
    """

    name = "iban"
    says = "IBANs"
    action = "hash"
    hint = r"iban|bank account|kontonummer|account number|konto"
    mask = rf"\b[A-Za-z]{{2}}[0-9]{{2}}(?:{_GAP}[A-Za-z0-9]{{4}}){{2,7}}(?:{_GAP}[A-Za-z0-9]{{1,3}})?(?![A-Za-z0-9])"
    needs = NUMBERS
    examples = ("DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR1420041010050500013M02606")
    others = ("DE89 3704 0044 0532 0130 01", "AB12CDEF34567890123")

    def matches(self, text: str) -> bool:
        from stdnum.iban import is_valid

        return bool(is_valid(closed_up(text)))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[A-Za-z]{2}[0-9]{2}(?:[ .-]?[A-Za-z0-9]){11,30}", proof="checksum")
