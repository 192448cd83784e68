"""`date_of_birth`: when people were born."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import final

from penstock.data.privacy.judging import HALF, MOST, words_of
from penstock.data.privacy.recogniser import Column, Evidence

_DATE = re.compile(
    r"(?P<iso>(?:18|19|20)[0-9]{2})[-/.](?P<m1>[0-9]{1,2})[-/.](?P<d1>[0-9]{1,2})(?:[ T]00:00(?::00(?:\.0+)?)?Z?)?"
    r"|(?P<d2>[0-9]{1,2})[-/. ](?:[0-9]{1,2}|[A-Za-z]{3,9})[-/. ],? ?(?P<last>(?:18|19|20)[0-9]{2})"
    r"|[A-Za-z]{3,9} (?P<d3>[0-9]{1,2}),? (?P<named>(?:18|19|20)[0-9]{2})"
    r"|(?P<compact>(?:19|20)[0-9]{2})(?:0[1-9]|1[0-2])(?P<d4>[0-3][0-9])"
)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_OTHER_NAMES = (
    r"publi\w*|releas\w*|found\w*|hire\w*|hiring|start\w*|open\w*|built|build|made|order\w*|sold|sale|premiere"
)
OLDEST, MEDIAN, SPREAD, LEAST = 112, (16, 80), 12, 30  # years; years; years between quartiles; dates


@final
class DateOfBirth:
    """Dates of birth.

    What it finds
        Dates (or years) in a column whose name speaks of birth. Without such a name, dates without a time of day whose ages look like
        those of people: none in the future or over 112 years ago, the middle one between 16 and 80 years ago, the middle half spread
        over 12 years or more, and no rush of first days of the month.
    How sure it is
        High by the name; medium by the ages alone, which other dates can have, too.
    Example
        `1984-07-21` in a column `date_of_birth`
    What to do
        `year` keeps the year of birth; `month` the month; `shift` moves all dates by one secret number of days, so that
        differences stay; else `drop`.
    Reference
        Sweeney (2000), Simple Demographics Often Identify People Uniquely: sex, date of birth and postcode name 87 % of a nation.
    """

    name = "date_of_birth"
    says = "dates of birth"
    action = "year"
    hint = r"birth\w*|birth date|dob|born|geburt\w*|geboren|geb|naissance|nacimiento|nascita|geboortedatum|fodselsdato|date of birth"
    mask = ""
    needs = ""
    examples = ("1984-07-21", "21.07.1984", "July 21, 1984", "7/21/1984")
    others = ("1984", "2999-01-01", "12:30", "1.7.84 Berlin")

    def matches(self, text: str) -> bool:
        found = _DATE.fullmatch(text)
        return found is not None and 0 <= _age(found) <= OLDEST

    def judge(self, column: Column) -> Evidence | None:
        named = column.named(self.hint)
        if not column.values or (column.texts and not named):
            return None
        found = [match for value in column.values if (match := _DATE.fullmatch(value)) and 0 <= _age(match) <= OLDEST]
        n, share = len(column.values), len(found) / len(column.values)
        if named:
            if share >= HALF:
                proven = "the column's name says so, and they are dates within a lifetime"
                why = words_of(self.says, share, n, 0.0, "pattern", False, "values", proven)
                return Evidence(self.name, "high", "pattern", share, 0.0, n, True, False, why)
            years = sum(_YEAR.fullmatch(value) is not None for value in column.values) / n
            if years >= HALF:
                proven = "the column's name says so, and they are years"
                why = words_of("years of birth", years, n, 0.0, "pattern", False, "values", proven)
                return Evidence(self.name, "medium", "pattern", years, 0.0, n, True, False, why)
            return None
        if share < 0.95 or len(found) < LEAST or column.named(_OTHER_NAMES):
            return None
        ages = sorted(map(_age, found))
        low, middle, high = (ages[int(q * (len(ages) - 1))] for q in (0.25, 0.5, 0.75))
        firsts = sum(_day(match) == 1 for match in found) / len(found)
        if not MEDIAN[0] <= middle <= MEDIAN[1] or high - low < SPREAD or firsts > 0.2 or share < MOST:
            return None
        proven = f"half of them lie {low} to {high} years ago, as the ages of people do"
        why = words_of(self.says, share, n, 0.0, "pattern", False, "values", proven)
        return Evidence(self.name, "medium", "pattern", share, 0.0, n, False, False, why)


def _age(match: re.Match[str]) -> int:
    """Years since the year of a date."""
    groups = match.groupdict()
    year = int(groups["iso"] or groups["last"] or groups["named"] or groups["compact"])
    return datetime.now(UTC).year - year


def _day(match: re.Match[str]) -> int:
    groups = match.groupdict()
    return int(groups["d1"] or groups["d2"] or groups["d3"] or groups["d4"])
