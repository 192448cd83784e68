"""The two forms in which most results are told: a table, and one thing with its parts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Listing:
    """A table for people, and the same as JSON. `below` is what there is to know under the table."""

    body: dict[str, Any]
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str
    below: str = ""

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return self.body

    def to_text(self) -> str:
        shown = table([self.header, *self.rows]) if self.rows else self.empty
        return f"{shown}\n{self.below}" if self.below else shown


@dataclass(frozen=True)
class Sheet:
    """One thing as text and as JSON. `exit_code` is 1 where it says no."""

    body: dict[str, Any]
    text: str
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        return self.body

    def to_text(self) -> str:
        return self.text


def table(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Rows with their columns under each other. Every cell is one line.

    >>> print(table([("run", "loss"), ("a", "0.5"), ("b\\nc", "1")]))
    run  loss
    a    0.5
    b c  1
    """
    cells = [[cell if cell.isprintable() else clean(cell) for cell in row] for row in rows]
    widths = [max(width(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join(
        indent + "  ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def width(text: str) -> int:
    """Columns of a terminal that a text takes.

    >>> width("é"), width("日本"), width("e\u0301")
    (1, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def clean(text: str) -> str:
    """A text on one line, without what would move a terminal's cursor.

    >>> clean("a\\tb\\x1b[2Jc")
    'a b?[2Jc'
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def took(seconds: float | None) -> str:
    """A duration for people.

    >>> [took(s) for s in (0.04, 4.26, 12.3, 200, 7300, None)]
    ['0.04 s', '4.3 s', '12 s', '3 min 20 s', '2 h 1 min', '']
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds >= 0.01 else f"{seconds * 1000:.2g} ms"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60} min"
