"""Flags of typer's commands, from the signatures of their functions."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from penstock.experiments.flags.flag import Flag, FlagType, bounds_of
from penstock.experiments.flags.plain import is_plain
from penstock.experiments.flags.reader import Reader
from penstock.experiments.flags.things import NO_CALL, UNKNOWN, Called, Class, Function, Named, TyperApp

_TYPES: dict[str, FlagType] = {"int": "int", "float": "float", "bool": "bool", "str": "str"}
_LISTS = ("list", "List", "Sequence", "tuple", "Tuple", "set")
_MISSING = object()


def flags_of_app(app: TyperApp, reader: Reader, under: tuple[str, ...] = ()) -> list[Flag]:
    """The flags of an app: of its callback, its commands and the apps within."""
    if len(app.commands) == 1 and app.callback is None and not under and isinstance(app.commands[0][1], Function):
        return flags_of_function(app.commands[0][1], reader)
    flags = flags_of_function(app.callback, reader, under) if app.callback is not None else []
    commands: dict[str, Function | TyperApp] = {}
    for name, command in app.commands:
        if isinstance(command, TyperApp) and name is None:
            inner = command.commands  # an app without a name: its commands are of this level
            commands.update({n or _own_name(c): c for n, c in inner if n or isinstance(c, Function)})
        else:
            commands[name or _own_name(command)] = command
    if not commands:
        return flags
    asked = [
        app.kwargs,
        *(d.kwargs for d in (app.callback.decorators if app.callback else []) if isinstance(d, Called)),
    ]
    alone = any(kwargs.get("invoke_without_command") is True for kwargs in asked)
    origin = f"typer, {_first(app).env.module.label}" if _first(app) is not None else "typer"
    name = "command" if not under else f"{under[-1]}_command"
    choice = Flag(
        name, "str", choices=tuple(commands), origin=origin, how="subcommand", required=not alone, under=under
    )
    inner_flags: list[Flag] = []
    for key, command in commands.items():
        chain = (*under, key)
        made = (
            flags_of_app(command, reader, chain)
            if isinstance(command, TyperApp)
            else flags_of_function(command, reader, chain)
        )
        inner_flags += made
    return [*flags, choice, *inner_flags]


def _first(app: TyperApp) -> Any:
    return app.callback or next((command for _, command in app.commands if isinstance(command, Function)), None)


def _own_name(command: Function | TyperApp) -> str:
    return command.name.lower().replace("_", "-") if isinstance(command, Function) else "app"


def flags_of_function(function: Function, reader: Reader, under: tuple[str, ...] = ()) -> list[Flag]:
    """The flags of one command: the parameters of its function."""
    arguments = function.node.args
    parameters = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(parameters) - len(arguments.defaults))
    defaults += arguments.defaults
    pairs = [*zip(parameters, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    flags = []
    for parameter, default in pairs:
        flag = _flag(parameter, default, function, reader, under)
        if flag is not None:
            flags.append(flag)
    return flags


def _flag(
    parameter: ast.arg, default_node: ast.expr | None, function: Function, reader: Reader, under: tuple[str, ...]
) -> Flag | None:
    env = function.env
    annotation = _annotation(parameter.annotation, function, reader)
    info: Called | None = None
    if isinstance(annotation, Called) and annotation.name.endswith("Annotated") and annotation.args:
        info = next((a for a in annotation.args[1:] if isinstance(a, Called) and a.name.startswith("typer.")), None)
        annotation = reader.known(annotation.args[0])
    if isinstance(annotation, Named) and annotation.name.endswith(("Context", "CallbackParam")):
        return None
    default: Any = _MISSING if default_node is None else reader.known(reader.value(default_node, env))
    if isinstance(default, Called) and default.name in ("typer.Option", "typer.Argument"):
        info, default = default, (default.args[0] if default.args else default.kwargs.get("default", _MISSING))
        info = Called(info.name, info.args[1:], info.kwargs, info.node, info.env)
    if default is Ellipsis:
        default = _MISSING
    type_, choices, many, optional, arity = _type(annotation, reader)
    if annotation is None and default is not _MISSING and default is not None:
        type_ = _TYPES.get(type(default).__name__, "str")
    kwargs = info.kwargs if info is not None else {}
    if default is _MISSING and "default_factory" in kwargs:
        default = UNKNOWN
    positional = info.name == "typer.Argument" if info is not None else default is _MISSING and not optional
    names = [arg for arg in (info.args if info is not None else []) if isinstance(arg, str)]
    required = default is _MISSING and not (optional and info is None)
    flag = Flag(
        parameter.arg,
        type_,
        default=None
        if default is _MISSING or not is_plain(default)
        else list(default)
        if isinstance(default, tuple)
        else default,
        choices=choices,
        bounds=bounds_of(kwargs.get("min"), kwargs.get("max"), clamp=kwargs.get("clamp", False)),
        help=" ".join(kwargs["help"].split()) if isinstance(kwargs.get("help"), str) else "",
        origin=f"typer, {env.module.label}:{parameter.lineno}",
        how="positional" if positional else "option",
        required=required,
        multiple=many,
        arity=arity if not many or arity else ("*" if positional and not required else "+" if positional else "append"),
        under=under,
        computed="" if default is _MISSING or is_plain(default) else _text(default_node),
    )
    if positional:
        return flag
    return _option(flag, names, kwargs)


def _option(flag: Flag, names: list[str], kwargs: dict[str, Any]) -> Flag:
    """With the names of its option; yes-or-no options are switches."""
    on = [name.partition("/")[0].strip() for name in names]
    off = [name.partition("/")[2].strip() for name in names if "/" in name]
    own = "--" + flag.name.lower().replace("_", "-").lstrip("-")
    option = next((name for name in on if name.startswith("--")), on[0] if on else own)
    aliases = tuple(dict.fromkeys(a for name in on if (a := name.lstrip("-").replace("-", "_")) and a != flag.name))
    flag = replace(flag, option=option, aliases=aliases)
    if kwargs.get("count") is True:
        return replace(flag, type="int", arity="count", default=flag.default or 0)
    if flag.type == "bool" and not flag.multiple:
        negative = off[0] if off else f"--no-{option.lstrip('-')}" if not names else None
        return replace(
            flag, how="switch", off=negative, default=flag.default if flag.default is None else bool(flag.default)
        )
    if kwargs.get("prompt") not in (None, False) and flag.default is None:
        return replace(flag, required=True)
    return flag


def _annotation(node: ast.expr | None, function: Function, reader: Reader) -> Any:
    if node is None:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):  # written in quotes
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return UNKNOWN
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):  # int | None
        sides = [_annotation(side, function, reader) for side in (node.left, node.right)]
        return Called("typing.Union", sides, {}, NO_CALL, function.env)
    if isinstance(node, ast.Subscript):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        owner = reader.known(reader.value(node.value, function.env))
        if isinstance(owner, Named):
            literal = owner.name.endswith("Literal")
            args = [
                reader.known(reader.value(i, function.env)) if literal else _annotation(i, function, reader)
                for i in inner
            ]
            return Called(owner.name, args, {}, NO_CALL, function.env)
    return reader.known(reader.value(node, function.env))


def _type(annotation: Any, reader: Reader) -> tuple[FlagType, tuple[Any, ...] | None, bool, bool, str]:
    """(type, choices, several values, may be None, arity) of an annotation."""
    if isinstance(annotation, Named):
        last = annotation.name.rpartition(".")[2]
        return _TYPES.get(last, "str"), None, last in _LISTS, False, ""
    if isinstance(annotation, Class):
        members = [
            value for name, value in annotation.body.names.items() if not name.startswith("_") and is_plain(value)
        ]
        enum = any(root.endswith("Enum") for root in annotation.roots())
        return "str", tuple(members) if enum and members else None, False, False, ""
    if isinstance(annotation, Called):
        last = annotation.name.rpartition(".")[2]
        inner = [a for a in annotation.args if a is not None and a != Named("None")]
        if last in ("Optional", "Union") and inner:
            type_, choices, many, _, arity = _type(inner[0], reader)
            return type_, choices, many, last == "Optional" or len(inner) < len(annotation.args), arity
        if last == "Literal":
            kind = {type(a).__name__ for a in annotation.args}
            return _TYPES.get(kind.pop(), "str") if len(kind) == 1 else "any", tuple(annotation.args), False, False, ""
        if last in _LISTS and inner:
            type_, choices, _, _, _ = _type(inner[0], reader)
            fixed = last in ("tuple", "Tuple") and Ellipsis not in annotation.args
            return type_, choices, True, False, str(len(annotation.args)) if fixed else ""
        if last == "Annotated" and inner:
            return _type(reader.known(inner[0]), reader)
    return "str", None, False, False, ""


def _text(node: ast.expr | None) -> str:
    return "computed" if node is None else " ".join(ast.unparse(node).split())[:60]
