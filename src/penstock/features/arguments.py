"""The parameters of a call: matched to the step's names, held against its bounds, completed with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.features.bounds import Bound, Flag, Number, Value, defaults
from penstock.features.language import Call, Expression, Keyword, Literal, Origin, suggest_nearest


def parameters(step: Any, call: Call, origin: Origin, n_columns: int) -> dict[str, Value]:
    """All parameters of a call: those given behind its `n_columns` columns, checked against their bounds, over the defaults."""
    bounds: Mapping[str, Bound] = step.bounds
    given: dict[str, tuple[int, Expression]] = {}
    for name, argument in zip(bounds, call.arguments[n_columns:], strict=False):
        given[name] = (argument.at, argument)
    extra = call.arguments[n_columns + len(bounds) :]
    if extra:
        raise origin.error(
            extra[0].at,
            f"{step.name!r} is given too many arguments",
            why=f"expected {n_columns} column argument{'s' * (n_columns > 1)}"
            + (f" and at most {', '.join(bounds)}" if bounds else " and no parameters"),
            way_out="columns that belong together are one argument: group('a', 'b')",
        )
    for keyword in call.keywords:
        _check_keyword(step, keyword, given, origin)
        given[keyword.name] = (keyword.value.at, keyword.value)
    params: dict[str, Value] = defaults(step)
    for name, (at, expression) in given.items():
        params[name] = _value(step, name, at, expression, origin)
    return params


def _check_keyword(step: Any, keyword: Keyword, given: Mapping[str, Any], origin: Origin) -> None:
    if keyword.name not in step.bounds:
        raise origin.error(
            keyword.at,
            f"{step.name!r} has no parameter {keyword.name!r}",
            why=f"it has {', '.join(step.bounds) or 'none'}",
            way_out=suggest_nearest(keyword.name, step.bounds, f"remove {keyword.name}="),
        )
    if keyword.name in given:
        raise origin.error(
            keyword.at,
            f"parameter {keyword.name!r} is given twice",
            why="a parameter has one value",
            way_out="remove one of them",
        )


def _value(step: Any, name: str, at: int, expression: Expression, origin: Origin) -> Value:
    bound = step.bounds[name]
    value: Value
    if isinstance(expression, Call):
        raise origin.error(
            at,
            f"parameter {name!r} of {step.name!r} is a call",
            why=f"expected {bound}",
            way_out="columns come before parameters; columns that belong together are one argument: group('a', 'b')",
        )
    if isinstance(expression, Literal):
        value = float(expression.value) if isinstance(bound, Number) else expression.value
    elif isinstance(bound, Flag) and expression.text in ("true", "false"):
        value = expression.text == "true"
    else:
        value = expression.text
    if not bound.holds(value):
        raise origin.error(
            at,
            f"parameter {name!r} of {step.name!r} is {expression if isinstance(expression, Literal) else repr(value)}",
            why=f"it must be {bound}",
            way_out=_better_value(step, name, value),
        )
    return value


def _better_value(step: Any, name: str, value: Value) -> str:
    usual = defaults(step)[name]
    default = f"the default is {_written(usual)}"
    words = getattr(step.bounds[name], "words", ())
    return suggest_nearest(value, words, default) if isinstance(value, str) and words else default


def _written(value: Value) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(int(value) if isinstance(value, float) and value.is_integer() else value)
