"""Why a result is not known: what differs from the last time."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from penstock.ledger.record import RunRecord
from penstock.objects.digests import canonical_json, is_digest

_ABSENT = object()


def differences(before: RunRecord, inputs: dict[str, Any], params: dict[str, Any], code: str) -> list[str]:
    """What a new run would have different from a recorded one, a phrase each: inputs, parameters, then the code."""
    found = _compare("inputs", before.inputs, inputs) + _compare("params", before.params, params)
    if before.code != code:
        found.append(f"the code was version {before.code}, is {code}")
    return found


def _compare(name: str, was: Any, now: Any) -> list[str]:
    """Phrases for the places where two JSON values differ.

    >>> _compare("params", {"budget": "60s", "seed": 1}, {"budget": "5m", "seed": 1})
    ["params.budget was '60s', is '5m'"]
    """
    if isinstance(was, dict) and isinstance(now, dict):
        return [
            phrase
            for key in sorted({*was, *now}, key=str)
            for phrase in _compare(f"{name}.{key}", was.get(key, _ABSENT), now.get(key, _ABSENT))
        ]
    if was is _ABSENT:
        return [f"{name} was not given, is {_short(now)}"]
    if now is _ABSENT:
        return [f"{name} was {_short(was)}, is not given"]
    if canonical_json(was) == canonical_json(now):
        return []
    if is_digest(was) and is_digest(now):
        return [f"{name} changed ({_short(was)} -> {_short(now)})"]
    if isinstance(was, str) and isinstance(now, str) and "\n" in was + now:
        return [f"{name}: {_first_difference(was, now)}"]
    return [f"{name} was {_short(was)}, is {_short(now)}"]


def _first_difference(was: str, now: str) -> str:
    """Where two texts of several lines part.

    >>> _first_difference("a\\nb\\nc", "a\\nx\\nc")
    "line 2 was 'b', is 'x'"
    """
    pairs = enumerate(zip_longest(was.split("\n"), now.split("\n")), 1)
    number, (before, after) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    if before is None:
        return f"line {number} was not there, is {_short(after)}"
    if after is None:
        return f"line {number} was {_short(before)}, is gone"
    return f"line {number} was {_short(before)}, is {_short(after)}"


def _short(value: Any) -> str:
    text = value[: len("sha256:") + 12] if is_digest(value) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
