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

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, final

from penstock.errors import FlagError
from penstock.experiments.batches.words import QUOTES, single_value, spec_of
from penstock.experiments.flags.flag import MASK
from penstock.experiments.flags.flag_set import WIDTH
from penstock.experiments.flags.values import show, split_list

if TYPE_CHECKING:
    from penstock.experiments.flags.flag_set import FlagSet

MOST_VALUES = 100_000
"""Of one list."""
_NO_JSON = ("Infinity", "-Infinity", "NaN")


@dataclass(frozen=True)
class Choices:
    """A list of values, as the script gets them, in the order in which they were written."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes
    ----------
    log : every order of magnitude is as likely. whole : whole numbers only. as_text : the script's flag is a text.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    as_text: bool = False

    def at(self, share: float) -> float:
        """The number that lies so far up the range, 0 to 1.

        >>> Range(0, 10).at(0.5), Range(1, 4, whole=True).at(0.99)
        (5.0, 4)
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

    def restored(self, point: Mapping[str, Any]) -> Point:
        """A point as it was, from the ledger, which has its flags in another order, and NaN and infinity as texts."""
        found = {name: point[name] for name in self.dimensions}
        for name, value in found.items():
            choices = self.dimensions[name]
            if value in _NO_JSON and isinstance(choices, Choices) and value not in choices.values:
                found[name] = float(value)
        return found


def parse_space(words: Sequence[str], flags: FlagSet) -> Space:
    """Read flag words. Every value in them is checked as that of a single run would be.

    Raises
    ------
    FlagError : a list is empty or has a value twice, a range is none, or a value does not suit its flag.
    """
    fixed: list[str] = []
    several: list[tuple[str, str, tuple[str, str]]] = []
    for word in words:
        name, equals, value = word.partition("=")
        spec = spec_of(value, flags.get(name))
        if spec is None:
            fixed.append(f"{name}={single_value(value)}" if equals else word)
        else:
            several.append((name, value, spec))
    shared = flags.assign(fixed)
    texts = {name: MASK if flags.find(name).secret else show(value) for name, value in shared.items()}
    dimensions: dict[str, Dimension] = {}
    for name, value, (kind, body) in several:
        reader = _Reader(flags, fixed, name, value)
        if reader.flag.secret:
            raise FlagError(
                f"the flag {name!r} is secret, and cannot have several values",
                why="what differs between the trials of a batch is shown in its table",
                way_out="give it one value",
            )
        dimension = reader.choices(kind, body) if kind in ("", "range") else reader.range(kind, body)
        own = reader.flag.name
        if own in dimensions or own in shared:
            raise reader.wrong("the flag is given twice", "write all its values in one list")
        dimensions[own], texts[own] = dimension, value
    return Space(dimensions, shared, texts)


