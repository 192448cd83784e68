"""Calls, as the reader of a tree follows them: of the user's own functions, of parsers, of click and typer."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.experiments.flags.module import Env
from penstock.experiments.flags.parser_calls import ASKS, add_parser, method_of_parser, new_parser
from penstock.experiments.flags.plain import computed, is_plain, method_of
from penstock.experiments.flags.things import (
    UNKNOWN,
    Bound,
    Called,
    Class,
    Function,
    Instance,
    Lazy,
    Named,
    Parser,
    Reached,
    Subparsers,
    TyperApp,
)

if TYPE_CHECKING:
    from penstock.experiments.flags.reader import Reader

_PARSERS = ("argparse.ArgumentParser",)
_HARMLESS = (
    "print",
    "str",
    "repr",
    "id",
    "isinstance",
    "hasattr",
    "getattr",
    "vars",
    "argcomplete.autocomplete",
    "type",
    "len",
)
_CLICK = ("click.", "rich_click.", "asyncclick.")


@dataclass(eq=False)
class Super:
    """``super()`` within a method."""

    owner: Any
    cls: Class


def names_of(owner: Any) -> dict[str, Any] | None:
    """Where the attributes of an object of the user's own are kept."""
    if isinstance(owner, Instance):
        return owner.names
    if isinstance(owner, Parser) and owner.instance is not None:
        return owner.instance.names
    if isinstance(owner, Subparsers):
        return owner.kwargs  # subparsers.required = True
    return owner.body.names if isinstance(owner, Class) else None


def instance_attribute(instance: Instance, owner: Any, name: str) -> Any:
    """An attribute of an object: its own, or a method bound to `owner`."""
    if name in instance.names:
        return instance.names[name]
    found = instance.cls.lookup(name)
    if isinstance(found, Function):
        kinds = [d.name for d in found.decorators if isinstance(d, Named)]
        return (
            found if "staticmethod" in kinds else Bound(instance.cls if "classmethod" in kinds else owner, name, found)
        )
    return UNKNOWN if found is None else found


def call(reader: Reader, node: ast.Call, env: Env) -> Any:
    """What a call gives."""
    function = reader.value(node.func, env)
    if isinstance(function, Named) and function.name == "super" and not node.args:
        return _super(env)
    args: list[Any] = []
    unpacked = False
    for argument in node.args:
        value = reader.value(argument, env)
        if isinstance(argument, ast.Starred):
            value = reader.known(value)
            if isinstance(value, list | tuple):
                args += value
            else:
                unpacked = True
        else:
            args.append(value)
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        value = reader.value(keyword.value, env)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        elif isinstance(value := reader.known(value), dict) and all(isinstance(key, str) for key in value):
            kwargs.update(value)
        else:
            unpacked = True
    if isinstance(function, Lazy) and not reader.files.may_parse(function.path):
        return _opaque(reader, function.name or function.path.stem, args, kwargs, node, env)
    return invoke(reader, reader.known(function), args, kwargs, node, env, unpacked=unpacked)


def invoke(
    reader: Reader,
    function: Any,
    args: list[Any],
    kwargs: dict[str, Any],
    node: ast.Call,
    env: Env,
    *,
    unpacked: bool = False,
) -> Any:
    """Call a value that is known."""
    if isinstance(function, Function):
        return _function(reader, function, args, kwargs, node, env, unpacked=unpacked)
    if isinstance(function, Class):
        return _instance(reader, function, args, kwargs, node, env)
    if isinstance(function, Bound):
        return _method(reader, function, args, kwargs, node, env, unpacked=unpacked)
    if isinstance(function, Named):
        return _named(reader, function.name, args, kwargs, node, env)
    if isinstance(function, Called) and len(args) == 1 and isinstance(args[0], Function):
        return decorate(reader, function, args[0], node, env)
    if isinstance(function, TyperApp):
        raise Reached(function)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name in ASKS:
        reader.doubt(node, env, f"{ast.unparse(node.func)} is called, of a parser that cannot be told")
    return _opaque(reader, ast.unparse(node.func), args, kwargs, node, env)


