"""`ip`: addresses in the internet."""

from __future__ import annotations

import ipaddress
import re
from typing import final

from penstock.bundle.privacy.transforms import without_port
from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import Column, Evidence

_FOUR = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
VERSION_PART = 64  # hardly a version number has a larger part; of the addresses of the internet 99.6 % have one


@final
class Ip:
    """Addresses in the internet (IPv4 and IPv6).

    What it finds
        Four numbers up to 255 between dots, or groups of hexadecimal digits between colons, with or without a port, in columns and inside texts. Version
        numbers are left alone: values with no part above 63 are no addresses unless the column's name says so.
    How sure it is
        High in columns; medium inside texts, where four numbers between dots may be anything.
    Example
        `203.0.113.195`, `2001:db8::8a2e:370:7334`
    What to do
        `network` keeps the first 24 bits (48 of IPv6), which tell the place roughly; `hash`, where it names a device; else `drop`.
    Reference
        RFC 791; RFC 5952. That an address is personal: Court of Justice of the EU, C-582/14 (Breyer).
    """

    name = "ip"
    says = "internet addresses"
    action = "network"
    hint = r"ip|ips|ipv4|ipv6|ip addr|ip address|client ip|remote addr|src ip|dst ip"
    mask = (
        r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9]|\.[0-9])"
        r"|(?<![0-9A-Za-z:])(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}"
        r"|(?:[0-9A-Fa-f]{1,4}:){1,7}:(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?"
        r"|::[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})(?![0-9A-Za-z:])"
    )
    needs = r"[0-9]\.[0-9]|[0-9A-Fa-f:]:"
    examples = ("203.0.113.195", "2001:db8::8a2e:370:7334", "fe80::1", "203.0.113.4:443")
    others = ("1.2.3.4", "203.0.113.256", "12:34:56", "1.2.3", "10.0.19041.1")

    def matches(self, text: str) -> bool:
        address = without_port(text)
        return _is_address(address) and (":" in address or max(map(int, address.split("."))) >= VERSION_PART)

    def judge(self, column: Column) -> Evidence | None:
        shape = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:\]:[0-9]{1,5})?"
        if column.texts:
            return by_values(self, column, shape=shape, proof="pattern", chance=0.0)
        matches = _is_address_of_a_port if column.named(self.hint) else self.matches
        return by_values(self, column, shape=shape, proof="structure", chance=0.0, matches=matches)


def _is_address_of_a_port(text: str) -> bool:
    return _is_address(without_port(text))


def _is_address(text: str) -> bool:
    if _FOUR.fullmatch(text) is None and text.count(":") < 2:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
