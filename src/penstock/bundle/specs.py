"""What a decoder declares: one column, the target, and what can go wrong with one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bundle.kinds import Kind, Task
from penstock.bundle.privacy.protection import Protection
from penstock.errors import DeclarationError

if TYPE_CHECKING:
    import numpy as np

Label = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """How the raw values of one column become typed ones.

    Parameters
    ----------
    missing : markers besides the empty string and null; compared after stripping, in exact case. In a numeric column a
        marker that is itself a number marks that number however it is written (``-999``, ``-999.0``, JSON -999).
    decimal, thousands : the number format; `thousands` is one character or "" (" " also stands for no-break spaces).
    formats : of a datetime column: "iso" or `strptime` patterns, tried in this order; () means ("iso",).
    timezone : zoneinfo name in which instants without an offset are read.
    numeric_text : the values are numbers in text: "1.0", 1 and "1" are all "1".
    boolean_text : the values are true and false in some case: JSON true, "True" and "TRUE" are all "true".
    privacy : what becomes of raw values first, where they are personal; all of the above then says how the outcome is read.
    origin : of a numeric column, what is subtracted of its values, exactly where they are whole: of numbers beyond 2^53, which float64 would round.
        A float64 holds it.
    """

    name: str
    kind: Kind
    missing: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    formats: tuple[str, ...] = ()
    timezone: str = "UTC"
    numeric_text: bool = False
    boolean_text: bool = False
    privacy: Protection | None = None
    origin: int = 0

    def __post_init__(self) -> None:
        _check_marks(self.name, self.decimal, self.thousands)

    @property
    def is_withheld(self) -> bool:
        """Whether nothing of its values is kept, as it is personal."""
        return self.privacy is not None and self.privacy.parsed.name == "drop"

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the defaults, beside name and kind."""
        plain: dict[str, Any] = {"name": self.name, "kind": str(self.kind)}
        if self.missing:
            plain["missing"] = list(self.missing)
        if self.decimal != ".":
            plain["decimal"] = self.decimal
        if self.thousands:
            plain["thousands"] = self.thousands
        if self.formats:
            plain["formats"] = list(self.formats)
        if self.timezone != "UTC":
            plain["timezone"] = self.timezone
        if self.numeric_text:
            plain["numeric_text"] = True
        if self.boolean_text:
            plain["boolean_text"] = True
        if self.privacy is not None:
            plain["privacy"] = self.privacy.to_json()
        if self.origin:
            plain["origin"] = self.origin
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> ColumnSpec:
        return cls(
            **{
                **plain,
                "kind": Kind(plain["kind"]),
                "missing": tuple(plain.get("missing", ())),
                "formats": tuple(plain.get("formats", ())),
                "privacy": Protection.from_json(plain["privacy"]) if plain.get("privacy") else None,
            }
        )


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """What is predicted, and how its raw values are read.

    `classes` holds the classes as native JSON values: index = class number; the last is the positive one when binary.
    Classes are compared by canonical text, so that CSV "1", JSON 1 and 1.0 are all the class 1.
    """

    name: str
    task: Task
    classes: tuple[Label, ...] = ()
    missing: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""

    def __post_init__(self) -> None:
        _check_marks(self.name, self.decimal, self.thousands)

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"name": self.name, "task": str(self.task), "classes": list(self.classes)}
        if self.missing:
            plain["missing"] = list(self.missing)
        if self.decimal != ".":
            plain["decimal"] = self.decimal
        if self.thousands:
            plain["thousands"] = self.thousands
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> TargetSpec:
        return cls(
            **{
                **plain,
                "task": Task(plain["task"]),
                "classes": tuple(plain.get("classes", ())),
                "missing": tuple(plain.get("missing", ())),
            }
        )


@dataclass(frozen=True, slots=True)
class EncodedColumn:
    """Dictionary-encoded text: row i is ``values[codes[i]]``; code -1 is null."""

    values: Sequence[str | None]
    codes: np.ndarray  # (n_rows,) integers

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> EncodedColumn:
        """Encode plain texts, distinct values in order of appearance.

        >>> EncodedColumn.of(["b", None, "b"]).codes.tolist()
        [0, -1, 0]
        """
        import numpy as np  # a declaration of columns is read where there is nothing to compute

        numbers: dict[str | None, int] = {}
        codes = [-1 if text is None else numbers.setdefault(text, len(numbers)) for text in texts]
        return cls(list(numbers), np.array(codes, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that cannot be read; it decodes to missing, and the caller decides what becomes of the row.

    `code` is "wrong-type", "out-of-range" or (targets) "unknown-class". `value` is None where it is personal.
    """

    column: str
    row: int
    value: object
    code: str
    why: str


def _check_marks(name: str, decimal: str, thousands: str) -> None:
    if len(decimal) != 1 or len(thousands) > 1 or decimal == thousands or (decimal + thousands).isalnum():
        raise DeclarationError(
            f"column {name!r} declares decimal mark {decimal!r} and thousands mark {thousands!r}",
            why="each is one character (thousands may be none), they differ, and neither is a digit or a letter",
            way_out="write for example decimal = ',' and thousands = '.'",
        )
