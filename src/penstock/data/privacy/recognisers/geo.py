"""`geo`: places as coordinates."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import HALF, MOST, words_of
from penstock.data.privacy.recogniser import NUMBERS, Column, Confidence, Evidence

_NUMBER = re.compile(r"[-+]?[0-9]{1,3}(?:[.,](?P<decimals>[0-9]+))?")
_PAIR = re.compile(r"[(\[]?[-+]?[0-9]{1,2}\.(?P<decimals>[0-9]{3,})°?[,; ] ?[-+]?[0-9]{1,3}\.[0-9]{3,}°?[)\]]?")
FINE = 4  # decimals: 0.0001 degrees are 11 m; with 2 (1 km) a home is not told from its quarter


@final
class Geo:
    """Places as coordinates.

    What it finds
        Degrees within their range in columns whose names speak of latitude, longitude or GPS, and pairs of degrees with three decimals
        or more.
    How sure it is
        Medium with four decimals or more (11 m), which find a home; low with fewer.
    Example
        `52.51631` in a column `latitude`
    What to do
        `band:0.1` keeps a square of 11 km; `band:1` one of 111 km; else `drop`.
    Reference
        de Montjoye et al. (2013), Unique in the Crowd, Sci. Rep. 3, 1376: four places and times name 95 % of people.
    """

    name = "geo"
    says = "geographic coordinates"
    action = "band:0.1"
    hint = r"lat|latitude|lng|lon|longitude|long|gps|coords?|coordinates?|geo|geolocation|breitengrad|laengengrad"
    mask = r"(?<![0-9.])[-+]?[0-9]{1,2}\.[0-9]{4,}°?[,;] ?[-+]?[0-9]{1,3}\.[0-9]{4,}°?(?![0-9])"
    needs = NUMBERS
    examples = ("52.51631, 13.37770", "(-33.85678, 151.21530)")
    others = ("52.5", "1.5, 2.5", "123.4567, 12.3456")

    def matches(self, text: str) -> bool:
        if _PAIR.fullmatch(text) is None:
            return False
        latitude, longitude = map(float, re.findall(r"[-+]?[0-9]+\.[0-9]+", text))
        return abs(latitude) <= 90 and abs(longitude) <= 180

    def judge(self, column: Column) -> Evidence | None:
        named = column.named(self.hint)
        if not column.values:
            return None
        pairs = [value for value in column.values if self.matches(value)]
        n = len(column.values)
        if len(pairs) >= MOST * n and (named or n >= 5):
            why = words_of(self.says, len(pairs) / n, n, 0.0, "pattern", named, "values")
            return Evidence(self.name, "medium", "pattern", len(pairs) / n, 0.0, n, named, False, why)
        if not named or column.texts:
            return None
        found = [match for value in column.values if (match := _NUMBER.fullmatch(value)) and _degrees(value)]
        share = len(found) / n
        if share < MOST:
            return None
        fine = sum(len(match["decimals"] or "") >= FINE for match in found) / n
        confidence: Confidence = "medium" if fine >= HALF else "low"
        finely = "most with four decimals or more" if fine >= HALF else "with too few decimals to find a home"
        proven = f"the column's name says so, and they are degrees, {finely}"
        why = words_of(self.says, share, n, 0.0, "pattern", False, "values", proven)
        return Evidence(self.name, confidence, "pattern", share, 0.0, n, True, False, why)


def _degrees(text: str) -> bool:
    return abs(float(text.replace(",", "."))) <= 180
