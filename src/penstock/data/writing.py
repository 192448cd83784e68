"""How dates and numbers are written, where the user says it: nothing is guessed of such a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Written:
    """Of one column. What is not said is found in its values.

    Attributes
    ----------
    formats : of dates, ``"iso"`` or `strptime` patterns, tried in this order; () where it is not said. A column of which it is said holds dates.
    timezone : zoneinfo name in which instants without an offset are read; "" for UTC.
    decimal : the decimal mark; "" where it is not said. thousands : the thousands mark, "" for none; None where it is not said.
    """

    formats: tuple[str, ...] = ()
    timezone: str = ""
    decimal: str = ""
    thousands: str | None = None

    @property
    def settles_numbers(self) -> bool:
        """Whether anything is said of numbers."""
        return bool(self.decimal) or self.thousands is not None


AS_FOUND = Written()


@dataclass(frozen=True)
class Writing:
    """Of all columns: a table of column -> what is said, for each attribute of `Written`. `timezone` is that of the columns that
    `timezones` does not name."""

    formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timezones: Mapping[str, str] = field(default_factory=dict)
    timezone: str = ""
    decimals: Mapping[str, str] = field(default_factory=dict)
    thousands: Mapping[str, str] = field(default_factory=dict)

    def of(self, column: str) -> Written:
        """What is said of a column.

        >>> Writing(formats={"sold": ("%d/%m/%Y",)}, timezone="Europe/Berlin").of("sold")
        Written(formats=('%d/%m/%Y',), timezone='Europe/Berlin', decimal='', thousands=None)
        """
        return Written(
            self.formats.get(column, ()),
            self.timezones.get(column, self.timezone),
            self.decimals.get(column, ""),
            self.thousands.get(column),
        )

    @property
    def names(self) -> frozenset[str]:
        """The columns that are named."""
        return frozenset((*self.formats, *self.timezones, *self.decimals, *self.thousands))

    def to_json(self) -> dict[str, Any]:
        """What is said, and no more: ``{}`` where nothing is."""
        plain: dict[str, Any] = {
            "formats": {name: list(formats) for name, formats in sorted(self.formats.items())},
            "timezones": dict(sorted(self.timezones.items())),
            "timezone": self.timezone,
            "decimals": dict(sorted(self.decimals.items())),
            "thousands": dict(sorted(self.thousands.items())),
        }
        return {name: said for name, said in plain.items() if said}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Writing:
        formats = {name: tuple(patterns) for name, patterns in plain.get("formats", {}).items()}
        return cls(**{**plain, "formats": formats})


NOT_SAID = Writing()
