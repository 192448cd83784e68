"""How one raw value becomes a protected one. The only place that knows; rows and columns both come here.

A protected value is text, or None where the raw one is missing. The decoder reads it afterwards as it reads any text.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import floor, isfinite

from penstock.bundle.instants import instant_reader
from penstock.bundle.kinds import Kind
from penstock.bundle.numbers import number_reader, number_text
from penstock.bundle.privacy.protection import Mask, Protection
from penstock.bundle.raw import HiddenValue, Reader, Unreadable
from penstock.bundle.specs import ColumnSpec
from penstock.bundle.values import column_reader
from penstock.errors import PrivacyError

Transform = Callable[[object, object], str | None]
"""(raw value, raw value of the subject's column) -> protected text, or None where missing."""

MASKED = "***"
HASH_DIGITS = 16  # 64 bits: among a million values two share a hash with a chance of 3 in a hundred million
SHIFT_DAYS = 364  # dates move by 1 to 364 days, to either side
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000


def transform_of(spec: ColumnSpec, key: bytes | None) -> Transform:
    """The transform of a personal column.

    A transform raises `HiddenValue` where a value cannot be transformed; its words do not quote the value.
    """
    protection = spec.privacy
    assert protection is not None
    action = protection.parsed
    if action.name == "drop":
        return lambda value, subject: None
    plain = _plain_of(spec.name, protection, action.name, action.argument, key)
    said = _said(spec.name, protection, action.name)

    def transform(value: object, subject: object) -> str | None:
        try:
            return plain(value, subject)
        except Unreadable as error:
            raise HiddenValue(error.code, said) from None

    return transform


def _said(name: str, protection: Protection, action: str) -> str:
    wanted = {
        "band": f"a number (decimal mark {protection.decimal!r})",
        "network": "an internet address",
        **dict.fromkeys(
            ("month", "year", "shift"), f"a date of the form {' or '.join(protection.formats or ('iso',))}"
        ),
    }
    return f"the value of {name!r} is not {wanted.get(action, 'text')}; as personal data it is not shown"


def _plain_of(name: str, protection: Protection, action: str, argument: str, key: bytes | None) -> Transform:
    if action == "band":
        return _of_one(_banded(_as(name, protection, Kind.NUMERIC, number_reader), float(argument)))
    if action in ("month", "year", "shift"):
        read = _as(name, protection, Kind.DATETIME, instant_reader)
        if action == "shift":
            return _shifted(read, name, key, _subject_of(protection) if argument else None)
        return _of_one(_truncated(read, action))
    if action == "mask" and argument:
        return _of_one(_hits_masked(_text_of(name, protection, Kind.TEXT), protection.masks))
    text = _text_of(name, protection, Kind.IDENTIFIER)
    if action == "mask":
        return _of_one(lambda value: None if text(value) is None else MASKED)
    if action == "prefix":
        return _of_one(_prefix(text, int(argument)))
    if action == "network":
        return _of_one(_network(text))
    assert action == "hash"
    return _of_one(_hashed(text, name, key))


def _of_one(change: Callable[[object], str | None]) -> Transform:
    return lambda value, subject: change(value)


def _as(name: str, protection: Protection, kind: Kind, reader: Callable[[ColumnSpec], Reader]) -> Reader:
    """A reader of raw values as the protection declares them."""
    return reader(
        ColumnSpec(
            name,
            kind,
            missing=protection.missing,
            decimal=protection.decimal,
            thousands=protection.thousands,
            formats=protection.formats,
            numeric_text=protection.numeric_text,
        )
    )


def _text_of(name: str, protection: Protection, kind: Kind) -> Reader:
    """JSON 17 and the text "17" are one value; white space at the ends does not count, but in texts."""
    return _as(name, protection, kind, column_reader)


def keyed_hash(key: bytes, text: str) -> str:
    """The keyed hash of a text: HMAC-SHA-256 (RFC 2104), its first 64 bits, behind an h that keeps it from being a number.

    >>> keyed_hash(bytes(32), "ada@example.org")
    'h0cd31b85c1b8e64c'
    """
    return "h" + hmac.digest(key, text.encode(), hashlib.sha256).hex()[:HASH_DIGITS]


def _hashed(text: Reader, name: str, key: bytes | None) -> Callable[[object], str | None]:
    def change(value: object) -> str | None:
        found = text(value)
        return None if found is None else keyed_hash(_needed(key, name), found)

    return change


def _banded(read: Reader, width: float) -> Callable[[object], str | None]:
    decimals = len(f"{width:.12f}".rstrip("0").partition(".")[2])  # of the width; those that arithmetic adds are noise

    def edge(band: int) -> float:
        return round(band * width, decimals)

    def change(value: object) -> str | None:
        number = read(value)
        if number is None:
            return None
        if not isfinite(number / width):
            raise Unreadable("out-of-range", "it has no band")
        band = floor(number / width)  # 0.6 / 0.1 is 5.999...: edges decide, which are written as people write them
        return number_text(edge(band + 1) if edge(band + 1) <= number else edge(band - (edge(band) > number)))

    return change


def _truncated(read: Reader, unit: str) -> Callable[[object], str | None]:
    def change(value: object) -> str | None:
        microseconds = read(value)
        if microseconds is None:
            return None
        instant = _EPOCH + timedelta(microseconds=microseconds)
        return f"{instant.year:04}-{instant.month if unit == 'month' else 1:02}-01"

    return change


def _subject_of(protection: Protection) -> Reader:
    return column_reader(ColumnSpec("subject", Kind.IDENTIFIER, numeric_text=protection.numeric_text))


def _shifted(read: Reader, name: str, key: bytes | None, subject_of: Reader | None) -> Transform:
    days: dict[str, int] = {}  # of the data set as a whole, whose subject is ""

    def change(value: object, subject: object) -> str | None:
        microseconds = read(value)
        if microseconds is None:
            return None
        who = "" if subject_of is None else subject_of(subject) or ""
        moved = days.get(who)
        if moved is None:
            moved = shift_days(_needed(key, name), who)
            if not who:
                days[who] = moved
        try:
            instant = _EPOCH + timedelta(microseconds=microseconds + moved * _DAY_US)
        except OverflowError:
            raise Unreadable("out-of-range", "it would leave the calendar") from None
        plain = instant.replace(tzinfo=None).isoformat()
        return plain.removesuffix("T00:00:00")

    return change


def shift_days(key: bytes, subject: str) -> int:
    """By how many days the dates of a subject move: never 0, at most 364 to either side."""
    number = int.from_bytes(hmac.digest(key, b"shift\0" + subject.encode(), hashlib.sha256)[:8], "big")
    days = 1 + number % SHIFT_DAYS
    return days if (number // SHIFT_DAYS) % 2 else -days


def _prefix(text: Reader, length: int) -> Callable[[object], str | None]:
    def change(value: object) -> str | None:
        found = text(value)
        return None if found is None else found[:length].strip()

    return change


def _network(text: Reader) -> Callable[[object], str | None]:
    def change(value: object) -> str | None:
        found = text(value)
        if found is None:
            return None
        try:
            address = ipaddress.ip_address(without_port(found).partition("%")[0])  # without the zone of a link
        except ValueError:
            raise Unreadable("wrong-type", "no internet address") from None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        kept = 24 if isinstance(address, ipaddress.IPv4Address) else 48
        return str(ipaddress.ip_network(f"{address}/{kept}", strict=False))

    return change


_PORT = re.compile(r"([0-9.]+|\[[^\]]+\]):[0-9]{1,5}")


def without_port(address: str) -> str:
    """An internet address alone.

    >>> without_port("203.0.113.4:443"), without_port("[2001:db8::1]:443"), without_port("2001:db8::1")
    ('203.0.113.4', '2001:db8::1', '2001:db8::1')
    """
    found = _PORT.fullmatch(address)
    return address if found is None else found[1].strip("[]")


def _hits_masked(text: Reader, masks: tuple[Mask, ...]) -> Callable[[object], str | None]:
    needed = tuple(dict.fromkeys(mask.needs for mask in masks))
    compiled = [(f"[{mask.tag}]", needed.index(mask.needs), re.compile(mask.pattern)) for mask in masks]
    searches = [re.compile(needs).search for needs in needed]

    def change(value: object) -> str | None:
        found = text(value)
        if found is None:
            return None
        holds = [search(found) is not None for search in searches]
        if not any(holds):
            return found
        for tag, needs, pattern in compiled:
            if holds[needs]:
                found = pattern.sub(tag, found)
        return found

    return change


def _needed(key: bytes | None, name: str) -> bytes:
    if key is None:
        raise missing_key(name)
    return key


def missing_key(name: str) -> PrivacyError:
    """The error of a column that needs the privacy key."""
    return PrivacyError(
        f"the privacy key is not here, and {name!r} needs it",
        why="its values are hashed or shifted by a secret of the project, which no bundle holds",
        way_out="set PENSTOCK_PRIVACY_KEY, or put privacy.key beside the bundle (`penstock data privacy --key` prints it)",
    )
