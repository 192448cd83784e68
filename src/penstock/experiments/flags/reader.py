"""Follow a file's statements as far as they can be told without running it, up to where it asks for its command line.

It knows literals, arithmetic and texts of them, loops over lists that stand in the file, functions, classes and imported files
of the user's own, and parsers. Everything else is UNKNOWN, and whether that matters is noted in `doubts`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, final

from penstock.experiments.flags import calls, displays
from penstock.experiments.flags.files import CannotRead, Files
from penstock.experiments.flags.imports import imported, imported_from
from penstock.experiments.flags.module import Env, Module
from penstock.experiments.flags.plain import BUILTINS, binary, boolean, compare, is_plain, unary
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
    TooLong,
    TyperApp,
)

_STEPS = 40_000
_DEPTH = 40
_NOTHING = object()  # a block that ended without `return`


@final
class Reader:
    """Reads one target.

    Attributes
    ----------
    parsers : every parser that the file makes, in order.
    functions : the functions of the user's own that have decorators of click or typer, in order.
    doubts : why what was found may not be all.
    asks : whether the command line was asked for by something unknown.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.parsers: list[Parser] = []
        self.apps: list[TyperApp] = []
        self.functions: list[Function] = []
        self.doubts: list[str] = []
        self.entered: set[int] = set()
        self._steps = 0
        self._depth = 0
        self._guessing = 0  # within a loop or a branch of which nobody knows how often it runs

    def run(self, module: Module) -> Any:
        """Follow a file as `__main__`. What it asks for its command line, where it gets there: a parser, a command."""
        try:
            self._execute(module, "__main__")
        except Reached as reached:
            return reached.entry
        except (TooLong, RecursionError):
            self.doubts.append("it is too long to be followed")
        return None

    def _execute(self, module: Module, name: str) -> None:
        module.executed = True
        module.env.names["__name__"] = name
        module.env.names["__file__"] = str(module.path)
        self.block(module.tree.body, module.env)

    def doubt(self, node: ast.AST, env: Env, why: str) -> None:
        self.doubts.append(f"{env.module.label}, line {getattr(node, 'lineno', '?')}: {why}")

    # ---- statements

    def block(self, body: Iterable[ast.stmt], env: Env) -> Any:
        """Follow statements; the value of a `return`, or _NOTHING."""
        fallback: Any = _NOTHING
        for statement in body:
            self._steps += 1
            if self._steps > _STEPS:
                raise TooLong
            method = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if method is None:
                continue
            found = method(statement, env)
            if found is _NOTHING or found is None:
                continue
            value, sure = found
            if sure:
                return value
            fallback = value
        return fallback

    def _expr(self, node: ast.Expr, env: Env) -> None:
        self.value(node.value, env)

    def _return(self, node: ast.Return, env: Env) -> tuple[Any, bool]:
        return (None if node.value is None else self.value(node.value, env)), True

    def _assign(self, node: ast.Assign, env: Env) -> None:
        value = self.value(node.value, env)
        for target in node.targets:
            self.bind(target, value, env)

    def _annassign(self, node: ast.AnnAssign, env: Env) -> None:
        if node.value is not None:
            self.bind(node.target, self.value(node.value, env), env)

    def _augassign(self, node: ast.AugAssign, env: Env) -> None:
        value = self.value(node.value, env)
        if isinstance(node.target, ast.Name):
            self.bind(node.target, binary(node.op, self._name(node.target.id, env), value), env)

    def bind(self, target: ast.expr, value: Any, env: Env) -> None:
        if isinstance(target, ast.Name):
            env.names[target.id] = value
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value, env)
            names = calls.names_of(owner)
            if names is not None:
                names[target.attr] = value
        elif isinstance(target, ast.Tuple | ast.List):
            known = isinstance(value, list | tuple) and len(value) == len(target.elts)
            for i, one in enumerate(target.elts):
                self.bind(one, value[i] if known else UNKNOWN, env)
        elif isinstance(target, ast.Subscript):
            owner, key = self.value(target.value, env), self.value(target.slice, env)
            if isinstance(owner, dict) and isinstance(key, str | int):
                owner[key] = value

    def _import(self, node: ast.Import, env: Env) -> None:
        env.names.update(imported(node, self.files))

    def _importfrom(self, node: ast.ImportFrom, env: Env) -> None:
        for name, value in imported_from(node, env, self.files).items():
            if name == "*":
                env.names.update({n: v for n, v in self._names_of(value).items() if not n.startswith("_")})
            else:
                env.names[name] = value

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, env: Env) -> None:
        function: Any = Function(node, env)
        env.names[node.name] = function
        for decorator in reversed(node.decorator_list):
            function = calls.decorate(self, self.value(decorator, env), function, decorator, env)
        env.names[node.name] = function

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef, env: Env) -> None:
        body = Env(env.module, {}, env, of_class=True)
        cls = Class(node, env, [self.known(self.value(base, env)) for base in node.bases], body)
        env.names[node.name] = cls
        self.block(node.body, body)

    def _if(self, node: ast.If, env: Env) -> Any:
        test = self.value(node.test, env)
        if test is not UNKNOWN and is_plain(test):
            found = self.block(node.body if test else node.orelse, env)
            return None if found is _NOTHING else (found, True)
        self._guessing += 1
        try:
            results = [self.block(branch, env) for branch in (node.body, node.orelse)]
        finally:
            self._guessing -= 1
        values = [value for value in results if value is not _NOTHING]
        return (values[-1], len(values) == 2) if values else None

    def _for(self, node: ast.For | ast.AsyncFor, env: Env) -> Any:
        items = self.known(self.value(node.iter, env))
        if isinstance(items, dict):
            items = list(items)
        if isinstance(items, list | tuple | range) and len(items) <= 1000:
            for item in items:
                self.bind(node.target, item, env)
                found = self.block(node.body, env)
                if found is not _NOTHING:
                    return found, False
            return None
        self.bind(node.target, UNKNOWN, env)
        return self._maybe(node.body, env)

    _asyncfor = _for

    def _while(self, node: ast.While, env: Env) -> Any:
        return self._maybe(node.body, env)

    def _maybe(self, body: list[ast.stmt], env: Env) -> Any:
        """Statements of which nobody knows how often they run."""
        self._guessing += 1
        before = self._count()
        try:
            found = self.block(body, env)
        finally:
            self._guessing -= 1
        if self._count() != before:
            self.doubt(body[0], env, "flags are added in a loop")
        return None if found is _NOTHING else (found, False)

    def _count(self) -> int:
        """How much was found so far that makes flags."""
        added = sum(len(parser.arguments) for parser in self.parsers) + sum(len(app.commands) for app in self.apps)
        return added + sum(1 + len(function.children) + len(function.decorators) for function in self.functions)

    def _with(self, node: ast.With | ast.AsyncWith, env: Env) -> Any:
        for item in node.items:
            value = self.value(item.context_expr, env)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value if isinstance(value, Parser) else UNKNOWN, env)
        found = self.block(node.body, env)
        return None if found is _NOTHING else (found, True)

    _asyncwith = _with

    def _try(self, node: ast.Try, env: Env) -> Any:
        for part in (node.body, node.orelse, node.finalbody):
            found = self.block(part, env)
            if found is not _NOTHING:
                return found, True
        return None

    # ---- expressions

    def value(self, node: ast.expr, env: Env) -> Any:
        """What an expression gives, or UNKNOWN."""
        self._steps += 1
        if self._steps > _STEPS:
            raise TooLong
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(node.id, env)
        if isinstance(node, ast.Attribute):
            return self.attribute(self.value(node.value, env), node.attr)
        if isinstance(node, ast.Call):
            return calls.call(self, node, env)
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            items = displays.items(self, node.elts, env)
            return UNKNOWN if items is UNKNOWN else tuple(items) if isinstance(node, ast.Tuple) else items
        if isinstance(node, ast.Dict):
            return displays.dictionary(self, node, env)
        if isinstance(node, ast.BinOp):
            return binary(node.op, self.plainly(node.left, env), self.plainly(node.right, env))
        if isinstance(node, ast.UnaryOp):
            return unary(node.op, self.plainly(node.operand, env))
        if isinstance(node, ast.JoinedStr):
            return displays.joined(self, node, env)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return compare(node.ops[0], self.plainly(node.left, env), self.plainly(node.comparators[0], env))
        if isinstance(node, ast.BoolOp):
            values = [self.value(one, env) for one in node.values]
            return boolean(node.op, values)
        if isinstance(node, ast.IfExp):
            test = self.value(node.test, env)
            branches = [self.value(node.body, env), self.value(node.orelse, env)]
            return UNKNOWN if test is UNKNOWN or not is_plain(test) else branches[0 if test else 1]
        if isinstance(node, ast.Subscript):
            return displays.subscript(self, node, env)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return displays.comprehension(self, node, env)
        if isinstance(node, ast.Lambda):
            return Function(node, env)
        if isinstance(node, ast.NamedExpr):
            value = self.value(node.value, env)
            self.bind(node.target, value, env)
            return value
        if isinstance(node, ast.Await | ast.Starred):
            return self.value(node.value, env)
        return UNKNOWN

    def _name(self, name: str, env: Env) -> Any:
        scope: Env | None = env
        while scope is not None:
            if name in scope.names and (scope is env or not scope.of_class):
                return scope.names[name]
            scope = scope.outer
        return Named(name) if name in BUILTINS else UNKNOWN

    def known(self, value: Any) -> Any:
        """What stands behind a name of another file of the user's own, which is read for it."""
        for _ in range(20):
            if not isinstance(value, Lazy):
                return value
            if not value.name:
                return value
            value = self._names_of(value).get(value.name, UNKNOWN)
        return UNKNOWN

    def _names_of(self, lazy: Lazy) -> dict[str, Any]:
        try:
            module = self.files.module(lazy.path)
        except (CannotRead, OSError) as error:
            self.doubts.append(str(error))
            return {}
        if not module.executed:
            self._execute(module, module.path.stem)
        return module.env.names

    def plainly(self, node: ast.expr, env: Env) -> Any:
        """What an expression gives, with what stands behind a name of another file."""
        return self.known(self.value(node, env))

    def attribute(self, owner: Any, name: str) -> Any:
        """An attribute of a value."""
        owner = self.known(owner)
        if isinstance(owner, Lazy):
            path = self.files.find(name, base=owner.path.parent) if owner.path.name == "__init__.py" else None
            return Lazy(path, "") if path else Lazy(owner.path, name)
        if isinstance(owner, Named):
            return Named(f"{owner.name}.{name}")
        if isinstance(owner, Class):
            found = owner.lookup(name)
            return UNKNOWN if found is None else found
        if isinstance(owner, Instance):
            return calls.instance_attribute(owner, owner, name)
        if isinstance(owner, Parser):
            found = calls.instance_attribute(owner.instance, owner, name) if owner.instance else UNKNOWN
            return Bound(owner, name) if found is UNKNOWN else found
        if isinstance(owner, Subparsers | TyperApp | Function | Called | calls.Super):
            return Bound(owner, name)
        if is_plain(owner):
            return Bound(owner, name)
        return UNKNOWN

    def may_call(self, function: Function) -> None:
        """Follow a function that is handed to something unknown, once: it may be called from there."""
        if id(function.node) in self.entered or isinstance(function.node, ast.Lambda):
            return
        self.entered.add(id(function.node))
        parameters = function.node.args
        names = [a.arg for a in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)]
        self.enter(function, Env(function.env.module, dict.fromkeys(names, UNKNOWN), function.env))

    def enter(self, function: Function, env: Env) -> Any:
        """Follow the body of a function with its names bound."""
        if isinstance(function.node, ast.Lambda):
            return self.value(function.node.body, env)
        if self._depth >= _DEPTH:
            return UNKNOWN
        self._depth += 1
        try:
            found = self.block(function.node.body, env)
        finally:
            self._depth -= 1
        return None if found is _NOTHING else found

    @property
    def guessing(self) -> bool:
        return self._guessing > 0


__all__ = ["Reader"]
