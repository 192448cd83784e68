"""What broke: one rule of one column, with its counts, first rows that may be shown, and the edit that accepts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from math import ceil, floor, log10
from typing import Any

EXAMPLES = 5
MAX_NEW_VALUES = 1000

Edit = dict[tuple[str, ...], Any]
"""Path of a key in the contract -> its new value; None: the key goes."""


@dataclass
class Tally:
    """Rows that break one rule, counted as they pass.

    Attributes
    ----------
    rows : all of them. hidden : those whose values are not shown, as they are sealed, may be, or are personal.
    examples : (row, from 1 on; what it says) of the first that may be shown.
    low, high : extremes of what may be shown. texts : values that may be shown, with their rows.
    secret : what hidden rows say, or the measure of it; only to count how many an edit of what may be shown lets pass, and to find in which way
        they are written. read : other values of the column, that can be read, each once; for the same.
    """

    rows: int = 0
    hidden: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    low: float | None = None
    high: float | None = None
    texts: Counter[str] = field(default_factory=Counter)
    secret: Counter[str | float] = field(default_factory=Counter)
    read: dict[str, None] = field(default_factory=dict)

    @property
    def known_texts(self) -> list[str]:
        """Different values, those of hidden rows among them: how they are written may be told, what they say may not."""
        return list(dict.fromkeys(text.strip() for text in (*self.texts, *self.secret) if isinstance(text, str)))

    def beyond(self, covers: Callable[[Any], bool]) -> int:
        """Rows that are hidden and whose value, or measure, an edit does not cover; those that were too many to keep too."""
        return self.hidden - sum(rows for value, rows in self.secret.items() if covers(value))


@dataclass(frozen=True)
class Breach:
    """A rule that does not hold.

    Attributes
    ----------
    id : permanent id of the rule. about : the column, the comparison, or "" for the table.
    rule : what the contract says. rows, of, allowed : rows that break it, rows looked at, and how many it lets pass.
    hidden : rows among them of which nothing is shown. why : what was found, in words.
    data : lines that `[data]` of the declaration needs then, so that the data set reads the column as the contract does.
    examples : (row of the source, from 1 on; what it says). edit : what accepts it; None where no edit can.
    files : of each example its file and its row there, from 1 on; () where the source is one file.
    """

    id: str
    about: str
    rule: str
    why: str
    rows: int
    of: int
    hidden: int = 0
    examples: tuple[tuple[int, str], ...] = ()
    edit: Edit | None = None
    data: tuple[str, ...] = ()
    files: tuple[tuple[str, int], ...] = ()

    @property
    def share(self) -> float:
        return self.rows / self.of if self.of else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "about": self.about or None,
            "rule": self.rule,
            "why": self.why,
            "rows": self.rows,
            "of": self.of,
            "share": self.share,
            "hidden": self.hidden,
            "examples": [
                {"row": row, "value": value, **({"file": file[0], "row_of_file": file[1]} if file else {})}
                for (row, value), file in zip_longest(self.examples, self.files)
            ],
            "accept": None if self.edit is None else toml_lines(self.edit),
            "data": list(self.data),
        }

    def to_text(self) -> list[str]:
        told = f"{self.id} {self.about}" if self.about else self.id
        lines = [f"  ! {told}: {self.why}; the contract says {self.rule}"]
        if self.examples:
            placed = zip_longest(self.examples, self.files)
            shown = (
                f"{f'{file[0]} row {file[1]}' if file else f'row {row}'}: {value}" for (row, value), file in placed
            )
            lines.append("      " + "; ".join(shown))
        if self.hidden:
            lines.append(
                f"      {self.hidden} of these rows are sealed, may be sealed, or hold personal data: they are counted, their values are not shown"
            )
        if self.edit is not None:
            lines.append("      to accept it:  " + "  |  ".join(toml_lines(self.edit)))
        if self.data:
            also = "and then" if self.edit is not None else "to have it read so:"
            lines.append(f"      {also} under [data] of the declaration:  {'  |  '.join(self.data)}")
        return lines


def merged(breaches: Sequence[Breach]) -> Edit:
    """One edit that accepts all of these.

    Of two shares of exceptions, or of missing values, the larger holds; where a column gets another kind, what was about the old one goes, and of a table that
    goes nothing else is changed.
    """
    edit: Edit = {}
    for breach in breaches:
        for key, value in (breach.edit or {}).items():
            edit[key] = max(value, edit[key]) if key[-1] in ("exceptions", "missing_at_most") and key in edit else value
    for breach in breaches:  # once more, as what another rule of the column asks for may have come later
        if any(key[-1] == "kind" for key in breach.edit or {}):
            edit.update({key: value for key, value in (breach.edit or {}).items() if value is None})
    gone = {path for path, value in edit.items() if value is None}
    return {path: value for path, value in edit.items() if not any(path[:n] in gone for n in range(1, len(path)))}


def toml_lines(edit: Edit) -> list[str]:
    """An edit as lines of TOML, ready to paste; a key that goes is told as a comment.

    >>> toml_lines({("columns", "age", "at_most"): 99.0, ("columns", "age", "whole"): None})
    ['[columns.age]', 'at_most = 99', '# remove: whole']
    >>> toml_lines({("columns", "zip code"): {}})
    ['[columns."zip code"]']
    """
    lines: list[str] = []
    head: tuple[str, ...] | None = None
    for path, value in edit.items():
        if isinstance(value, dict):  # a table of its own, with nothing in it yet
            head = path
            lines.append(f"[{header(path)}]")
            continue
        if path[:-1] != head:
            head = path[:-1]
            lines.append(f"[{header(head)}]")
        lines.append(f"# remove: {path[-1]}" if value is None else f"{path[-1]} = {literal(value)}")
    return lines


class Instant(float):
    """A bound of a datetime column, in microseconds since 1970: written as a date."""


def literal(value: Any) -> str:
    """A value in TOML; whole numbers without a point."""
    from penstock.data.contract.contract import instant_text
    from penstock.project.scaffold import toml

    if isinstance(value, Instant):
        return instant_text(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, tuple | list):
        return "[" + ", ".join(literal(one) for one in value) + "]"
    return toml(value)


def header(path: tuple[str, ...]) -> str:
    """Keys joined by dots, quoted where they must be.

    >>> header(("columns", "emp.var.rate"))
    'columns."emp.var.rate"'
    """
    from penstock.project.scaffold import toml

    return ".".join(k if k and all(c.isascii() and (c.isalnum() or c in "-_") for c in k) else toml(k) for k in path)


def rounded_up(share: float) -> float:
    """A share with two digits, not below it.

    >>> rounded_up(0.01234), rounded_up(0.0), rounded_up(0.5)
    (0.013, 0.0, 0.5)
    """
    if share <= 0:
        return 0.0
    unit = 10.0 ** (floor(log10(share)) - 1)
    return min(1.0, float(f"{ceil(share / unit - 1e-9) * unit:.2g}"))
