"""`card`: numbers of payment cards."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import DASHES, DIGITS, NUMBERS, SPACES, Column, Evidence, closed_up

_RANGES = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}"  # Discover
    r"|62[0-9]{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{9,15}"  # Maestro
)


@final
class Card:
    """Numbers of payment cards.

    What it finds
        13 to 19 digits, with or without spaces, dots and hyphens, that lie in the range of an issuer and pass Luhn.
    How sure it is
        High where most values pass. One number in ten passes Luhn by chance and fewer lie in a range; how many of the
        column's own form would is measured by shuffling their digits, so that ids and amounts are not taken for cards.
    Example
        `4111 1111 1111 1111`
    What to do
        `drop`: who stores card numbers has to keep to PCI DSS. `hash`, where the card joins rows.
    Reference
        ISO/IEC 7812-1 (Luhn, issuer identification numbers).
    """

    name = "card"
    says = "card numbers"
    action = "drop"
    hint = r"card|cc|credit card|card number|card no|kreditkarte|pan|kartennummer"
    mask = rf"(?<![{DIGITS}])(?:[{DIGITS}][{SPACES}{DASHES}.]?){{12,18}}[{DIGITS}](?![{DIGITS}])"
    needs = NUMBERS
    examples = ("4111 1111 1111 1111", "5500005555555559", "3400-000000-00009", "6011000990139424")
    others = ("4111 1111 1111 1112", "1234567890123456", "9999999999999995")

    def matches(self, text: str) -> bool:
        digits = closed_up(text)
        if _RANGES.fullmatch(digits) is None:
            return False
        total = 0
        for place, digit in enumerate(reversed(digits)):
            number = int(digit) * (1 + place % 2)
            total += number - 9 if number > 9 else number
        return total % 10 == 0

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"(?:[0-9][ .-]?){12,18}[0-9]", proof="checksum")
