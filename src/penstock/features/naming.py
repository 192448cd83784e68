"""What columns that steps make are called: by the expression of the recipe that makes them, such as ``log(Age)``."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import RecipeError
from penstock.features.bounds import Value, defaults
from penstock.features.plan import Node
from penstock.features.selection import FittedSelection
from penstock.features.step import FittedStep

MOST_SAID = 3
"""Columns of a further argument that are named one by one."""
LONGEST = 10_000
"""Characters of a name: products of products of products double it each time."""


def names_of(node: Node, fitted: FittedStep, inputs: Sequence[Sequence[str]], *, said: bool) -> tuple[str, ...]:
    """Names of the outputs of a fitted step, each beginning with a call or with the name that it has already.

    A step that gives a column for each column leaves its name alone, so that ``Age`` and ``log(Age)`` would both be Age; a
    step that gives several (one_hot, date_parts) tells them apart by itself.

    Parameters
    ----------
    inputs : the names of the columns of each argument.
    said : whether the recipe says this step. What a learner adds to finish a column changes no name.

    Raises
    ------
    RecipeError : a name is beyond all reading.
    """
    names = tuple(fitted.names)
    longest = max(map(len, names), default=0)
    if longest > LONGEST:
        raise RecipeError(
            f"a column that {node.step!r} makes is called by {longest:,} characters",
            why=f"names say what columns are made of, up to {LONGEST:,} characters; such steps on top of each other double them",
            way_out="put fewer of them on top of each other",
        )
    if not said or isinstance(fitted, FittedSelection) or not set(names) <= set(inputs[0]):
        return names
    behind = [", ".join(others) if len(others) <= MOST_SAID else _some(others) for others in inputs[1:]]
    behind += parameters_said(node)
    return tuple(f"{node.step}({', '.join([name, *behind])})" for name in names)


def parameters_said(node: Node) -> list[str]:
    """The parameters of a node that are not what they are by default: ``bins=5``."""
    usual = defaults(type(node.make()))
    return [f"{name}={value_said(value)}" for name, value in node.params if value != usual[name]]


def value_said(value: Value) -> str:
    """A parameter as a recipe writes it, whole numbers without a point."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:MOST_SAID])} and {len(names) - MOST_SAID} more"
