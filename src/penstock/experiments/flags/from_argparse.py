"""Flags of an argparse parser, from the calls that make it."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from penstock.experiments.flags.flag import Flag, FlagType
from penstock.experiments.flags.plain import is_plain
from penstock.experiments.flags.things import UNKNOWN, Argument, Called, Class, Function, Named, Parser
from penstock.experiments.flags.values import NotOfType, read_value

SUPPRESS = "==SUPPRESS=="
_SIMPLE: dict[str, FlagType] = {"int": "int", "float": "float", "str": "str", "bool": "bool"}
_MOST_CHOICES = 500


def flags_of_parser(parser: Parser, under: tuple[str, ...] = ()) -> list[Flag]:
    """The flags of a parser, its parents and its subcommands."""
    found: dict[str, Flag] = {}
    inherited = [a for parent in parser.parents for a in _arguments(parent)]
    defaults = {name: (value, 0) for parent in parser.parents for name, (value, _) in parent.defaults.items()}
    defaults |= {name: (value, len(inherited) + at) for name, (value, at) in parser.defaults.items()}
    for i, argument in enumerate([*inherited, *parser.arguments]):
        for flag in _flags(argument, parser, under):
            value, at = defaults.get(flag.name, (UNKNOWN, -1))
            own = flag if i >= max(at, 0) and (at < 0 or "default" in argument.kwargs) else _with_default(flag, value)
            earlier = found.get(own.name)
            found[own.name] = own if earlier is None else _merged(earlier, own)
    flags = list(found.values())
    if parser.subparsers is None:
        return flags
    subparsers = parser.subparsers
    dest = subparsers.kwargs.get("dest")
    name = dest if isinstance(dest, str) else "command" if not under else f"{under[-1]}_command"
    help_ = subparsers.kwargs.get("help")
    choice = Flag(
        name,
        "str",
        choices=tuple(subparsers.parsers) or None,
        help=help_ if isinstance(help_, str) else "",
        origin=f"argparse, {subparsers.label}",
        how="subcommand",
        required=subparsers.kwargs.get("required") is True,
        under=under,
    )
    inner = [flag for key, sub in subparsers.parsers.items() for flag in flags_of_parser(sub, (*under, key))]
    return [*flags, choice, *inner]


def _arguments(parser: Parser) -> list[Argument]:
    return [a for parent in parser.parents for a in _arguments(parent)] + parser.arguments


def _flags(argument: Argument, parser: Parser, under: tuple[str, ...]) -> list[Flag]:
    """The flag of one `add_argument`; none of ``--help`` and ``--version``."""
    kwargs, args = argument.kwargs, argument.args
    action = kwargs.get("action", "store")
    name_of_action = action.name.rpartition(".")[2] if isinstance(action, Named) else action
    if name_of_action in ("help", "version"):
        return []
    options = [arg for arg in args if arg.startswith("-")]
    long = [option for option in options if option.startswith("--")]
    dest = kwargs.get("dest")
    name = dest if isinstance(dest, str) else (long[0] if long else args[0]).lstrip("-").replace("-", "_")
    if not name.strip():
        return []
    help_ = kwargs.get("help")
    default = kwargs.get("default")
    if "default" not in kwargs and is_plain(parser.kwargs.get("argument_default", UNKNOWN)):
        default = parser.kwargs["argument_default"]
    if isinstance(default, Named) and default.name.endswith("SUPPRESS"):
        default = None
    option = (long or options or [None])[0]
    flag = Flag(
        name,
        default=default if is_plain(default) else None,
        help=_help(help_, default),
        origin=f"argparse, {argument.label}",
        how="option" if options else "positional",
        option=option,
        required=kwargs.get("required") is True,
        aliases=tuple(
            dict.fromkeys(o.lstrip("-").replace("-", "_") for o in options if o.lstrip("-").replace("-", "_") != name)
        ),
        under=under,
        computed="" if is_plain(default) else _expression(argument, "default"),
    )
    switch = _switch(flag, name_of_action, kwargs, options)
    if switch is not None:
        return [switch]
    flag = _typed(flag, kwargs)
    return [_counted(flag, name_of_action, kwargs)]


def _switch(flag: Flag, action: Any, kwargs: dict[str, Any], options: list[str]) -> Flag | None:
    """A flag that is there or not; None where the action is another one."""
    if action == "store_true":
        return replace(flag, type="bool", how="switch", default=False if flag.default is None else flag.default)
    if action == "store_false":
        default = True if flag.default is None else flag.default
        return replace(flag, type="bool", how="switch", default=default, option=None, off=flag.option)
    if action == "BooleanOptionalAction":
        off = None if flag.option is None else "--no-" + flag.option.lstrip("-")
        return replace(flag, type="bool", how="switch", off=off)
    if action in ("store_const", "append_const"):
        own = (flag.option or flag.name).lstrip("-").replace("-", "_")
        return replace(flag, name=own, type="bool", how="switch", default=False, computed="", aliases=())
    if action == "count":
        default = flag.default if isinstance(flag.default, int) else 0
        return replace(flag, type="int", arity="count", default=default)
    return None


def _typed(flag: Flag, kwargs: dict[str, Any]) -> Flag:
    """With the type, and the choices of it."""
    type_: FlagType = "str"
    spelling = flag.spelling
    given = kwargs.get("type")
    if isinstance(given, Named) and given.name in _SIMPLE:
        type_ = _SIMPLE[given.name]
        if type_ == "bool":
            spelling = ("", "True")  # bool("False") is True: only the empty text is false
    elif given is None or given is UNKNOWN or isinstance(given, Called | Named | Function | Class):
        type_ = _guessed(given, flag.default)
    choices = kwargs.get("choices")
    choices = list(choices) if isinstance(choices, dict | range | list | tuple) else None
    if choices is not None and (not is_plain(choices) or not 0 < len(choices) <= _MOST_CHOICES):
        choices = None
    default = flag.default
    if isinstance(default, str) and type_ in ("int", "float"):  # argparse itself reads a default that is text
        try:
            default = read_value(default, type_)
        except NotOfType:
            default = flag.default
    if type_ == "float" and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    return replace(flag, type=type_, default=default, choices=tuple(choices) if choices else None, spelling=spelling)


def _guessed(given: Any, default: Any) -> FlagType:
    """The type where a function of the user's own reads the word, or none does."""
    name = given.name.rpartition(".")[2].lower() if isinstance(given, Named | Function) else ""
    if isinstance(default, bool) or "bool" in name:
        return "bool" if given is not None else "any"
    if isinstance(default, int | float):
        return "any"
    if isinstance(default, list | tuple) and default and all(isinstance(item, int | float) for item in default):
        return "any"
    return "str"


