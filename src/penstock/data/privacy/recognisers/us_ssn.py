"""`us_ssn`: social security numbers of the United States."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class UsSsn:
    """Social security numbers of the United States.

    What it finds
        Nine digits in groups of 3, 2 and 4 between hyphens, but for groups that are never given out. Nine digits without
        hyphens are asked only where the column's name speaks of it.
    How sure it is
        Medium: there is no check digit. High where the column's name says so, too.
    Example
        `536-90-4399`
    What to do
        `drop`, or `hash`, where it joins rows.
    Reference
        Social Security Administration, SSN randomization (2011).
    """

    name = "us_ssn"
    says = "US social security numbers"
    action = "drop"
    hint = r"ssn|social security|social security number|social security no|socialsecuritynumber"
    mask = r"(?<![0-9-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9-])"
    needs = NUMBERS
    examples = ("536-90-4399", "536904399")
    others = ("000-12-3456", "666-12-3456", "987-65-4321", "536-90-43991")

    def matches(self, text: str) -> bool:
        from stdnum.us.ssn import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        written = by_values(self, column, shape=r"[0-9]{3}-[0-9]{2}-[0-9]{4}", proof="pattern", chance=0.0)
        if written is not None or column.texts:
            return written
        return by_values(self, column, shape=r"[0-9]{9}", proof="pattern", alone=False)
