"""`email`: e-mail addresses."""

from __future__ import annotations

import re
from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import Column, Evidence

_AT = r"(?:@|%40|[ ]?[\[({][ ]?(?:at|AT)[ ]?[\])}][ ]?)"
_ADDRESS = re.compile(
    rf"(?:[^\s@<>()\[\],;:\"]{{1,64}}@|[\w.+'-]{{1,64}}{_AT})(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?\.)+[^\W\d_]{{2,24}}"
)


@final
class Email:
    """E-mail addresses.

    What it finds
        A local part, `@`, and a domain whose last label has letters only, in columns and inside texts; also with `%40`, as in
        addresses of web pages, and with `(at)` or `[at]`.
    How sure it is
        High: hardly anything else has the form. That a mailbox of the name exists is not asked.
    Example
        `ada.lovelace@example.org`
    What to do
        `hash`, where it joins rows or names a client; `drop`, where nobody needs it; `mask:hits` in texts.
    Reference
        RFC 5321, section 4.1.2; RFC 6531 for other alphabets.
    """

    name = "email"
    says = "e-mail addresses"
    action = "hash"
    hint = r"e ?mails?|mail|email address|mail address|e mail address"
    mask = (
        rf"[\w.+'-]{{1,64}}{_AT}[^\s@<>()\[\],;:\"%&=?/]{{1,255}}\.[^\s@<>()\[\],;:\"%&=?/.!0-9]{{2,24}}|"
        + r"(?<![^\s@<>()\[\],;:\"])[^\s@<>()\[\],;:\"]{1,255}@[^\s@<>()\[\],;:\"]{1,255}\.[^\s@<>()\[\],;:\".!?0-9]{2,24}"
    )
    needs = r"@|%40|[\[({] ?(?:at|AT) ?[\])}]"
    examples = (
        "ada.lovelace@example.org",
        "Jürgen+news@bücher.example",
        "o'neil@mail.example.co.uk",
        "ada%40example.org",
        "ada (at) example.org",
    )
    others = ("@handle", "a@b", "meet@noon", "https://example.org/@ada")

    def matches(self, text: str) -> bool:
        return _ADDRESS.fullmatch(text) is not None

    def judge(self, column: Column) -> Evidence | None:
        return by_values(
            self,
            column,
            shape=r"[^\s@]+(?:@|%40|[ ]?[\[({][ ]?(?:at|AT)[ ]?[\])}][ ]?)[^\s@]+\.[^\s@]+",
            proof="structure",
            chance=0.0,
        )
