"""What was found of a column, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from penstock.bundle.kinds import Kind
from penstock.data.evidence import Evidence


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """What was found of a column: its kind and why, and what a person should look at."""

    name: str
    kind: Kind
    why: str
    warnings: tuple[str, ...] = field(default=())
    guessed: tuple[str, ...] = field(
        default=()
    )  # formats of dates, where day and month may as well be the other way round

    def quiet(self) -> ColumnFinding:
        """The same of a column that may be personal: nothing that quotes a value of it."""
        why = f"{self.kind}; its values may be personal, and are not shown" if _quotes(self.why) else self.why
        return replace(self, why=why, warnings=tuple(told for told in self.warnings if not _quotes(told)))

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


def _quotes(told: str) -> bool:
    return "'" in told.replace("column's", "") or '"' in told
