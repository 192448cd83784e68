"""Flags of click's commands and groups, from their decorators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock.experiments.flags.flag import Bounds, Flag, FlagType, bounds_of
from penstock.experiments.flags.plain import is_plain
from penstock.experiments.flags.things import UNKNOWN, Called, Function, Named

_TYPES: dict[str, FlagType] = {
    "int": "int", "float": "float", "str": "str", "bool": "bool",
    "INT": "int", "FLOAT": "float", "STRING": "str", "BOOL": "bool", "IntRange": "int", "FloatRange": "float",
}  # fmt: skip
_RENAMED = ("_command", "_cmd", "_group", "_grp")
"""Newer releases of click drop these endings from the name of a command."""


def flags_of_click(command: Function, doubts: list[str], under: tuple[str, ...] = ()) -> list[Flag]:
    """The flags of a command; of a group also its subcommands and theirs."""
    flags: list[Flag] = []
    for decorator in command.decorators:
        if not isinstance(decorator, Called):
            continue
        last = decorator.name.rpartition(".")[2]
        if last == "option":
            flags += _option(decorator, doubts, under)
        elif last == "argument":
            flags.append(_argument(decorator, under))
        elif last.endswith("_option") and last not in (
            "version_option",
            "help_option",
            "confirmation_option",
            "password_option",
        ):
            doubts.append(f"{decorator.env.module.label}, line {_line(decorator)}: @{last} may add flags")
        elif last == "password_option":
            names = [a for a in decorator.args if isinstance(a, str)] or ["--password"]
            flags.append(
                Flag(_name(names), "str", origin=_origin(decorator), option=names[0], required=True, under=under)
            )
    if not _is_group(command):
        return flags
    children = {name or _own_name(child, doubts): child for name, child in command.children}
    made = next((d for d in command.decorators if isinstance(d, Called) and d.name.endswith(".group")), None)
    alone = made is not None and made.kwargs.get("invoke_without_command") is True
    if made is not None and (made.kwargs.get("chain") is True or "cls" in made.kwargs):
        doubts.append(
            f"{made.env.module.label}, line {_line(made)}: the group finds its subcommands in a way of its own"
        )
    name = "command" if not under else f"{under[-1]}_command"
    choice = Flag(
        name,
        "str",
        choices=tuple(children) or None,
        origin=_origin(made) if made is not None else "click",
        how="subcommand",
        required=not alone,
        under=under,
    )
    inner = [flag for key, child in children.items() for flag in flags_of_click(child, doubts, (*under, key))]
    return [*flags, choice, *inner]


def _is_group(command: Function) -> bool:
    return any(isinstance(d, Called | Named) and d.name.endswith(".group") for d in command.decorators)


def _own_name(command: Function, doubts: list[str]) -> str:
    for decorator in command.decorators:
        if isinstance(decorator, Called) and decorator.name.endswith((".command", ".group")):
            name = decorator.args[0] if decorator.args else decorator.kwargs.get("name")
            if isinstance(name, str):
                return name
    if command.name.endswith(_RENAMED):
        doubts.append(f"the name of the subcommand {command.name} depends on the release of click")
    return command.name.lower().replace("_", "-")


def _option(call: Called, doubts: list[str], under: tuple[str, ...]) -> list[Flag]:
    names = [arg for arg in call.args if isinstance(arg, str)]
    if not names or len(names) != len(call.args):
        doubts.append(f"{call.env.module.label}, line {_line(call)}: the name of an option is computed")
        return []
    kwargs = call.kwargs
    on = [part.partition("/")[0].strip() for part in names if part.startswith("-")]
    off = [part.partition("/")[2].strip() for part in names if part.startswith("-") and "/" in part]
    option = next((one for one in on if one.startswith("--")), on[0] if on else None)
    name = _name(names)
    default = kwargs.get("default")
    flag = Flag(
        name,
        default=default if is_plain(default) else None,
        help=" ".join(kwargs["help"].split()) if isinstance(kwargs.get("help"), str) else "",
        origin=_origin(call),
        option=option,
        required=(kwargs.get("required") is True or kwargs.get("prompt", None) not in (None, False))
        and default is None,
        aliases=tuple(dict.fromkeys(a for one in on if (a := one.lstrip("-").replace("-", "_")) != name)),
        under=under,
        computed="" if is_plain(default) else "computed",
    )
    if kwargs.get("count") is True:
        return [replace(flag, type="int", arity="count", default=flag.default or 0)]
    if off or kwargs.get("is_flag") is True or isinstance(kwargs.get("flag_value"), bool):
        negative = next((one for one in off if one.startswith("--")), off[0] if off else None)
        if "flag_value" in kwargs and not isinstance(kwargs["flag_value"], bool):
            own = (option or name).lstrip("-").replace("-", "_")  # several options that give one name its value
            return [replace(flag, name=own, type="bool", how="switch", default=False, aliases=())]
        return [replace(flag, type="bool", how="switch", off=negative, default=bool(flag.default))]
    if "flag_value" in kwargs:
        doubts.append(f"{call.env.module.label}, line {_line(call)}: an option with a value of its own")
    return [_typed(flag, kwargs)]


def _argument(call: Called, under: tuple[str, ...]) -> Flag:
    name = next((arg for arg in call.args if isinstance(arg, str)), "argument").lower().replace("-", "_")
    default = call.kwargs.get("default")
    many = call.kwargs.get("nargs") == -1
    required = call.kwargs.get("required")
    flag = Flag(
        name,
        default=default if is_plain(default) else None,
        origin=_origin(call),
        how="positional",
        required=required if isinstance(required, bool) else default is None and not many,
        under=under,
        computed="" if is_plain(default) else "computed",
    )
    flag = _typed(flag, call.kwargs)
    if many:
        return replace(
            flag,
            multiple=True,
            arity="+" if flag.required else "*",
            default=flag.default or (None if flag.required else []),
        )
    return flag


def _typed(flag: Flag, kwargs: dict[str, Any]) -> Flag:
    """With its type, choices, and how many values it takes."""
    given, default = kwargs.get("type"), flag.default
    flag = replace(flag, bounds=_bounds(given))
    choices: tuple[Any, ...] | None = None
    type_: FlagType = "str"
    if given is None:
        sample = default[0] if isinstance(default, list | tuple) and default else default
        type_ = _TYPES.get(type(sample).__name__, "str")
    elif isinstance(given, Named | Called):
        type_ = _TYPES.get(given.name.rpartition(".")[2], "str")
        if (
            isinstance(given, Called)
            and given.name.endswith(".Choice")
            and given.args
            and isinstance(given.args[0], list | tuple)
        ):
            choices = tuple(given.args[0]) if is_plain(given.args[0]) else None
    elif isinstance(given, list | tuple) and is_plain(given):
        choices = tuple(given)  # a list stands for Choice
    if type_ == "float" and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    nargs = kwargs.get("nargs")
    if kwargs.get("multiple") is True:
        return replace(flag, type=type_, default=list(default or []), choices=choices, multiple=True, arity="append")
    if isinstance(nargs, int) and nargs > 1:
        default = list(default) if isinstance(default, list | tuple) else default
        return replace(flag, type=type_, default=default, choices=choices, multiple=True, arity=str(nargs))
    if nargs is UNKNOWN:
        return replace(flag, type=type_, default=default, choices=choices, multiple=True, arity="*")
    return replace(flag, type=type_, default=default, choices=choices)


def _bounds(given: Any) -> Bounds | None:
    """Those of ``IntRange(1, 10)`` and ``FloatRange(min=0, min_open=True)``, as far as they are known."""
    if not isinstance(given, Called) or not given.name.endswith(("IntRange", "FloatRange")):
        return None
    names = ("min", "max", "min_open", "max_open", "clamp")
    told = {**dict(zip(names, given.args, strict=False)), **given.kwargs}
    return bounds_of(*(told.get(name, False) for name in names))


def _name(names: list[str]) -> str:
    """The name of a parameter, by click's own rule: the one without dashes, or the first with the most."""
    plain = [name for name in names if not name.startswith("-")]
    if plain:
        return plain[0]
    options = [name.partition("/")[0].strip() for name in names]
    best = sorted(options, key=lambda one: -(len(one) - len(one.lstrip("-"))))[0]
    return best.lstrip("-").replace("-", "_").lower()


def _line(call: Called) -> int:
    return getattr(call.node, "lineno", 0)


def _origin(call: Called) -> str:
    return f"click, {call.env.module.label}:{_line(call)}"
