"""The templates of exports, and how they are filled in."""

from __future__ import annotations

from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("penstock.packaging.exports")
    environment = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    environment.filters |= {"pyrepr": repr, "json": _json, "cpp": in_cpp}
    return environment


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def in_cpp(value: Any, kind: str = "string") -> str:
    r"""A value of a tensor as a literal of C++; None is NaN.

    >>> in_cpp('say "ä"'), in_cpp(1.5, "float32"), in_cpp(True, "bool"), in_cpp("-7", "int64")
    ('"say \042\303\244\042"', '1.5f', 'true', '-7')
    """
    if kind == "string":
        plain = (
            chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
            for byte in str(value).encode()
        )
        return f'"{"".join(plain)}"'
    if kind == "bool":
        return "true" if value else "false"
    if kind == "int64":
        return _LEAST_IN_CPP if int(value) == -(2**63) else str(int(value))
    if value is None:
        return "std::numeric_limits<float>::quiet_NaN()"
    if abs(value) == inf:
        return f"{'-' if value < 0 else ''}std::numeric_limits<float>::infinity()"
    return f"{float(value)!r}f"


_LEAST_IN_CPP = "std::numeric_limits<std::int64_t>::min()"


def fill(template: str, **values: Any) -> str:
    """A file of `templates/` with its places filled in; a place without a value is an error."""
    return _environment().get_template(f"{template}.j2").render(**values)
