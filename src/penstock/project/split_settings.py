"""`[split]` as a value: how rows are dealt. (Imports no arrays: it is read where nothing is to be done.)"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.errors import BadParameter

PARTS = ("train", "valid", "test")
USUAL_VALUES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing"),
}
"""What a column says of a row's part, where no mapping is declared; small and capital letters are alike."""
FILE_COLUMN = "(file)"
"""By files, the column of the source that says which file a row is from; no column of the data set."""
_GAP = r"\s*([0-9]+(?:\.[0-9]+)?)\s*([smhdw]?)\s*"
UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
TWINS = ("together", "apart")
_HOW = {"random": False, "files": False, "time": True, "group": True, "column": True}
"""Ways of dealing, and whether each names a column."""


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """`[split]`: shares of validation and test rows, how many envelopes, and by what rows are dealt.

    Parameters
    ----------
    valid, test : shares of the rows, each at least 0, together below 1. Of a part that `values` or `files` give, the share
        does not count; one that they do not give is dealt from the training rows.
    envelopes : at least 1; fewer are made where one would hold under 200 rows.
    by : ``"random"`` (stratified by the target), ``"time:column"`` (oldest train, newest test), ``"group:column"``
        (all rows of a group share a part), ``"column:column"`` (the column says it) or ``"files"`` (the file says it).
    seed : another seed deals the rows another way.
    gap : by time, at least so much lies between rows of two parts; the rows within are left out. ``"7d"`` (s, m, h, d, w)
        for dates, a number in the column's unit for numbers.
    values : by column, what it says of the rows of each part; the usual words where nothing is declared.
    files : by files, the parts that have one of their own: ``"valid"``, ``"test"`` or both.
    twins : whether rows that are written alike share a part under different keys: ``"together"`` or ``"apart"``; None: together,
        unless the columns are so coarse that rows must be alike.

    >>> SplitSettings(by="time:day", gap="7d").to_json()["gap"]
    '7d'
    """

    valid: float = 0.2
    test: float = 0.2
    envelopes: int = 4
    by: str = "random"
    seed: int = 0
    gap: str | float = 0
    values: Mapping[str, Sequence[str]] | None = None
    files: Sequence[str] = ()
    twins: str | None = None

    def __post_init__(self) -> None:
        if self.values is not None:
            told = {part: sorted(str(value) for value in values) for part, values in self.values.items()}
            object.__setattr__(self, "values", told)
        object.__setattr__(self, "files", tuple(sorted(self.files)))
        for why, setting, way_out in faults(self):
            raise BadParameter(f"[split] {setting}", why=why, way_out=way_out)

    @property
    def how(self) -> str:
        """The way of dealing, without its column."""
        return self.by.partition(":")[0]

    @property
    def column(self) -> str | None:
        """The column by which rows are dealt; None at random."""
        return FILE_COLUMN if self.by == "files" else self.by.partition(":")[2] or None

    @property
    def says_part(self) -> str | None:
        """The column that says nothing but the part of a row: no input, and nothing that makes a row what it is."""
        return self.column if self.how in ("column", "files") else None

    @property
    def given(self) -> tuple[str, ...]:
        """Parts that are not dealt, but given by a column or by files."""
        if self.how == "files":
            return ("train", *self.files)
        if self.how == "column":
            return tuple(part for part in PARTS if part in (self.values or USUAL_VALUES))
        return ()

    @property
    def dealt_by(self) -> str:
        """What decides of a row that is dealt on its own, in words."""
        by = {"time": "its time", "group": "its group", "column": "the part that it is given for"}
        return {**by, "files": by["column"]}.get(self.how, "its key")

    def gap_of(self, *, dates: bool) -> float:
        """The gap in the unit of the times: microseconds of dates, or that of the numbers.

        Raises
        ------
        BadParameter : a length of time where the column holds numbers, or a number where it holds dates.
        """
        amount, unit = parsed_gap(self.gap) or (0.0, "")
        if amount == 0:
            return 0.0
        if dates != bool(unit):
            holds, wants = (
                ("dates", '"7d" (s, m, h, d, w)') if dates else ("numbers", "a number in its unit, such as 7")
            )
            raise BadParameter(
                f"[split] gap = {self.gap!r}",
                why=f"the column {self.column!r} holds {holds}",
                way_out=f"write {wants}",
            )
        return amount * UNITS_S[unit] * 1e6 if dates else amount

    def to_json(self) -> dict[str, Any]:
        """As it stands in manifests: what is new since their first form is in it where it is set."""
        plain: dict[str, Any] = {
            "valid": self.valid,
            "test": self.test,
            "envelopes": self.envelopes,
            "by": self.by,
            "seed": self.seed,
        }
        if parsed_gap(self.gap) not in (None, (0.0, "")):
            plain["gap"] = self.gap
        if self.values is not None:
            plain["values"] = {part: list(values) for part, values in self.values.items()}
        if self.files:
            plain["files"] = list(self.files)
        if self.twins is not None:
            plain["twins"] = self.twins
        return plain


