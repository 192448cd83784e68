"""The command line and the environment that run a target with values for its flags."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.errors import FlagError, MissingExtra, ScriptError
from penstock.experiments.capture.target import Target
from penstock.experiments.flags.flag import Flag
from penstock.experiments.flags.flag_set import FlagSet
from penstock.experiments.flags.values import show, spell

INSIDE = Path(__file__).parent.parent / "inside"
"""What runs within the interpreter of the script; nothing of Penstock need be installed there."""
VALUES = "PENSTOCK_VALUES"
LONGEST_WORD = 128 * 1024 - 64
"""Linux takes no longer word on a command line, nor a longer variable."""


@dataclass(frozen=True)
class Command:
    """What is handed to the operating system."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)


def command(
    target: Target,
    flags: FlagSet,
    values: Mapping[str, Any],
    *,
    python: str | None = None,
    cwd: Path | None = None,
    given: Collection[str] = (),
) -> Command:
    """How to run `target` with these values.

    Only what differs from the defaults is passed, and the flags in `given`.

    Parameters
    ----------
    values : as `FlagSet.values` gives them.
    python : the interpreter of scripts, modules and notebooks; default: ours.
    cwd : where it will run. A script below it is named from there, as a person would.

    Raises
    ------
    FlagError : a value cannot be passed: its switch has no option for it, or it is too long.
    MissingExtra : a notebook, and its interpreter has neither nbclient nor ipykernel.
    """
    python = python or sys.executable
    wanted = {
        name: value
        for name, value in values.items()
        if flags.find(name).origin == "given"
        or not flags.at_default(name, values)
        or (name in given and value is not None)  # no word says None: it is what leaving the option out means
    }
    constants = {n: v for n, v in wanted.items() if flags.find(n).how in ("global", "cell")}
    words = _words(flags, wanted, values)
    path = "" if target.path is None else _named(target.path, cwd)
    if target.kind == "notebook":
        needs_notebooks(python)
        argv = [python, str(INSIDE / "penstock_notebook.py"), path, *words]
    elif target.kind == "command":
        return _checked(Command([*target.argv, *words]))
    elif constants:
        runner = str(INSIDE / "penstock_values.py")
        argv = [python, runner, *(["-m", str(target.module)] if target.kind == "module" else [path]), *words]
    elif target.kind == "module":
        argv = [python, "-m", str(target.module), *words]
    else:
        argv = [python, path, *words]
    env = {VALUES: _constants(target, flags, constants)} if constants else {}
    return _checked(Command(argv, env))


