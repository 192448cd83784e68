"""What every table of the declaration is: keys with defaults, that are all known, and bounds that it knows itself."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

Share = float
Fault = tuple[str, str, str]
"""The key, within its table ("" for the table itself), why its value cannot be, and the way out."""


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One table of the file. Fields are its keys."""

    def faults(self) -> Iterator[Fault]:
        """What is out of bounds in this table; tables within it are asked themselves."""
        yield from ()


def not_positive(section: Section, *keys: str) -> Iterator[Fault]:
    """Those of `keys` that have a number of 0 or less."""
    for key in keys:
        number = getattr(section, key)
        if number is not None and number <= 0:
            yield key, f"{number} is not above 0", "write a positive number, or remove the setting"