def faults(split: Any) -> list[tuple[str, str, str]]:
    """Why these settings cannot be, which ones, and the way out: of anything that has their names."""
    found = []
    if not (split.valid >= 0 and split.test >= 0 and split.valid + split.test < 1):
        found.append(
            (
                "each is a share of at least 0, and some rows must be left to train on",
                f"valid = {split.valid} and test = {split.test}",
                "valid = 0.2 and test = 0.2 suit most data",
            )
        )
    if split.envelopes < 1:
        found.append(("test rows lie in at least one", f"envelopes = {split.envelopes}", "envelopes = 4"))
    how, _, column = split.by.partition(":")
    if how not in _HOW or bool(column) != _HOW[how]:
        found.append(
            (
                'rows are dealt by "random", "time:COLUMN", "group:COLUMN", "column:COLUMN" or "files"',
                f"by = {split.by!r}",
                'by = "random"',
            )
        )
    gap = parsed_gap(split.gap)
    if gap is None:
        found.append(
            ("a gap is a number of at least 0, or a length of time", f"gap = {split.gap!r}", 'gap = "7d", or gap = 7')
        )
    elif gap[0] > 0 and how != "time":
        found.append(
            ("a gap lies between parts that follow each other in time", f"gap = {split.gap!r}", 'by = "time:COLUMN"')
        )
    if split.twins not in (None, *TWINS):
        found.append(
            (
                "rows that are written alike under different keys share a part, or each is dealt by its key",
                f"twins = {split.twins!r}",
                'twins = "together" or "apart"',
            )
        )
    return [*found, *_faults_of_given(split, how)]


def _faults_of_given(split: Any, how: str) -> list[tuple[str, str, str]]:
    found = []
    if split.values is not None:
        if how != "column":
            found.append(("values are those of a column that says the part", "values", 'by = "column:COLUMN"'))
        unknown = sorted(set(split.values) - set(PARTS))
        if unknown:
            found.append((f"the parts are {', '.join(PARTS)}", f"values has {unknown[0]!r}", "name one of the three"))
        said = [str(value).strip().lower() for values in split.values.values() for value in values]
        twice = sorted({value for value in said if said.count(value) > 1})
        if twice:
            found.append((f"{twice[0]!r} stands for two parts", "values", "name each value once"))
        if not split.values.get("train"):
            found.append(("no value stands for training rows", "values", 'values = { train = ["train"], ... }'))
    if bool(split.files) != (how == "files"):
        found.append(
            (
                "rows are dealt by files where there are some: [data] source holds the training rows",
                f"by = {split.by!r}, files = {list(split.files)}",
                'by = "files" and files = { test = "data/raw/test.csv" }',
            )
        )
    wrong = sorted(set(split.files) - {"valid", "test"})
    if wrong:
        found.append(
            (
                'files are of "valid" and "test"; training rows are in [data] source',
                f"files has {wrong[0]!r}",
                "remove it",
            )
        )
    return found


def parsed_gap(gap: str | float) -> tuple[float, str] | None:
    """Amount and unit ("" of a bare number); None where it is no gap.

    >>> parsed_gap("36h"), parsed_gap(3), parsed_gap("soon")
    ((36.0, 'h'), (3.0, ''), None)
    """
    found = re.fullmatch(_GAP, str(gap))
    return None if found is None else (float(found[1]), found[2])
