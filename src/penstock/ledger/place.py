"""Where a ledger is: a file of this machine, or a database on a PostgreSQL server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from penstock.errors import DeclarationError

_PASSWORD = r"(?P<before>://[^:/?#@]*:)(?P<password>[^/?#]*)(?=@)|(?P<name>[?&]password=)(?P<value>[^&#]*)"


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
    scheme, separator, rest = url.partition("://")
    name = scheme.partition("+")[0]
    if separator and name == "sqlite":
        return Place(url, url, _file(url, rest), ())
    secrets = tuple(m["password"] or m["value"] for m in re.finditer(_PASSWORD, url) if m["password"] or m["value"])
    shown = re.sub(_PASSWORD, lambda m: f"{m['before'] or m['name']}***", url)
    if not separator:
        raise _bad(shown, "it is no URL")
    if name not in ("postgresql", "postgres"):
        raise _bad(shown, f"{scheme!r} is neither sqlite nor postgresql")
    return Place(f"postgresql://{rest}", f"postgresql://{shown.partition('://')[2]}", None, secrets)


def _file(url: str, rest: str) -> Path:
    if rest in ("", "/", "/:memory:"):
        raise _bad(url, "a ledger in memory would be forgotten at the end of the process")
    if not rest.startswith("/"):
        raise _bad(url, "a file of another machine is no ledger: after sqlite: come three slashes, then the path")
    if "=" in rest.partition("?")[2]:
        raise _bad(url, "a ledger in a file has no settings after a question mark")
    return Path(rest[1:])


def _bad(place: str, why: str) -> DeclarationError:
    return DeclarationError(
        f"{place!r} is no place for a ledger",
        why=why,
        way_out="write sqlite:////absolute/path/ledger.db or postgresql://user@host/database",
    )
