"""Which words of flags ask for several values: a list, or a range (see `penstock.experiments.batches.space`). A single run has none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.errors import FlagError

if TYPE_CHECKING:
    from penstock.experiments.flags.flag import Flag
    from penstock.experiments.flags.flag_set import FlagSet

RANGES = ("uniform", "loguniform", "int", "range")
QUOTES = "\"'"
_CALL = re.compile(r"([A-Za-z_]+)\[(.*)\]", re.DOTALL)


def is_batch(words: Sequence[str], flags: FlagSet) -> bool:
    """Whether flag words ask for more than one run."""
    return any(
        spec_of(value, flags.get(name)) is not None for name, _, value in (word.partition("=") for word in words)
    )


def single(words: Sequence[str], flags: FlagSet) -> dict[str, Any]:
    """What the words of a single run assign: as `FlagSet.assign`, and ``layers="[64,32]"`` means the list, as in a batch.

    Raises
    ------
    FlagError : a word is wrong, or one has several values.
    """
    if not is_batch(words, flags):
        parted = (word.partition("=") for word in words)
        return flags.assign([name + equals + single_value(value) for name, equals, value in parted])
    from penstock.experiments.batches.space import parse_space

    space = parse_space(words, flags)
    name = next(iter(space.dimensions))
    raise FlagError(
        f"{name}={space.words[name]} has several values",
        why="that asks for a batch, and this is a single run",
        way_out=f'write one value, or {name}="{space.words[name]}" in quotes where it is meant as it stands',
    )


def spec_of(value: str, flag: Flag | None) -> tuple[str, str] | None:
    """(kind, body) of a word of several values; the kind of a list is "". None for a single value.

    >>> spec_of("[1,2]", None), spec_of("int[1:3]", None), spec_of('"[1,2]"', None), spec_of("a[0]", None)
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
    import difflib

    near = difflib.get_close_matches(called[1], (*RANGES, "choice"), 1, 0.75)
    if near and ":" in called[2]:
        raise FlagError(
            f"{value!r} is no range",
            why=f"there is no {called[1]!r}; known are {', '.join(RANGES)}",
            way_out=f"write {near[0]}[{called[2]}], or put the value in quotes where it is meant as it stands",
        )
    return None


def single_value(value: str) -> str:
    """A single value without the quotes or the backslash that keep it from being taken for several.

    >>> single_value('"[64,32]"'), single_value('"a"'), single_value("\\\\[1]")
    ('[64,32]', '"a"', '[1]')
    """
    if len(value) > 1 and value[0] == value[-1] and value[0] in QUOTES and _looks_several(value[1:-1]):
        return value[1:-1]
    return value[1:] if value.startswith("\\") and _looks_several(value[1:]) else value


def _looks_several(value: str) -> bool:
    called = _CALL.fullmatch(value)
    return (value.startswith("[") and value.endswith("]")) or (called is not None and called[1] in (*RANGES, "choice"))