@final
class _Reader:
    """Reads one word of several values."""

    def __init__(self, flags: FlagSet, fixed: list[str], name: str, value: str) -> None:
        self.flag = flags.meant(name, fixed)
        self._name, self._value = name, value

    def choices(self, kind: str, body: str) -> Choices:
        items = self._items(body) if kind == "" else self._steps(body)
        typed: dict[str, Any] = {}  # by how they are written: 1, 1.0 and true are three values
        for item in items:
            one = self.flag.read(self._unquoted(item))
            if repr(one) in typed:
                raise self.wrong(f"it has {item} twice", "write each value once")
            typed[repr(one)] = one
        return Choices(tuple(typed.values()))

    def range(self, kind: str, body: str) -> Range:
        low, high = self._bounds(body, kind)
        if kind != "int" and self.flag.type == "int":
            inner = (math.ceil(low), math.floor(high))
            whole = f"int[{inner[0]}:{inner[1]}]" if inner[0] < inner[1] else "int[1:10]"
            raise self.wrong("the flag takes whole numbers", f"write {self._name}={whole}")
        ends = [self.flag.read(str(int(end)) if kind == "int" else repr(end)) for end in (low, high)]
        if any(isinstance(end, bool) for end in ends):
            raise self.wrong("the flag is true or false", f"write {self._name}=[true,false]")
        return Range(low, high, log=kind == "loguniform", whole=kind == "int", as_text=isinstance(ends[0], str))

    def wrong(self, why: str, way_out: str) -> FlagError:
        return FlagError(f"{self._name}={self._value} cannot be tried", why=why, way_out=way_out)

    def _unquoted(self, item: str) -> str:
        """An item as a word of its own. Quotes around it belong to the list where its flag takes any text."""
        if self.flag.type == "str" and len(item) > 1 and item[0] == item[-1] and item[0] in QUOTES:
            return item[1:-1]
        return single_value(item)

    def _items(self, body: str) -> list[str]:
        """The values of a list: parted by commas that are in no quotes and no inner brackets."""
        items = split_list(f"[{body}]")
        if not items or "" in items:
            why = "there is nothing between two commas" if items else "the list is empty"
            raise self.wrong(why, 'write values between them; "" is the empty text')
        for item in items:
            if item[0] in QUOTES and (len(item) < 2 or item[-1] != item[0]):
                raise self.wrong(f"the quote {item[0]} is not closed", "close it")
            if item[0] not in QUOTES and any(item.count(a) != item.count(b) for a, b in ("[]", "()", "{}")):
                raise self.wrong(f"the brackets in {item} do not match", f'put that value in quotes: "{item}"')
        return items

    def _steps(self, body: str) -> list[str]:
        """The values of ``range[low:high:step]``, exactly as decimal numbers: 0.1, 0.2, 0.3."""
        try:
            ends = [Decimal(part.strip()) for part in body.split(":")]
        except InvalidOperation:
            ends = []
        low, high, step = (*ends, Decimal(1))[:3] if len(ends) in (2, 3) else (Decimal("nan"),) * 3
        if not all(end.is_finite() for end in (low, high, step)) or step <= 0 or high < low:
            example = f"{self._name}=range[0:1:0.25]"
            raise self.wrong("it is no range", f"write {self._name}=range[LOW:HIGH:STEP], such as {example}")
        count = int((high - low) / step) + 1
        if count > MOST_VALUES:
            bounds = f"{math.ceil(low)}:{math.floor(high)}" if self.flag.type == "int" else f"{low:f}:{high:f}"
            other = f"{self._name}={'int' if self.flag.type == 'int' else 'uniform'}[{bounds}]"
            raise self.wrong(f"it has {count:,} values", f"write a greater step, or {other}")
        whole = all(end == end.to_integral_value() for end in (low, high, step))
        found = [low + i * step for i in range(count)]
        return [str(int(one)) if whole else str(float(one)) for one in found]

    def _bounds(self, body: str, kind: str) -> tuple[float, float]:
        example = {"int": "int[1:10]", "loguniform": "loguniform[1e-5:1e-1]"}.get(kind, "uniform[0.1:0.9]")
        way_out = f"write {self._name}={example}"
        low, _, high = body.partition(":")
        try:
            ends = (float(low), float(high))
        except ValueError:
            raise self.wrong("it does not have two numbers with a colon between", way_out) from None
        for text, end in zip((low, high), ends, strict=True):
            if not math.isfinite(end):
                raise self.wrong(f"{text.strip()} is no number that can be an end of a range", way_out)
        if ends[0] >= ends[1]:
            raise self.wrong(f"{low} is not below {high}", way_out)
        if kind == "loguniform" and ends[0] <= 0:
            raise self.wrong("a logarithm needs numbers above 0", way_out)
        if kind == "int" and not all(end.is_integer() for end in ends):
            raise self.wrong("its ends are no whole numbers", way_out)
        return ends


def table(words: Sequence[str], flags: FlagSet, *, width: int = WIDTH) -> str:
    """As `FlagSet.table`, for a batch: where a flag has several values, what is tried stands in the place of its value."""
    space = parse_space(words, flags)
    shown = [
        replace(flag, type="str", choices=None, bounds=None, multiple=False) if flag.name in space.dimensions else flag
        for flag in flags
    ]
    tried = {name: space.words[name] for name in space.dimensions}
    return replace(flags, flags=tuple(shown)).table({**space.fixed, **tried}, width=width)


def complete(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """All that a trial's run is assigned: what the trials share, and the trial's own point."""
    own = {
        name: repr(point[name]) if isinstance(dimension, Range) and dimension.as_text else point[name]
        for name, dimension in space.dimensions.items()
    }
    return {**space.fixed, **own}


def _size(dimension: Dimension) -> int | None:
    if isinstance(dimension, Choices):
        return len(dimension.values)
    return int(dimension.high) - int(dimension.low) + 1 if dimension.whole else None
