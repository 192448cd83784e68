"""Personal columns of a file that is held against a contract: judged as they are kept, and never shown.

A contract speaks of values as everything behind the reading sees them: of a column that is hashed, of hashes. What is told of
what broke holds no value of a personal column, and nothing that looks like personal data in any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from penstock.bundle.privacy.protecting import Protector
from penstock.bundle.specs import ColumnSpec, EncodedColumn
from penstock.data.contract.values import Values

_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Personal:
    """What is known of the personal columns of a file.

    Attributes
    ----------
    protector : protects what is decided; None where nothing is, or where the rows come protected already.
    names : columns of which no value is shown, those that were decided to be kept among them.
    unlike : columns that will be kept in another form than the one that the contract was made of: nobody knows what their
        values will be, so only that they are there is asked.
    off : kinds of personal data that are not looked for.
    kept_as : how the protector protects, as text: the actions, and the check of the key.
    """

    protector: Protector | None = None
    names: frozenset[str] = frozenset()
    unlike: frozenset[str] = frozenset()
    off: tuple[str, ...] = ()
    kept_as: str = ""

    @property
    def identity(self) -> list[Any]:
        """JSON: all that what is read of a column depends on."""
        return [sorted(self.names), sorted(self.unlike), list(self.off), self.kept_as]

    def read(self, spec: ColumnSpec, columns: Mapping[str, EncodedColumn]) -> tuple[Values, np.ndarray]:
        """A column as it is kept, and the rows whose raw value could not be protected: they have no value then."""
        name = spec.name
        if self.protector is None or name not in self.protector:
            return Values.of(columns[name], spec), np.empty(0, dtype=np.int64)
        column, problems = self.protector.column(name, columns)
        return Values.of(column, spec), np.array([problem.row for problem in problems], dtype=np.int64)

    def conceal(self, text: str) -> str:
        """A text in which every hit of personal data is replaced by its kind in brackets.

        A plain run of digits that is no such number stays: codes are often that.
        """
        return without_hits(text, self.off)


NOBODY = Personal()


@dataclass(frozen=True)
class _Hit:
    tag: str
    needs: Callable[[str], object]
    pattern: re.Pattern[str]
    matches: Callable[[str], bool] = field(compare=False)


def without_hits(text: str, off: tuple[str, ...] = ()) -> str:
    """See `Personal.conceal`.

    >>> without_hits("write to ada@example.org, order 20231130")
    'write to [email] order 20231130'
    """
    for hit in _hits(off):
        if hit.needs(text):
            text = hit.pattern.sub(lambda found, hit=hit: hit.tag if _is_one(hit, found[0]) else found[0], text)  # type: ignore[misc]
    return text


def _is_one(hit: _Hit, text: str) -> bool:
    return not _DIGITS.fullmatch(text) or hit.matches(text)


@cache
def _hits(off: tuple[str, ...]) -> tuple[_Hit, ...]:
    from penstock.data.privacy.applying import masks
    from penstock.data.privacy.detect import recognisers

    of = {one.name: one for one in recognisers()}
    return tuple(
        _Hit(f"[{mask.tag}]", re.compile(mask.needs).search, re.compile(mask.pattern), of[mask.tag].matches)
        for mask in masks(off)
    )
