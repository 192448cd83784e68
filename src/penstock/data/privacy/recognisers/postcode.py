"""`postcode`: where people live, roughly, as a hint."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_name
from penstock.data.privacy.recogniser import Column, Evidence

_SHAPE = r"[A-Za-z]{0,2}-?[0-9][0-9A-Za-z -]{2,9}|[A-Za-z]{1,2}[0-9][0-9A-Za-z]? ?[0-9][A-Za-z]{2}"


@final
class Postcode:
    """Postcodes, as a hint only.

    What it finds
        Columns whose name speaks of postcodes, with values of 3 to 10 letters and digits.
    How sure it is
        Low, always: a postcode alone names nobody; together with sex and date of birth it often does. It is
        held back until it is decided.
    Example
        `SW1Y 4LB` in a column `postcode`
    What to do
        `prefix:2`, or `prefix:3` where these areas are large enough.
    Reference
        45 CFR 164.514(b)(2)(i)(B): three digits of a ZIP code, where 20,000 people or more live.
    """

    name = "postcode"
    says = "postcodes"
    action = "prefix:2"
    hint = r"zip|zipcode|zip code|post ?code|postal|postal code|plz|postleitzahl|codigo postal|code postal|cep|pincode"
    mask = ""
    needs = ""
    examples = ("SW1Y 4LB", "10117", "94105-1420", "D-10117")
    others = ("yes", "a@example.org", "7")

    def matches(self, text: str) -> bool:
        return re.fullmatch(_SHAPE, text) is not None

    def judge(self, column: Column) -> Evidence | None:
        return by_name(self, column, shape=_SHAPE)