def _counted(flag: Flag, action: Any, kwargs: dict[str, Any]) -> Flag:
    """With how many values it takes, and whether it must be given."""
    nargs = kwargs.get("nargs")
    if isinstance(nargs, Named):
        nargs = "*"
    if nargs is UNKNOWN:
        nargs = "*" if flag.default is None or isinstance(flag.default, list | tuple) else None
    nargs = "*" if nargs in ("...", "A...") else nargs
    positional = flag.how == "positional"
    many = nargs in ("*", "+") or isinstance(nargs, int) or action in ("append", "extend")
    arity = "append" if action == "append" else str(nargs) if nargs is not None else "+" if action == "extend" else ""
    required = flag.required or (positional and nargs not in ("?", "*") and action != "append")
    default = list(flag.default) if isinstance(flag.default, tuple) else flag.default
    if positional and nargs == "*" and default is None and not flag.computed:
        default = []
    return replace(flag, multiple=many, arity=arity, required=required, default=None if required else default)


def _merged(earlier: Flag, later: Flag) -> Flag:
    """Two arguments of one name: a pair of switches is one flag, otherwise the later one counts."""
    if earlier.how == later.how == "switch":
        on = earlier.option or later.option
        off = earlier.off or later.off
        return replace(
            earlier, option=on, off=off, aliases=(*earlier.aliases, *later.aliases), help=earlier.help or later.help
        )
    return later


def _with_default(flag: Flag, default: Any) -> Flag:
    if not is_plain(default):
        return replace(flag, default=None, computed="set_defaults", required=False)
    return replace(flag, default=list(default) if isinstance(default, tuple) else default, computed="", required=False)


def _help(help_: Any, default: Any) -> str:
    if not isinstance(help_, str) or help_ == SUPPRESS:
        return ""
    text = help_.replace("%(default)s", str(default)).replace("%(default)r", repr(default)).replace("%%", "%")
    return " ".join(text.split())


def _expression(argument: Argument, name: str) -> str:
    node = next((keyword.value for keyword in argument.node.keywords if keyword.arg == name), None)
    text = "computed" if node is None else " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."
