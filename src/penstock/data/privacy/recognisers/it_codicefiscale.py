"""`it_codicefiscale`: Italian tax codes."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import Column, Evidence


@final
class ItCodiceFiscale:
    """Italian tax codes (codice fiscale).

    What it finds
        Sixteen letters and digits: name, date and place of birth, sex, and a check letter.
    How sure it is
        High where most values pass; hardly anything else has the form.
    Example
        `RCCMNL83S18D969H`
    What to do
        `hash` or `drop`: it tells sex, date and place of birth to whoever reads it.
    Reference
        Decreto del Ministero delle Finanze 23 December 1976.
    """

    name = "it_codicefiscale"
    says = "Italian tax codes (codice fiscale)"
    action = "hash"
    hint = r"codice fiscale|cod fiscale|fiscale|cf"
    mask = r"\b[A-Za-z]{6}[0-9LMNP-Vlmnp-v]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9LMNP-Vlmnp-v]{2}[A-Za-z][0-9LMNP-Vlmnp-v]{3}[A-Za-z]\b"
    needs = "[0-9A-Za-z]{16}"
    examples = ("RCCMNL83S18D969H", "MRTMTT25D09F205Z")
    others = ("RCCMNL83S18D969A", "ABCDEFGHIJKLMNOP")

    def matches(self, text: str) -> bool:
        from stdnum.it.codicefiscale import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(
            self,
            column,
            shape=r"[A-Za-z]{6}[0-9A-Za-z]{2}[A-Za-z][0-9A-Za-z]{2}[A-Za-z][0-9A-Za-z]{3}[A-Za-z]",
            proof="checksum",
        )
