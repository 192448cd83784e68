"""`cn_ric`: Chinese identity numbers."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence

_FORM = re.compile(r"[1-9][0-9]{16}[0-9Xx]")


@final
class CnRic:
    """Chinese resident identity numbers.

    What it finds
        Eighteen digits (the last may be X): place, date of birth, serial number, and a check digit modulo 11.
    How sure it is
        High where most values pass; hardly any other number has a date where it has to be.
    Example
        `11010519491231002X`
    What to do
        `hash` or `drop`: it tells place and date of birth and sex to whoever reads it.
    Reference
        GB 11643-1999.
    """

    name = "cn_ric"
    says = "Chinese identity numbers"
    action = "hash"
    hint = r"ric|shenfenzheng|id card|identity card"
    mask = r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])"
    needs = NUMBERS
    examples = ("11010519491231002X", "360426199101010071")
    others = ("110105194912310021", "123456789012345678")

    def matches(self, text: str) -> bool:
        from stdnum.cn.ric import calc_check_digit, get_birth_date
        from stdnum.exceptions import ValidationError

        if _FORM.fullmatch(text) is None:
            return False
        try:
            get_birth_date(text)  # not `is_valid`, whose table of places lacks some of them
        except ValidationError:
            return False
        return str(calc_check_digit(text)) == text[-1].upper()

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{17}[0-9Xx]", proof="checksum")
