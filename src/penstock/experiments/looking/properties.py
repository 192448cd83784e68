"""What a run has under a name: for columns of tables, the same names as in filters."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Protocol

from penstock.ledger.query_sql import Name

_PART = {
    "commit": "source", "branch": "source", "dirty": "source", "exit": "outputs", "unsealed": "outputs",
    "error": "error", "money": "cost", "memory": "cost", "note": "notes", "input": "inputs", "output": "outputs",
}  # fmt: skip


class RunLike(Protocol):
    """What records and summaries of runs share."""

    @property
    def id(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def project(self) -> str | None: ...
    @property
    def parent(self) -> str | None: ...
    @property
    def started_at(self) -> str: ...
    @property
    def ended_at(self) -> str | None: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def who(self) -> str | None: ...
    @property
    def host(self) -> str | None: ...
    @property
    def params(self) -> dict[str, Any]: ...
    @property
    def metrics(self) -> dict[str, Any]: ...
    @property
    def tags(self) -> dict[str, str]: ...
    @property
    def notes(self) -> list[dict[str, Any]]: ...
    @property
    def inputs(self) -> dict[str, Any]: ...
    @property
    def outputs(self) -> dict[str, Any]: ...
    @property
    def source(self) -> dict[str, Any]: ...
    @property
    def cost(self) -> dict[str, Any]: ...
    @property
    def error(self) -> dict[str, Any] | None: ...


def parts_of(names: Iterable[Name]) -> set[str]:
    """Which parts of a run's record some columns need."""
    of_kind = {"flag": "params", "metric": "metrics", "tag": "tags", "series": "outputs"}
    return {part for name in names if (part := of_kind.get(name.kind) or _PART.get(name.name))}


def value_of(run: RunLike, name: Name) -> Any:
    """The value of a column, None where the run has none."""
    if name.kind == "flag":
        return run.params.get(name.name)
    if name.kind == "tag":
        return run.tags.get(name.name)
    if name.kind == "metric":
        return metric(run, name.name)
    if name.kind == "series":
        summary = run.outputs.get("series", {}).get(name.name, {})
        return finite(summary.get(name.statistic))
    return _property(run, name.name)


def metric(run: RunLike, name: str) -> float | None:
    """The final value of a metric; NaN is kept, None where there is none."""
    value = run.metrics.get(name)
    return value["value"] if isinstance(value, dict) else value


def metrics(run: RunLike) -> dict[str, float]:
    """Name -> final value."""
    return {name: m["value"] if isinstance(m, dict) else m for name, m in run.metrics.items()}


def _property(run: RunLike, name: str) -> Any:
    plain = {"user": "who", "started": "started_at", "ended": "ended_at"}.get(name, name)
    if plain in ("started_at", "ended_at"):
        instant = getattr(run, plain)
        return instant and instant[:19].replace("T", " ")
    if name in _PART:
        return _inside(run, name)
    return getattr(run, plain)


def _inside(run: RunLike, name: str) -> Any:
    if name in ("commit", "branch", "dirty"):
        value = run.source.get(name)
        return value[:10] if name == "commit" and value else value
    if name == "exit":
        return run.outputs.get("exit_status")
    if name == "unsealed":
        return bool(run.outputs.get("unsealed"))
    if name == "error":
        return (run.error or {}).get("code")
    if name == "note":
        return "; ".join(note["text"] for note in run.notes) or None
    if name == "money":
        return run.cost.get("money")
    if name == "memory":
        return run.cost.get("peak_memory_bytes")
    return ", ".join(run.inputs if name == "input" else run.outputs) or None


def finite(value: Any) -> Any:
    """A number that was written as a text, as a number again.

    >>> finite("Infinity"), finite(0.5), finite("adam")
    (inf, 0.5, 'adam')
    """
    return (
        {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value, value)
        if isinstance(value, str)
        else value
    )


def shown(value: Any, most: int = 40) -> str:
    """A value in a cell.

    >>> shown(0.123456), shown(True), shown(None), shown([64, 32]), shown(float("nan")), shown(123456789)
    ('0.1235', 'true', '', '[64, 32]', 'NaN', '123456789')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 3] + "..."
