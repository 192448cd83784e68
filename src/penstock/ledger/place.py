"""Where a ledger is: a file of this machine, or a database on a PostgreSQL server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from penstock.errors import DeclarationError

_SQLITE = re.compile(r"sqlite(?:\+\w+)?://(?:/(?P<file>.*))?", re.DOTALL)
_SERVER = re.compile(r"postgres(?:ql)?(?:\+\w+)?://(?P<rest>.*)", re.DOTALL)
_PASSWORD = re.compile(r"(?P<before>://[^:/?#@]*:)(?P<password>[^/?#]*)(?=@)|(?P<name>[?&]password=)(?P<value>[^&#]*)")


class Place(NamedTuple):
    """A ledger's place.

    Attributes
    ----------
    url : as the driver takes it. `shown` : the same without a password, for messages.
    file : where the ledger is a file; None on a server. secrets : what must not be shown.
    """

    url: str
    shown: str
    file: Path | None
    secrets: tuple[str, ...]

    def hidden(self, text: str) -> str:
        """A driver's message without the password, should it quote it."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_place(url: str) -> Place:
    """Read a URL: ``sqlite:////absolute/path`` (the path as it stands, without escapes) or ``postgresql://``.

    Raises
    ------
    DeclarationError : it is no place for a ledger.

    >>> parse_place("sqlite:////shop/ledger.db").file
    PosixPath('/shop/ledger.db')
    >>> parse_place("postgres://ada:hunter2@host/shop").shown
    'postgresql://ada:***@host/shop'
    """
    secrets = tuple(m["password"] or m["value"] for m in _PASSWORD.finditer(url) if m["password"] or m["value"])
    shown = _PASSWORD.sub(lambda m: f"{m['before'] or m['name']}***", url)
    if found := _SQLITE.fullmatch(url):
        file = found["file"]
        if file in (None, "", ":memory:"):
            raise _bad(shown, "a ledger in memory would be forgotten at the end of the process")
        if re.search(r"\?\w+=", file):
            raise _bad(shown, "a ledger in a file has no settings after a question mark")
        return Place(url, shown, Path(file), ())
    if found := _SERVER.fullmatch(url):
        scheme = "postgresql://"
        return Place(scheme + found["rest"], scheme + shown.partition("://")[2], None, secrets)
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise _bad(shown, "it is no URL")
    if scheme.startswith("sqlite"):
        raise _bad(shown, "a file of another machine is no ledger: after sqlite: come three slashes, then the path")
    raise _bad(shown, f"{scheme!r} is neither sqlite nor postgresql")


def _bad(place: str, why: str) -> DeclarationError:
    return DeclarationError(
        f"{place!r} is no place for a ledger",
        why=why,
        way_out="write sqlite:////absolute/path/ledger.db or postgresql://user@host/database",
    )
