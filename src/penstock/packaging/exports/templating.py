"""The templates of exports, and how they are filled in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("penstock.packaging.exports")
    environment = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    environment.filters |= {"pyrepr": repr, "json": _json}
    return environment


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def fill(template: str, **values: Any) -> str:
    """A file of `templates/` with its places filled in; a place without a value is an error."""
    return _environment().get_template(f"{template}.j2").render(**values)
