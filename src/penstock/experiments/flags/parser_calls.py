"""Calls of argparse, as the reader of a tree follows them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from penstock.experiments.flags.module import Env
from penstock.experiments.flags.things import UNKNOWN, Argument, Named, Parser, Reached, Subparsers

if TYPE_CHECKING:
    from penstock.experiments.flags.reader import Reader

ASKS = (
    "parse_args",
    "parse_known_args",
    "parse_intermixed_args",
    "parse_known_intermixed_args",
    "parse_args_into_dataclasses",
)
"""The methods with which a parser reads the command line."""
_ACTIONS = (
    "store", "store_const", "store_true", "store_false", "append", "append_const", "count", "help", "version", "extend",
    "BooleanOptionalAction",
)  # fmt: skip


def method_of_parser(
    reader: Reader,
    parser: Parser,
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    node: ast.Call,
    env: Env,
    unpacked: bool,
) -> Any:
    label = f"{env.module.label}:{node.lineno}"
    if name == "add_argument":
        args = [reader.known(arg) for arg in args]
        kwargs = {key: reader.known(value) for key, value in kwargs.items()}
        if unpacked or not args or not all(isinstance(arg, str) for arg in args):
            if unpacked or args or "dest" not in kwargs:
                reader.doubt(node, env, "the name of a flag is computed")
                return UNKNOWN
            args = [kwargs["dest"]]
        if not _known_action(kwargs.get("action", "store")):
            reader.doubt(node, env, f"{args[-1]} has an action of its own")
        parser.arguments.append(Argument(args, kwargs, node, label))
        return UNKNOWN
    if name in ("add_argument_group", "add_mutually_exclusive_group"):
        return parser
    if name == "add_subparsers":
        known = {key: reader.known(value) for key, value in kwargs.items()}
        parser.subparsers = Subparsers(known, label, after=len(parser.arguments))
        return parser.subparsers
    if name == "set_defaults":
        for key, value in kwargs.items():
            value = reader.known(value)
            if not reader.guessing or key not in parser.defaults:
                parser.defaults[key] = (value, len(parser.arguments))
        return UNKNOWN
    if name in ASKS:
        parser.parsed = True
        if (
            name.startswith("parse_known") and parser.root
        ):  # a first parser may only tell which flags the second one has
            return (UNKNOWN, UNKNOWN)
        raise Reached(parser)
    return UNKNOWN


def add_parser(
    reader: Reader, subparsers: Subparsers, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, env: Env
) -> Any:
    if name != "add_parser":
        return UNKNOWN
    key = reader.known(args[0] if args else kwargs.get("name", UNKNOWN))
    parser = new_parser(reader, kwargs)
    parser.root = False
    if isinstance(key, str):
        subparsers.parsers[key] = parser
    else:
        reader.doubt(node, env, "the name of a subcommand is computed")
    return parser


def new_parser(reader: Reader, kwargs: dict[str, Any]) -> Parser:
    known = {key: reader.known(value) for key, value in kwargs.items()}
    parser = Parser(known)
    parents = known.get("parents", ())
    for parent in parents if isinstance(parents, list | tuple) else [UNKNOWN]:
        if isinstance(parent, Parser):
            parser.parents.append(parent)
        else:
            reader.doubts.append("the parents of a parser cannot be told")
    reader.parsers.append(parser)
    return parser


def _known_action(action: Any) -> bool:
    """Whether an action is one of argparse's own; one of the user's may take no word, or several."""
    name = action.name.rpartition(".")[2] if isinstance(action, Named) else action
    return isinstance(name, str) and name in _ACTIONS
