"""One flag of a script: what it is called, what it takes, where it was found, and how it is passed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from penstock.errors import FlagError
from penstock.experiments.flags.values import NotOfType, read_list, read_value, same, show

How = Literal["option", "positional", "switch", "subcommand", "global", "cell"]
FlagType = Literal["int", "float", "bool", "str", "any"]
MASK = "***"


@dataclass(frozen=True)
class Bounds:
    """What a number may be, as click's ranges have it; None: no end. An open end is not part of it."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False

    def hold(self, value: float) -> bool:
        """Whether a number lies within. NaN does: neither click nor typer refuses it."""
        below = self.low is not None and (value < self.low or (self.low_open and value == self.low))
        above = self.high is not None and (value > self.high or (self.high_open and value == self.high))
        return not (below or above)

    @property
    def words(self) -> str:
        """
        >>> Bounds(1, 10).words, Bounds(low=0, low_open=True).words, Bounds(0, 1, high_open=True).words
        ('at least 1 and at most 10', 'above 0', 'at least 0 and below 1')
        """
        ends = [] if self.low is None else [f"{'above' if self.low_open else 'at least'} {show(self.low)}"]
        ends += [] if self.high is None else [f"{'below' if self.high_open else 'at most'} {show(self.high)}"]
        return " and ".join(ends)


def bounds_of(low: Any, high: Any, low_open: Any = False, high_open: Any = False, clamp: Any = False) -> Bounds | None:
    """The bounds that a script declares; None where there are none, or a number beyond them is moved to the end (`clamp`)."""
    first, last = (end if isinstance(end, int | float) and not isinstance(end, bool) else None for end in (low, high))
    return (
        None if (first is None and last is None) or clamp else Bounds(first, last, low_open is True, high_open is True)
    )


