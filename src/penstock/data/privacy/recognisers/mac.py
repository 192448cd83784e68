"""`mac`: hardware addresses."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import Column, Evidence

_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}")


@final
class Mac:
    """Hardware addresses of network devices (MAC).

    What it finds
        Six pairs of hexadecimal digits between colons or hyphens, in columns and inside texts.
    How sure it is
        High: nothing else has the form.
    Example
        `00:1B:44:11:3A:B7`
    What to do
        `hash`, where it names a device over time; else `drop`.
    Reference
        IEEE 802, section 8.
    """

    name = "mac"
    says = "hardware addresses (MAC)"
    action = "hash"
    hint = r"mac|mac address|hardware address"
    mask = r"(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?![0-9A-Fa-f:-])"
    needs = "[:-][0-9A-Fa-f]{2}[:-]"
    examples = ("00:1B:44:11:3A:B7", "00-1b-44-11-3a-b7")
    others = ("00:1B:44:11:3A", "12:34:56", "00:1B:44:11:3A:ZZ")

    def matches(self, text: str) -> bool:
        return _ADDRESS.fullmatch(text) is not None

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=_ADDRESS.pattern, proof="structure", chance=0.0)
