"""How results and errors reach the terminal: text or one JSON object on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Protocol

import click

PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")
"""The option that every verb has."""


class Result(Protocol):
    """What the work of a verb returns."""

    @property
    def exit_code(self) -> int:
        """0 done; 1 a gate, check or comparison said no."""
        ...

    def to_json(self) -> dict[str, Any]: ...

    def to_text(self) -> str: ...


def emit(result: Result, *, as_json: bool) -> int:
    """Print a result and give its exit code."""
    if as_json:
        body = result.to_json()
        print(dump({"format": 1, "warnings": [], **body}))
    else:
        print(result.to_text())
    return result.exit_code


def dump(body: dict[str, Any]) -> str:
    """Strict JSON: a number that JSON has no word for (NaN, infinity) becomes null.

    >>> dump({"a": float("nan")})
    '{"a": null}'
    """
    return json.dumps(_finite(body), ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def say(text: str) -> None:
    """A line for a person, on stderr."""
    print(text, file=sys.stderr, flush=True)
