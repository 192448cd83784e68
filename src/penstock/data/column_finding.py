"""What was found of a column, and how it is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from penstock.bundle.kinds import Kind
from penstock.data.evidence import Evidence


class Told(str):
    """A sentence on a column.

    Attributes
    ----------
    quiet : the same without a value of the column: the sentence itself where it holds none.

    >>> Told("two numbers, 3 and 17", "two numbers").quiet, Told("true or false").quiet
    ('two numbers', 'true or false')
    """

    quiet: str

    def __new__(cls, full: str, quiet: str | None = None) -> Told:
        """`quiet` : None where the sentence holds no value."""
        made = super().__new__(cls, full)
        made.quiet = full if quiet is None else quiet
        return made

    def after(self, lead: str) -> Told:
        """The sentence behind these words, which hold no value."""
        return Told(lead + self, lead + self.quiet)

    @classmethod
    def joined(cls, parts: Iterable[Told]) -> Told:
        """Several as one; those that are empty are left out."""
        some = [part for part in parts if part]
        return cls("; ".join(some), "; ".join(part.quiet for part in some))


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """What was found of a column: its kind and why, and what a person should look at."""

    name: str
    kind: Kind
    why: Told
    warnings: tuple[Told, ...] = field(default=())
    guessed: tuple[str, ...] = field(
        default=()
    )  # formats of dates, where day and month may as well be the other way round

    def quiet(self) -> ColumnFinding:
        """The same of a column that may be personal: nothing that tells a value of it."""
        silent = self.why.quiet != self.why
        why = f"{self.why.quiet}; its values may be personal, and are not shown" if silent else self.why.quiet
        return replace(self, why=Told(why), warnings=tuple(Told(told.quiet) for told in self.warnings))

    def with_note(self, note: Told) -> ColumnFinding:
        """The same, with more to say of why."""
        return replace(self, why=Told.joined([self.why, note]))

    def to_json(self) -> dict[str, object]:
        guessed = {"guessed": list(self.guessed)} if self.guessed else {}
        return {"name": self.name, "kind": str(self.kind), "why": self.why, "warnings": list(self.warnings), **guessed}


def share_told(share: float) -> str:
    return "all" if share == 1 else f"{share:.0%}"


def shown(text: str) -> str:
    return repr(text if len(text) <= 30 else text[:27] + "...")


def plain(number: float) -> str:
    """A number for a sentence: whole ones with all their digits.

    >>> plain(1484705.0), plain(0.42)
    ('1484705', '0.42')
    """
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e15 else f"{number:g}"


def in_full(number: float, origin: int) -> str:
    """A number less an origin, for a sentence."""
    return str(int(number) + origin) if origin and float(number).is_integer() else plain(number + origin)


def listed(values: Evidence, limit: int = 3) -> str:
    some = ", ".join(shown(text) for text in values.texts[:limit])
    return some if values.distinct <= limit else f"{some}, ..."
