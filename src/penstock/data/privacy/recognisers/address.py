"""`address`: where people live, as a hint."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_name
from penstock.data.privacy.recogniser import Column, Evidence

_OF_THINGS = r"ip|mac|e|email|mail|url|web|wallet|memory|contract|hardware|remote|src|dst"
_SHAPE = r"(?=.*[^\W\d_]{2}).{4,200}"


@final
class Address:
    """Postal addresses, as a hint only.

    What it finds
        Columns whose name speaks of addresses or streets, and whose values hold words. Addresses inside texts are not found.
    How sure it is
        Low, always: streets are written in too many ways. Look at the column yourself: it is held back until it is decided.
    Example
        `12 St James's Square, London` in a column `home_address`
    What to do
        `drop`. A postcode beside it, cut short, tells the region as well.
    Reference
        UPU S42, International postal address components and templates.
    """

    name = "address"
    says = "addresses"
    action = "drop"
    hint = (
        r"address|addresses|addr|street|strasse|straße|adresse|anschrift|residence|direccion|indirizzo|domicile|wohnort"
    )
    mask = ""
    needs = ""
    examples = ("12 St James's Square, London", "Musterstraße 5", "東京都千代田区丸の内")
    others = ("12", "A", "12345")

    def matches(self, text: str) -> bool:
        return re.fullmatch(_SHAPE, text) is not None

    def judge(self, column: Column) -> Evidence | None:
        if column.named(_OF_THINGS):
            return None
        return by_name(self, column, shape=_SHAPE)
