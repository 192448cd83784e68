"""`fi_hetu`: Finnish personal identity codes."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class FiHetu:
    """Finnish personal identity codes (henkilötunnus).

    What it finds
        Date and century of birth, three digits, and a check character modulo 31.
    How sure it is
        High where most values pass.
    Example
        `131052-308T`
    What to do
        `hash` or `drop`: it tells the date of birth and sex to whoever reads it.
    Reference
        Digital and Population Data Services Agency of Finland.
    """

    name = "fi_hetu"
    says = "Finnish personal identity codes"
    action = "hash"
    hint = r"hetu|henkilotunnus|personal identity code"
    mask = r"(?<![0-9])[0-9]{6}[-+A-FU-Ya-fu-y][0-9]{3}[0-9A-Ya-y]\b"
    needs = NUMBERS
    examples = ("131052-308T", "131052A308T")
    others = ("131052-308U", "310252-308Y")

    def matches(self, text: str) -> bool:
        from stdnum.fi.hetu import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{6}[-+A-FU-Ya-fu-y][0-9]{3}[0-9A-Ya-y]", proof="checksum")
