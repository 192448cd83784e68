"""`ch_ssn`: Swiss social security numbers."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class ChSsn:
    """Swiss social security numbers (AHV, AVS).

    What it finds
        Thirteen digits that begin with 756 and pass the check of an EAN-13.
    How sure it is
        High where most values pass: no goods are numbered with 756.
    Example
        `756.9217.0769.85`
    What to do
        `hash`, where it joins rows; else `drop`.
    Reference
        Zentrale Ausgleichsstelle, AHV-Nummer.
    """

    name = "ch_ssn"
    says = "Swiss social security numbers (AHV)"
    action = "hash"
    hint = r"ahv|avs|ahvn13|sozialversicherungsnummer"
    mask = r"(?<![0-9])756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}(?![0-9])"
    needs = NUMBERS
    examples = ("756.9217.0769.85", "7569217076985")
    others = ("756.9217.0769.84", "7561234567890")

    def matches(self, text: str) -> bool:
        from stdnum.ch.ssn import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}", proof="checksum")