def _function(
    reader: Reader,
    function: Function,
    args: list[Any],
    kwargs: dict[str, Any],
    node: ast.Call,
    env: Env,
    *,
    unpacked: bool = False,
) -> Any:
    if function in reader.functions:
        raise Reached(function)
    arguments = function.node.args
    inner = Env(function.env.module, {}, function.env)
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    for name, default in zip(reversed(names), reversed(arguments.defaults), strict=False):
        inner.names[name] = reader.value(default, function.env)
    for one, default_node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        inner.names[one.arg] = UNKNOWN if default_node is None else reader.value(default_node, function.env)
    for name in names:
        inner.names.setdefault(name, UNKNOWN)
    if unpacked:
        inner.names.update(dict.fromkeys(names[len(args) :], UNKNOWN))
    inner.names.update(zip(names, args, strict=False))
    inner.names.update({name: value for name, value in kwargs.items() if name in inner.names})
    if arguments.vararg:
        inner.names[arguments.vararg.arg] = UNKNOWN if unpacked else args[len(names) :]
    if arguments.kwarg:
        rest = {name: value for name, value in kwargs.items() if name not in inner.names}
        inner.names[arguments.kwarg.arg] = UNKNOWN if unpacked else rest
    if names and args:
        inner.names["__first__"] = args[0]
    return reader.enter(function, inner)


def _instance(reader: Reader, cls: Class, args: list[Any], kwargs: dict[str, Any], node: ast.Call, env: Env) -> Any:
    instance = Instance(cls)
    made: Any = instance
    roots = cls.roots()
    if any(root in _PARSERS for root in roots):
        made = Parser(instance=instance)
        reader.parsers.append(made)
    elif any(root.rpartition(".")[2].endswith(("Parser", "Tap")) for root in roots):
        reader.doubt(node, env, f"{cls.node.name} is a parser of another package")
    constructor = cls.lookup("__init__")
    if isinstance(constructor, Function):
        _function(reader, constructor, [made, *args], kwargs, node, env)
    else:
        instance.names.update(kwargs)
    return made


def _super(env: Env) -> Any:
    scope: Env | None = env
    while scope is not None:
        if "__first__" in scope.names and isinstance(scope.outer, Env):
            owner = scope.names["__first__"]
            instance = owner.instance if isinstance(owner, Parser) else owner
            within = next((v for v in _classes(scope.outer) if v.body is scope.outer), None)
            if isinstance(instance, Instance) and within is not None:
                return Super(owner, within)
        scope = scope.outer
    return UNKNOWN


def _classes(body: Env) -> list[Class]:
    outer = body.outer
    return [value for value in (outer.names if outer else {}).values() if isinstance(value, Class)]


def _method(
    reader: Reader, bound: Bound, args: list[Any], kwargs: dict[str, Any], node: ast.Call, env: Env, *, unpacked: bool
) -> Any:
    owner, name = bound.owner, bound.name
    if bound.function is not None:
        return _function(reader, bound.function, [owner, *args], kwargs, node, env, unpacked=unpacked)
    if isinstance(owner, Super):
        for base in owner.cls.bases:
            found = base.lookup(name) if isinstance(base, Class) else None
            if isinstance(found, Function):
                return _function(reader, found, [owner.owner, *args], kwargs, node, env, unpacked=unpacked)
        return (
            method_of_parser(reader, owner.owner, name, args, kwargs, node, env, unpacked)
            if isinstance(owner.owner, Parser)
            else UNKNOWN
        )
    if isinstance(owner, Parser):
        return method_of_parser(reader, owner, name, args, kwargs, node, env, unpacked)
    if isinstance(owner, Subparsers):
        return add_parser(reader, owner, name, args, kwargs, node, env)
    if isinstance(owner, TyperApp):
        return _typer(reader, owner, name, args, kwargs, node, env)
    if isinstance(owner, Function):
        return _group(reader, owner, name, args, kwargs, node, env)
    if isinstance(owner, Called):
        return _opaque(reader, f"{owner.name}().{name}", args, kwargs, node, env)
    known = [reader.known(arg) for arg in args]
    return UNKNOWN if kwargs else method_of(owner, name, known)


def _named(reader: Reader, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, env: Env) -> Any:
    """A function or class of another package, or a built-in one."""
    if name in _PARSERS:
        return new_parser(reader, kwargs)
    if name == "typer.Typer":
        app = TyperApp({key: reader.known(value) for key, value in kwargs.items()})
        reader.apps.append(app)
        return app
    if name == "typer.run" and args and isinstance(reader.known(args[0]), Function):
        raise Reached(reader.known(args[0]))
    if name.startswith((*_CLICK, "typer.", "argparse.")):
        return Called(name, [reader.known(a) for a in args], {k: reader.known(v) for k, v in kwargs.items()}, node, env)
    if name == "type" and len(args) == 1:
        value = reader.known(args[0])
        return Named(type(value).__name__) if is_plain(value) and value is not None else UNKNOWN
    if "." not in name and not kwargs:
        found = computed(name, [reader.known(arg) for arg in args])
        if found is not UNKNOWN:
            return found
    if name == "functools.partial" and args:
        return args[0]
    last = name.rpartition(".")[2]
    if last.endswith(("ArgumentParser", "ArgParser")) or last in ASKS:
        reader.doubt(node, env, f"{last} is a parser of another package")
    return _opaque(reader, name, args, kwargs, node, env)


