"""Sentence models that a recipe names, and their places taken by digests: a kept recipe says exactly what it was fitted with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from penstock.errors import RecipeError
from penstock.features.embedding import PACKAGE, PARAMETER, STEP
from penstock.features.language import Call, Expression, Keyword, Name
from penstock.features.recipe import Entry, Recipe


def models_in(recipe: Recipe) -> tuple[str, ...]:
    """The names of the sentence models of a recipe, each once."""
    entries = (*recipe.groups.values(), *recipe.assignments.values(), *recipe.outputs)
    return tuple(dict.fromkeys(name for entry in entries for name in _names(entry.expression)))


def pinned(recipe: Recipe, digest_of: Callable[[str], str]) -> Recipe:
    """The recipe with each model named by its digest.

    Raises
    ------
    RecipeError : `digest_of` finds no such model; with line and column.
    """
    if not models_in(recipe):
        return recipe

    def entry(one: Entry) -> Entry:
        return replace(one, expression=_pinned(one.expression, one, digest_of))

    return replace(
        recipe,
        assignments={name: entry(one) for name, one in recipe.assignments.items()},
        outputs=tuple(map(entry, recipe.outputs)),
    )


def _names(expression: Expression) -> Iterator[str]:
    if not isinstance(expression, Call):
        return
    for argument in expression.arguments:
        yield from _names(argument)
    if expression.function == STEP:
        named = _named(expression)
        yield PACKAGE if named is None else named.text


def _named(call: Call) -> Name | None:
    """What a call says of its model; None where it says nothing, or nothing that is a text (its own check refuses that)."""
    said = [keyword.value for keyword in call.keywords if keyword.name == PARAMETER] or list(call.arguments[1:2])
    return said[0] if said and isinstance(said[0], Name) else None


def _pinned(expression: Expression, entry: Entry, digest_of: Callable[[str], str]) -> Expression:
    if not isinstance(expression, Call):
        return expression
    inner = tuple(_pinned(argument, entry, digest_of) for argument in expression.arguments)
    if expression.function != STEP:
        return replace(expression, arguments=inner)
    named = _named(expression)
    at = expression.at if named is None else named.at
    try:
        digest = digest_of(PACKAGE if named is None else named.text)
    except RecipeError as error:
        raise entry.origin.error(at, error.what, error.why, error.way_out) from error
    others = tuple(keyword for keyword in expression.keywords if keyword.name != PARAMETER)
    value = Name(digest, at, quoted=True)
    if named is not None and named in expression.arguments[1:2]:
        return replace(expression, arguments=(*inner[:1], value, *inner[2:]), keywords=others)
    return replace(expression, arguments=inner, keywords=(Keyword(PARAMETER, value, at), *others))
