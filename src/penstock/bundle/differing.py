"""Whether answers are the packaged ones: the first difference between two JSON values, in words."""

from __future__ import annotations

from typing import Any


def difference(got: Any, expected: Any, path: str, *, tolerance: float, unit: float) -> str | None:
    """The first difference between two JSON values in words, or None."""
    if isinstance(got, float) and isinstance(expected, float):
        near = abs(got - expected) <= tolerance * max(unit, abs(expected))
        return None if near or got == expected else f"{path} is {got!r}, was {expected!r}"
    pairs: list[tuple[str, Any, Any]]
    if isinstance(got, dict) and isinstance(expected, dict) and got.keys() == expected.keys():
        pairs = [(f"{path}.{key}", got[key], expected[key]) for key in got]
    elif isinstance(got, list) and isinstance(expected, list) and len(got) == len(expected):
        pairs = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(got, expected, strict=True))]
    elif type(got) is type(expected) and got == expected:
        return None
    else:
        return f"{path} is {got!r}, was {expected!r}"
    for at, a, b in pairs:
        found = difference(a, b, at, tolerance=tolerance, unit=unit)
        if found is not None:
            return found
    return None