def needs_notebooks(python: str) -> None:
    """Check that an interpreter can run notebooks.

    Raises
    ------
    MissingExtra : it cannot; says what to install, and where.
    """
    import subprocess

    look = "import importlib.util as u; print(*(m for m in ('nbclient', 'ipykernel') if u.find_spec(m) is None))"
    try:
        done = subprocess.run([python, "-c", look], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ScriptError(
            f"the interpreter {python} does not work", why=str(error), way_out="check [run] python in penstock.toml"
        ) from error
    missing = done.stdout.split()
    if missing:
        ours = os.path.abspath(python) == os.path.abspath(sys.executable)
        raise MissingExtra(
            f"a notebook needs {' and '.join(missing)}",
            why=f"{'it is' if len(missing) == 1 else 'they are'} optional and not installed for {python}",
            way_out='pip install "penstock[notebook]"' if ours else f"{python} -m pip install nbclient ipykernel",
        )


def _constants(target: Target, flags: FlagSet, constants: Mapping[str, Any]) -> str:
    """For the runner inside: which constants of which file have which values, as Python writes them, and which are secret."""
    import json

    texts = {name: literal(value, flags.find(name).arity) for name, value in constants.items()}
    secrets = [name for name in constants if flags.find(name).secret]
    return json.dumps({"path": str(target.path), "values": texts, "secrets": secrets})


def literal(value: Any, arity: str = "") -> str:
    """A value as Python source; `arity` "tuple" makes a tuple of a list.

    >>> literal([1, 2], "tuple"), literal(float("inf")), literal("it's"), literal([1.5])
    ('(1, 2)', '1e999', '"it\\'s"', '[1.5]')
    """
    if isinstance(value, list | tuple):
        items = [literal(item) for item in value]
        if arity == "tuple":
            return "(" + ", ".join(items) + ("," if len(items) == 1 else "") + ")"
        return "[" + ", ".join(items) + "]"
    if isinstance(value, float):
        if value != value:
            return "(1e999 - 1e999)"
        return repr(value).replace("inf", "1e999")
    return repr(value)


def _words(flags: FlagSet, wanted: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """The words behind the script: level by level, where there are subcommands."""
    levels: dict[tuple[str, ...], list[Flag]] = {}
    for flag in flags.reached(values):
        levels.setdefault(flag.under, []).append(flag)
    known = {flag.name for flag in flags.flags}
    words: list[str] = []
    for level in sorted(levels, key=len):
        words += _level(levels[level], wanted, values)
    for name in wanted:
        if name not in known:
            words += _option(flags.find(name), wanted[name])
    return words


def _level(flags: Sequence[Flag], wanted: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Options and words of one level. Where a subcommand follows, its name is the last word."""
    options: list[tuple[bool, list[str]]] = []  # whether it would swallow the words behind it, the words
    places: list[str] = []
    subcommand = ""
    positionals = [flag for flag in flags if flag.how == "positional"]
    passed = [i for i, flag in enumerate(positionals) if flag.name in wanted]
    for i, flag in enumerate(positionals):
        if (
            passed and i <= passed[-1] and values.get(flag.name) is not None
        ):  # those before one that is passed have to be too
            value = values[flag.name]
            places += [_spelled(flag, item) for item in (value if flag.multiple else [value])]
    for flag in flags:
        if flag.how == "subcommand" and values.get(flag.name, flag.default) is not None:
            subcommand = str(values.get(flag.name, flag.default))
        elif flag.name in wanted and flag.how == "switch":
            options.append((False, _switch(flag, wanted[flag.name])))
        elif flag.name in wanted and flag.how == "option":
            options.append((flag.arity in ("?", "*", "+"), _option(flag, wanted[flag.name])))
    options.sort(key=lambda option: not option[0])
    named = [word for _, words in options for word in words]
    swallows = bool(options) and options[-1][0]
    if subcommand:
        return [*named, *places, subcommand]
    if any(word.startswith("-") for word in places):
        return [*named, "--", *places]
    return [*places, *named] if swallows else [*named, *places]


def _option(flag: Flag, value: Any) -> list[str]:
    """An option with its value or values."""
    option = flag.option or f"--{flag.name}"
    if value is None:
        raise flag.refuse("none", "a value: its option cannot be left out, for then it is the default")
    if flag.arity == "count":
        return [option] * int(value)
    if not flag.multiple:
        return _joined(option, _spelled(flag, value))
    items = [_spelled(flag, item) for item in value]
    if flag.arity == "append":
        return [word for item in items for word in _joined(option, item)]
    if len(items) == 1 and items[0].startswith("-"):
        return _joined(option, items[0])
    if flag.origin.startswith("argparse"):
        items = [_no_option(flag, item) for item in items]
    return [option, *items]


def _no_option(flag: Flag, word: str) -> str:
    """One of several words behind an option, as argparse takes it for no other option: a negative number, all digits written.

    >>> _no_option(Flag("a"), "-1e+16"), _no_option(Flag("a"), "-5"), _no_option(Flag("a"), "1e-3")
    ('-10000000000000000.0', '-5', '1e-3')
    """
    if not word.startswith("-"):
        return word
    from decimal import Decimal, InvalidOperation

    try:
        number = Decimal(word)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise flag.refuse(
            word, "several values, none of which begins with a dash: argparse reads such a word as an option"
        )
    digits = format(number, "f")
    return digits if "." in digits or ("." not in word and "e" not in word.lower()) else f"{digits}.0"


def _joined(option: str, word: str) -> list[str]:
    """An option and its word; in one piece where the word could be taken for another option.

    >>> _joined("--lr", "0.1"), _joined("--shift", "-1"), _joined("-s", "-1")
    (['--lr', '0.1'], ['--shift=-1'], ['-s-1'])
    """
    if not word.startswith("-"):
        return [option, word]
    return [f"{option}={word}"] if option.startswith("--") else [f"{option}{word}"]


def _switch(flag: Flag, value: Any) -> list[str]:
    option = flag.option if value else flag.off
    if option:
        return [option]
    if value == bool(flag.default):
        return []
    raise flag.refuse(show(value), f"{show(bool(flag.default))} only: it has no option for {show(value)}")


def _spelled(flag: Flag, value: Any) -> str:
    return spell(value, bools=flag.spelling)


def _named(path: Path, cwd: Path | None) -> str:
    if cwd is not None and path.is_relative_to(cwd):
        name = str(path.relative_to(cwd))
        return f"./{name}" if name.startswith("-") else name  # Python would take it for an option of its own
    return str(path)


def _checked(made: Command) -> Command:
    """Words that no operating system takes are refused here, by what they are."""
    for word in (*made.argv, *made.env.values()):
        size = len(word.encode("utf-8", "surrogateescape"))
        if size > LONGEST_WORD:
            raise FlagError(
                f"a value of {size:,} bytes cannot be passed to a program",
                why=f"the operating system takes {LONGEST_WORD:,} bytes in one word at most",
                way_out="write it to a file, and give the file's name",
            )
    return made


__all__ = ["Command", "command", "literal", "needs_notebooks"]