@dataclass(frozen=True)
class Flag:
    """One flag.

    Attributes
    ----------
    type : "int", "float", "bool", "str"; "any" where nothing tells.
    default : what the script takes where the flag is not given. A list where the flag takes several values.
    choices : the only values that it takes, where it is so limited. bounds : between which its numbers lie.
    origin : where it was found: "argparse, train.py:12".
    how : how it reaches the script: a word behind its option, a word of its own, an option that is there or not, the name of
        a subcommand, a constant of the file, or one of a notebook.
    option : "--lr"; of a switch, the option that makes it true. `off` is the one that makes it false.
    multiple : it takes several values. `arity` says how many: "?", "*", "+" or a number as in argparse; "append" where the
        option is repeated, "count" where its repetitions are counted; "list" or "tuple" of a constant.
    aliases : other names under which it is known.
    under : the subcommands to which it belongs, outermost first.
    computed : the expression of a default that is known only when the script runs.
    spelling : the words for false and true of an option that takes one of the two.
    passed : it is passed with its default too, as the script itself has another one.
    """

    name: str
    type: FlagType = "any"
    default: Any = None
    choices: tuple[Any, ...] | None = None
    bounds: Bounds | None = None
    help: str = ""
    origin: str = ""
    how: How = "option"
    option: str | None = None
    required: bool = False
    multiple: bool = False
    secret: bool = False
    off: str | None = None
    arity: str = ""
    aliases: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    computed: str = ""
    spelling: tuple[str, str] = ("False", "True")
    passed: bool = False

    def read(self, text: str) -> Any:
        """The value that a word stands for.

        Raises
        ------
        FlagError : it is not of the flag's type, or none of its choices.
        """
        if "\0" in text or (not text.isprintable() and _surrogate(text)):
            raise self.refuse(repr(text), "text without null characters, in UTF-8")
        for choice in self.choices or ():
            if not self.multiple and show(choice) == text.strip():
                return choice
        try:
            value = self._read(text)
        except NotOfType as error:
            raise self.refuse(text, ("a list of which each is " if self.multiple else "") + str(error)) from None
        return self.check(value)

    def _read(self, text: str) -> Any:
        if self.multiple:
            return read_list(text, self.type)
        nothing = text.strip().lower() in ("none", "null")
        if nothing and self.default is None and not self.required and self.type != "str" and not self.computed:
            return None
        if self.type == "int" and self.how in ("global", "cell"):
            try:
                return read_value(text, "int")
            except NotOfType:  # a constant's type is a guess from one value: 0 may stand for 0.0
                return read_value(text, "float")
        return read_value(text, self.type)

    def check(self, value: Any) -> Any:
        """A value as the flag takes it (a whole number where a fraction is meant becomes one).

        Raises
        ------
        FlagError : it is not of the flag's type, or none of its choices.
        """
        if value is None and self.default is None and not self.required:
            return None
        if self.multiple:
            items = list(value) if isinstance(value, list | tuple) else [value]
            if self.arity.isdecimal() and len(items) != int(self.arity):
                raise self.refuse(show(items), f"exactly {self.arity} values, such as {self.name}=[{_example(self)}]")
            if self.arity == "+" and not items:
                raise self.refuse("[]", "at least one value")
            return [self._check_one(item) for item in items]
        return self._check_one(value)

    def _check_one(self, value: Any) -> Any:
        if self.choices:
            for choice in self.choices:
                if same(choice, value) or (show(choice) == show(value) and not isinstance(value, bool)):
                    return choice
            import difflib

            near = difflib.get_close_matches(show(value), [show(c) for c in self.choices], 1, 0.5)
            raise self.refuse(
                show(value),
                "one of " + ", ".join(show(c) for c in self.choices),
                f"did you mean {self.name}={near[0]}?"
                if near
                else f"write for example {self.name}={show(self.choices[0])}",
            )
        kind = type(value)
        if self.bounds is not None and kind in (int, float) and not self.bounds.hold(value):
            raise self.refuse(show(value), f"a number that is {self.bounds.words}")
        if self.type == "float" and kind is int:
            return float(value)
        if self.type == "int" and kind is float and (value.is_integer() or self.how in ("global", "cell")):
            return int(value) if self.how not in ("global", "cell") else value
        fits = {"int": kind is int, "float": kind is float, "bool": kind is bool, "str": kind is str, "any": True}
        if not fits[self.type]:
            words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
            raise self.refuse(show(value), words[self.type])
        return value

    def refuse(self, found: str, wanted: str, way_out: str | None = None) -> FlagError:
        """The error for a value that the flag does not take. Names it, unless it is secret."""
        shown = MASK if self.secret else found if len(found) <= 200 else f"{found[:200]}... ({len(found):,} letters)"
        default = "" if self.required or self.computed or self.secret else f", default {show(self.default)}"
        declared = f" ({self.origin}{default})" if self.origin else ""
        return FlagError(
            f"the flag {self.name!r} cannot be {shown!r}" if shown else f"the flag {self.name!r} cannot be empty",
            why=f"it takes {wanted}{declared}",
            way_out=way_out
            or f"write for example {self.name}={_example(self)}; in penstock.toml a flag can be declared otherwise",
        )

    def to_json(self) -> dict[str, Any]:
        """What is told of it. A secret's default is not."""
        default = MASK if self.secret and self.default not in (None, "") else self.default
        return {
            "name": self.name,
            "type": self.type,
            "default": default,
            "choices": None if self.choices is None else list(self.choices),
            "bounds": None if self.bounds is None else asdict(self.bounds),
            "help": self.help,
            "origin": self.origin,
            "how": self.how,
            "option": self.option,
            "required": self.required,
            "multiple": self.multiple,
            "secret": self.secret,
            "under": list(self.under),
            "computed": self.computed or None,
        }


def _example(flag: Flag) -> str:
    one = {"int": "10", "float": "0.1", "bool": "true"}.get(flag.type, "text")
    if flag.choices:
        one = show(flag.choices[0])
    if flag.arity.isdecimal() and flag.multiple:
        return ",".join([one] * int(flag.arity))
    if flag.default is not None and not flag.secret:
        return show(flag.default)
    if flag.bounds is not None and not flag.bounds.hold(float(one)):
        return show(flag.bounds.low if flag.bounds.low is not None else flag.bounds.high)
    return one


def _surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