def _opaque(reader: Reader, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, env: Env) -> Any:
    """A call that nobody can follow. Handed a parser, it may add flags to it."""
    if name not in _HARMLESS and any(isinstance(value, Parser) for value in (*args, *kwargs.values())):
        reader.doubt(node, env, f"the parser is handed to {name}")
        return next(value for value in (*args, *kwargs.values()) if isinstance(value, Parser))
    for value in (*args, *kwargs.values()):
        if isinstance(value, Function) and value not in reader.functions:
            reader.may_call(value)
    return UNKNOWN


def decorate(reader: Reader, decorator: Any, function: Any, node: ast.expr, env: Env) -> Any:
    """A function with one more decorator."""
    decorator = reader.known(decorator)
    if not isinstance(function, Function):
        return function
    if isinstance(decorator, Function) and decorator not in reader.functions:
        made = _function(
            reader, decorator, [function], {}, ast.Call(func=node, args=[], keywords=[], lineno=node.lineno), env
        )
        return made if isinstance(made, Function) and made.decorators else function
    if isinstance(decorator, Bound) and isinstance(
        decorator.owner, Function | TyperApp
    ):  # @cli.command without brackets
        decorator = _method(
            reader,
            decorator,
            [],
            {},
            ast.Call(func=node, args=[], keywords=[], lineno=node.lineno),
            env,
            unpacked=False,
        )
    if isinstance(decorator, Named):
        function.decorators.insert(0, decorator)
        if decorator.name.startswith(_CLICK) and decorator.name.endswith((".command", ".group")):
            decorator = Called(
                decorator.name, [], {}, ast.Call(func=node, args=[], keywords=[], lineno=node.lineno), env
            )
        else:
            return function
    if not isinstance(decorator, Called):
        if any(isinstance(d, Called) for d in function.decorators) or decorator is UNKNOWN:
            _suspect(reader, node, env)
        return function
    function.decorators.insert(0, decorator)
    if decorator.name.endswith((".command", ".group", ".callback")) and function not in reader.functions:
        reader.functions.append(function)
    name = decorator.args[0] if decorator.args else decorator.kwargs.get("name")
    if isinstance(decorator.owner, Function):
        decorator.owner.children.append((name if isinstance(name, str) else None, function))
    elif isinstance(decorator.owner, TyperApp):
        if decorator.name.endswith(".callback"):
            decorator.owner.callback = function
        else:
            decorator.owner.commands.append((name if isinstance(name, str) else None, function))
    return function


def _suspect(reader: Reader, node: ast.expr, env: Env) -> None:
    text = ast.unparse(node.func if isinstance(node, ast.Call) else node)
    if "option" in text.lower() or "click" in text.lower() or "argument" in text.lower():
        reader.doubt(node, env, f"@{text[:60]} may add flags")


def _typer(
    reader: Reader, app: TyperApp, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, env: Env
) -> Any:
    if name in ("command", "callback"):
        return Called(f"typer.{name}", args, kwargs, node, env, owner=app)
    if name == "add_typer":
        inner = reader.known(args[0]) if args else UNKNOWN
        own = reader.known(kwargs.get("name", inner.kwargs.get("name") if isinstance(inner, TyperApp) else None))
        if isinstance(inner, TyperApp):
            app.commands.append((own if isinstance(own, str) else None, inner))
        else:
            reader.doubt(node, env, "an app is added that cannot be told")
    return UNKNOWN


def _group(
    reader: Reader, group: Function, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, env: Env
) -> Any:
    """A method of a click command or group."""
    if name in ("command", "group"):
        return Called(f"click.{name}", args, kwargs, node, env, owner=group)
    if name == "add_command" and args:
        inner = reader.known(args[0])
        own = reader.known(args[1] if len(args) > 1 else kwargs.get("name"))
        if isinstance(inner, Function):
            group.children.append((own if isinstance(own, str) else None, inner))
        else:
            reader.doubt(node, env, "a command is added that cannot be told")
        return UNKNOWN
    if name == "main" and group in reader.functions:
        raise Reached(group)
    return UNKNOWN


__all__ = ["Super", "call", "decorate", "instance_attribute", "names_of"]
