"""What the reader of a syntax tree knows of: names of other packages, functions, classes, parsers, and what it cannot tell."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.experiments.flags.module import Env


class _Unknown:
    """A value that only running the file would tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise AssertionError("an unknown value is neither true nor false")


UNKNOWN = _Unknown()
NO_CALL = ast.Call(func=ast.Name(id="unknown", ctx=ast.Load()), args=[], keywords=[])
"""For what stands in brackets without being called."""


@dataclass(frozen=True)
class Named:
    """A name of another package: ``argparse.ArgumentParser``."""

    name: str


@dataclass(frozen=True)
class Lazy:
    """A name of a file of the user's own that was not read yet; "" is the module itself."""

    path: Path
    name: str


@dataclass(eq=False, repr=False)
class Called:
    """What a call of another package's name gives: ``click.option("--lr", default=0.1)``."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    node: ast.Call
    env: Env
    owner: Any = None


@dataclass(eq=False, repr=False)
class Function:
    """A function of the user's own. `decorators` are outermost first."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    env: Env
    decorators: list[Any] = field(default_factory=list)
    children: list[tuple[str | None, Function]] = field(default_factory=list)  # of a click group: its commands

    @property
    def name(self) -> str:
        return getattr(self.node, "name", "lambda")


@dataclass(eq=False, repr=False)
class Class:
    """A class of the user's own."""

    node: ast.ClassDef
    env: Env
    bases: list[Any]
    body: Env

    def lookup(self, name: str) -> Any:
        """An attribute, also of its bases; None where it has none."""
        if name in self.body.names:
            return self.body.names[name]
        for base in self.bases:
            found = base.lookup(name) if isinstance(base, Class) else None
            if found is not None:
                return found
        return None

    def roots(self) -> list[str]:
        """The names of other packages that it derives from."""
        found: list[str] = []
        for base in self.bases:
            found += base.roots() if isinstance(base, Class) else [base.name] if isinstance(base, Named) else ["?"]
        return found


@dataclass(eq=False, repr=False)
class Instance:
    """An object of a class of the user's own."""

    cls: Class
    names: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, repr=False)
class Bound:
    """A method with its object."""

    owner: Any
    name: str
    function: Function | None = None


@dataclass(eq=False, repr=False)
class Argument:
    """One call of `add_argument`."""

    args: list[Any]
    kwargs: dict[str, Any]
    node: ast.Call
    label: str  # file and line


@dataclass(eq=False, repr=False)
class Parser:
    """An `ArgumentParser`, as far as the tree tells it."""

    kwargs: dict[str, Any] = field(default_factory=dict)
    arguments: list[Argument] = field(default_factory=list)
    defaults: dict[str, tuple[Any, int]] = field(
        default_factory=dict
    )  # value, and how many arguments there were before it
    subparsers: Subparsers | None = None
    parents: list[Parser] = field(default_factory=list)
    instance: Instance | None = None  # where its class is the user's own
    parsed: bool = False
    root: bool = True


@dataclass(eq=False, repr=False)
class Subparsers:
    """What `add_subparsers` gives."""

    kwargs: dict[str, Any]
    label: str
    parsers: dict[str, Parser] = field(default_factory=dict)
    after: int = 0  # how many arguments its parser had before it


@dataclass(eq=False, repr=False)
class TyperApp:
    """A `typer.Typer()`."""

    kwargs: dict[str, Any] = field(default_factory=dict)
    callback: Function | None = None
    commands: list[tuple[str | None, Function | TyperApp]] = field(default_factory=list)


class Reached(Exception):
    """The file asks for its command line here: nothing behind it adds a flag."""

    def __init__(self, entry: Any) -> None:
        super().__init__(entry)
        self.entry = entry


class TooLong(Exception):
    """The file does more than the reader follows."""
