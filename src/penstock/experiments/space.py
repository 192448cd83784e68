"""What a batch tries: flag words that hold several values, or a range to draw from.

    lr=[0.1,0.01]              each of these
    depth=range[2:10:2]        each from 2 to 10 in steps of 2, both ends included
    depth=int[1:10]            a whole number from 1 to 10
    dropout=uniform[0.1:0.9]   a number between, every one as likely
    lr=loguniform[1e-5:1e-1]   a number between, every order of magnitude as likely
    layers="[64,32]"           in quotes: no list to try, but the value itself
    layers=[[64,32],[32]]      values that are lists: two to try

A flag that takes several values at once has ``[64,32]`` as its own value without quotes too.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from penstock.errors import FlagError

if TYPE_CHECKING:
    from penstock.experiments.flags.flag import Flag
    from penstock.experiments.flags.flag_set import FlagSet

RANGES = ("uniform", "loguniform", "int", "range")
MOST_VALUES = 100_000
"""Of one list."""
_CALL = re.compile(r"([A-Za-z_]+)\[(.*)\]", re.DOTALL)
_QUOTES = "\"'"
_PAIRS = {"[": "]", "(": ")", "{": "}"}


@dataclass(frozen=True)
class Choices:
    """A list of values, as the script gets them, in the order in which they were written."""

    values: tuple[Any, ...]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "choices", "values": list(self.values)}


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `log`: every order of magnitude as likely; `whole`: whole numbers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"kind": "range", "low": self.low, "high": self.high, "log": self.log, "whole": self.whole}

    def at(self, share: float) -> float:
        """The number that lies so far up the range, 0 to 1.

        >>> Range(1, 100, log=True).at(0.5), Range(1, 4, whole=True).at(0.99)
        (10.0, 4)
        """
        if self.whole:
            return min(int(self.high), int(self.low) + int(share * (self.high - self.low + 1)))
        if self.log:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        return min(max(value, self.low), self.high)

    def share(self, value: float) -> float:
        """How far up the range a number lies: what `at` undoes."""
        if self.whole:
            return (value - self.low + 0.5) / (self.high - self.low + 1)
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


Dimension = Choices | Range
Point = dict[str, Any]
"""A value for each dimension: what one trial has of its own."""


@dataclass(frozen=True)
class Space:
    """The flags that differ between the trials of a batch, and those that all trials share.

    Attributes
    ----------
    dimensions : flag -> what it may be, in the order in which they were written.
    fixed : flag -> the one value of all trials, where one was written.
    words : flag -> the word as it was written, without its name.
    """

    dimensions: dict[str, Dimension]
    fixed: dict[str, Any]
    words: dict[str, str]

    @property
    def listed(self) -> bool:
        """Whether every dimension is a list, so that all combinations can be tried."""
        return all(isinstance(dimension, Choices) for dimension in self.dimensions.values())

    @property
    def size(self) -> int | None:
        """How many different points there are; None where a dimension is continuous."""
        sizes = [_size(dimension) for dimension in self.dimensions.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def to_json(self) -> dict[str, Any]:
        return {name: dimension.to_json() for name, dimension in self.dimensions.items()}


def is_batch(words: Sequence[str], flags: FlagSet) -> bool:
    """Whether flag words ask for more than one run."""
    return any(_spec(value, _flag(flags, name)) is not None for name, value in map(_split, words))


def parse_space(words: Sequence[str], flags: FlagSet) -> Space:
    """Read flag words. Every value in them is checked as that of a single run would be.

    Raises
    ------
    FlagError : a list is empty or has a value twice, a range is none, or a value does not suit its flag.
    """
    dimensions: dict[str, Dimension] = {}
    fixed: list[str] = []
    texts: dict[str, str] = {}
    for word in words:
        name, value = _split(word)
        flag = _flag(flags, name)
        spec = _spec(value, flag)
        if spec is None:
            fixed.append(f"{name}={_plain(value)}" if "=" in word else word)
        elif flag is not None and flag.secret:
            raise FlagError(
                f"the flag {name!r} is secret, and cannot have several values",
                why="what differs between the trials of a batch is shown in its table",
                way_out="give it one value",
            )
        elif name in dimensions:
            raise _wrong(name, value, "the flag is given twice", "write all its values in one list")
        else:
            dimensions[name] = _dimension(name, value, *spec, flags)
        texts[name] = value
    assigned = flags.assign(fixed)
    return Space(_canonical(dimensions, flags), assigned, _masked(texts, flags))


def _dimension(name: str, value: str, kind: str, body: str, flags: FlagSet) -> Dimension:
    """What a word of several values stands for."""
    if kind in ("", "range"):
        items = _items(name, value, body) if kind == "" else _steps(name, value, body)
        typed = [_typed(flags, name, item) for item in items]
        for i, one in enumerate(typed):
            if one in typed[:i] and any(one == was and type(one) is type(was) for was in typed[:i]):
                raise _wrong(name, value, f"it has {items[i]} twice", "write each value once")
        return Choices(tuple(typed))
    low, high = _bounds(name, value, body, kind)
    flag = _flag(flags, name)
    if kind != "int" and flag is not None and flag.type == "int":
        raise _wrong(name, value, "the flag takes whole numbers", f"write {name}=int[{low:g}:{high:g}]")
    for end in (low, high):
        _typed(flags, name, number_text(int(end) if kind == "int" else end))
    return Range(low, high, log=kind == "loguniform", whole=kind == "int")


def number_text(value: float) -> str:
    """A number as a flag word has it: all its digits.

    >>> number_text(1e-05), number_text(3)
    ('1e-05', '3')
    """
    return repr(value)


def complete(flags: FlagSet, space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """All that a trial's run is assigned: what the trials share, and the trial's own point."""
    own: dict[str, Any] = {}
    for name, dimension in space.dimensions.items():
        value = point[name]
        own[name] = _typed(flags, name, number_text(value)) if isinstance(dimension, Range) else value
    return {**space.fixed, **own}


def _spec(value: str, flag: Flag | None) -> tuple[str, str] | None:
    """(kind, body) of a word of several values; the kind of a list is "". None for a single value.

    >>> _spec("[1,2]", None), _spec("int[1:3]", None), _spec('"[1,2]"', None), _spec("a[0]", None)
    (('', '1,2'), ('int', '1:3'), None, None)
    """
    if value.startswith("[") and value.endswith("]"):
        own = flag is not None and flag.multiple and not value[1:].lstrip().startswith("[")
        return None if own else ("", value[1:-1])
    called = _CALL.fullmatch(value)
    if called is None:
        return None
    if called[1] in RANGES:
        return called[1], called[2]
    if called[1] == "choice":
        return "", called[2]
    near = difflib.get_close_matches(called[1], (*RANGES, "choice"), 1, 0.75)
    if near and ":" in called[2]:
        raise FlagError(
            f"{value!r} is no range",
            why=f"there is no {called[1]!r}; known are {', '.join(RANGES)}",
            way_out=f"write {near[0]}[{called[2]}], or put the value in quotes where it is meant as it stands",
        )
    return None


def _plain(value: str) -> str:
    """A single value without the quotes or the backslash that keep it from being taken for several.

    >>> _plain('"[64,32]"'), _plain('"a"'), _plain("\\\\[1]")
    ('[64,32]', '"a"', '[1]')
    """
    if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES and _looks_several(value[1:-1]):
        return value[1:-1]
    return value[1:] if value.startswith("\\") and _looks_several(value[1:]) else value


def _looks_several(value: str) -> bool:
    called = _CALL.fullmatch(value)
    return (value.startswith("[") and value.endswith("]")) or (called is not None and called[1] in (*RANGES, "choice"))


def _items(name: str, value: str, body: str) -> list[str]:
    """The values of a list: parted by commas that are in no quotes and no inner brackets."""
    found, start, closing, quote = [], 0, "", ""
    for i, letter in enumerate(body):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES and not body[start:i].strip():  # a quote inside a word, as in don't, is a letter
            quote = letter
        elif letter in _PAIRS:
            closing += _PAIRS[letter]
        elif closing and letter == closing[-1]:
            closing = closing[:-1]
        elif letter == "," and not closing:
            found.append(body[start:i])
            start = i + 1
    if quote or closing:
        raise _wrong(name, value, f"a {quote or closing[-1]} is missing in it", "close it, or put the value in quotes")
    found.append(body[start:])
    items = [item.strip() for item in found]
    if "" in items:
        why = "the list is empty" if len(items) == 1 else "there is nothing between two commas"
        raise _wrong(name, value, why, 'write values between them; "" is the empty text')
    return [_plain(item) for item in items]


def _steps(name: str, value: str, body: str) -> list[str]:
    """The values of ``range[low:high:step]``, exactly as decimal numbers.

    >>> _steps("p", "range[0:0.3:0.1]", "0:0.3:0.1")
    ['0.0', '0.1', '0.2', '0.3']
    """
    try:
        ends = [Decimal(part.strip()) for part in body.split(":")]
    except InvalidOperation:
        ends = []
    low, high, step = (*ends, Decimal(1))[:3] if len(ends) in (2, 3) else (Decimal(0),) * 3
    if not all(end.is_finite() for end in (low, high, step)) or step <= 0 or high < low:
        raise _wrong(
            name, value, "it is no range", f"write {name}=range[LOW:HIGH:STEP], such as {name}=range[0:1:0.25]"
        )
    count = int((high - low) / step) + 1
    if count > MOST_VALUES:
        raise _wrong(name, value, f"it has {count:,} values", f"write a greater step, or {name}=uniform[{low}:{high}]")
    whole = all(end == end.to_integral_value() for end in (low, high, step))
    found = [low + i * step for i in range(count)]
    return [str(int(one)) if whole else str(float(one)) for one in found]


def _bounds(name: str, value: str, body: str, kind: str) -> tuple[float, float]:
    example = {"int": "int[1:10]", "loguniform": "loguniform[1e-5:1e-1]"}.get(kind, "uniform[0.1:0.9]")
    low, colon, high = body.partition(":")
    try:
        ends = (float(low), float(high))
    except ValueError:
        raise _wrong(
            name, value, "it does not have two numbers with a colon between", f"write {name}={example}"
        ) from None
    if not all(map(math.isfinite, ends)) or ends[0] >= ends[1]:
        raise _wrong(name, value, f"{low} is not below {high}", f"write {name}={example}")
    if kind == "loguniform" and ends[0] <= 0:
        raise _wrong(name, value, "a logarithm needs numbers above 0", f"write {name}={example}")
    if kind == "int" and not all(end.is_integer() for end in ends):
        raise _wrong(name, value, "its ends are no whole numbers", f"write {name}={example}")
    return ends


def _typed(flags: FlagSet, name: str, text: str) -> Any:
    """The value of a word, as a single run would have it."""
    (value,) = flags.assign([f"{name}={text}"]).values()
    return value


def _canonical(dimensions: dict[str, Dimension], flags: FlagSet) -> dict[str, Dimension]:
    """The dimensions under their flags' own names, where a flag may be written in more than one way."""
    found: dict[str, Dimension] = {}
    for name, dimension in dimensions.items():
        example = dimension.values[0] if isinstance(dimension, Choices) else dimension.low
        (own,) = flags.assign([f"{name}={example}"]) if isinstance(example, str) else (name,)
        found[own] = dimension
    return found


def _masked(texts: Mapping[str, str], flags: FlagSet) -> dict[str, str]:
    hidden = {name for name in texts if (flag := _flag(flags, name)) is not None and flag.secret}
    return {name: "***" if name in hidden else text for name, text in texts.items()}


def _split(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _flag(flags: FlagSet, name: str) -> Flag | None:
    return flags.get(name)


def _size(dimension: Dimension) -> int | None:
    if isinstance(dimension, Choices):
        return len(dimension.values)
    return int(dimension.high) - int(dimension.low) + 1 if dimension.whole else None


def _wrong(name: str, value: str, why: str, way_out: str) -> FlagError:
    return FlagError(f"{name}={value} cannot be tried", why=why, way_out=way_out)
