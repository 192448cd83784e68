"""`phone`: telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import final

from penstock.data.privacy.judging import HALF, LIKELY, MOST, by_values, chance_of, inside, nats, words_of
from penstock.data.privacy.recogniser import DASHES, DIGITS, NUMBERS, SPACES, Column, Confidence, Evidence

REGIONS = (
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "BE",
    "PL",
    "SE",
    "CH",
    "AT",
    "BR",
    "IN",
    "CN",
    "AU",
    "JP",
    "MX",
    "ZA",
)
"""Whose national numbers are tried where no country code is written."""

ASKED = 200  # numbers per region
_INTERNATIONAL = re.compile(r"(?:\+|00)[1-9][0-9 ()./-]{6,22}[0-9]")
_GROUPS = re.compile(r"(?:\(?0[0-9]{1,5}\)?|\([0-9]{2,5}\)|[0-9]{3})[ ./-](?:[0-9]{2,5}[ ./-]?){1,4}[0-9]{1,4}")
_DIGITS = re.compile(r"0?[0-9]{7,14}")
_BETWEEN = rf"[{SPACES}./(){DASHES}]"
_GAP = rf"(?:{_BETWEEN}{{0,2}}|(?<![./-][0-9]{{2}})(?<![./-][0-9]{{4}})(?<!(?:19|20)[0-9]{{2}}){_BETWEEN}{{3,4}})"  # no long one after a date
_NOT_A_PHONE = re.compile(
    r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}(?:[ T].*)?|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9]{3}-[0-9]{2}-[0-9]{4}"
)


@final
class Phone:
    """Telephone numbers.

    What it finds
        Numbers with a country code (`+44 20 7946 0958`), and national numbers written in groups (`(212) 736-5000`,
        `030 901820`) that one region's plan of numbers allows for most values of the column. Plain runs of digits are asked only
        where the column's name speaks of telephones: too many of them are a valid number somewhere.
    How sure it is
        High with country codes; medium for national numbers, high where the column's name says so, too. Inside texts only
        numbers with a country code, and those written in groups, count; what `mask:hits` takes out is every number of 7 to 15 digits
        (also full-width, Arabic and Persian ones), whatever stands beside it, with up to four spaces, dots, strokes, brackets and
        dashes of any kind between two of them.
    Example
        `+44 20 7946 0958`
    What to do
        `hash`, where it joins rows; `prefix:4` keeps the area; else `drop`.
    Reference
        ITU-T E.164; the plans of numbers are those of the package phonenumbers (libphonenumber).
    """

    name = "phone"
    says = "telephone numbers"
    action = "hash"
    hint = (
        r"phones?|phone number|phone no|telephones?|tel|t[eé]l[eé]?f[oó]\w*|telnr|rufnummer|t[ée]l[ée]phone|mobil\w*|m[oó]vil\w*|celular\w*|cellulare|"
        r"cell|cellphones?|handy|handynummer|handynr|gsm|portable|whats ?app|sms|kom[oó]rk[ai]|matkapuhelin|fax|msisdn"
    )
    mask = (
        rf"(?<![{DIGITS}])(?![0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?![0-9])|[0-9]{{1,2}}[./-][0-9]{{1,2}}[./-][0-9]{{2,4}}(?![0-9]))"
        rf"\+?[(]?[{DIGITS}](?:{_GAP}[{DIGITS}]){{6,14}}(?![{DIGITS}])"
    )
    needs = NUMBERS
    examples = ("+44 20 7946 0958", "+1 212 736 5000", "(212) 736-5000", "030 901820", "0044 20 7946 0958")
    others = ("2024-03-12", "12/31/1999", "192.168.10.25", "1234567", "+99 123 456 789", "536-90-4399")

    def matches(self, text: str) -> bool:
        if _INTERNATIONAL.fullmatch(text):
            return _with_country(text)
        if _GROUPS.fullmatch(text) is None or _NOT_A_PHONE.fullmatch(text):
            return False
        return any(_valid(text, region) for region in REGIONS)

    def judge(self, column: Column) -> Evidence | None:
        named = column.named(self.hint)
        if column.texts:
            written = inside(self, column, proof="structure", chance=0.0, named=named, matches=_with_country)
            return written or inside(self, column, proof="pattern", chance=0.0, named=named)
        written = by_values(self, column, shape=_INTERNATIONAL.pattern, proof="structure", last=None)
        return written or self._national(column, named=named)

    def _national(self, column: Column, *, named: bool) -> Evidence | None:
        """Numbers without a country code: of the one region whose plan allows most of them."""
        shape = _DIGITS if named else _GROUPS
        shaped = [
            value
            for value in column.values
            if (shape.fullmatch(value) or _GROUPS.fullmatch(value)) and not _NOT_A_PHONE.fullmatch(value)
        ]
        if len(shaped) < HALF * len(column.values) or not shaped:
            return None
        some = [shaped[i * len(shaped) // ASKED] for i in range(ASKED)] if len(shaped) > ASKED else shaped
        region = max(REGIONS, key=lambda r: _share(some[:40], r))
        valid = _share(some, region)
        share = valid * len(shaped) / len(column.values)
        if share < (HALF if named else MOST):
            return None
        by_chance = chance_of(lambda text: _valid(text, region), some)
        confidence: Confidence = "medium"
        if named and share >= MOST and (shape is _GROUPS or nats(valid, by_chance, len(some)) >= LIKELY):
            confidence = "high"
        if not named and nats(valid, 0.2, len(some)) < LIKELY:  # groups of this form are seldom anything else
            return None
        n = len(column.values)
        why = words_of(self.says, share, n, by_chance, "pattern", named, "values", f"numbers of the region {region}")
        return Evidence(self.name, confidence, "pattern", share, by_chance, n, named, False, why)


def _with_country(text: str) -> bool:
    """Whether it has a country code and is a number of that country's plan."""
    return _INTERNATIONAL.fullmatch(text) is not None and _valid(
        "+" + text[2:] if text.startswith("00") else text, None
    )


def _share(values: Sequence[str], region: str) -> float:
    return sum(_valid(value, region) for value in values) / len(values)


def _valid(text: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False
