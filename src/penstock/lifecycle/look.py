"""What the ledger shows: runs, models, lineage, versions of the data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.errors import NotFound
from penstock.project.project import Project


@dataclass(frozen=True)
class Listing:
    """A table for people, and the same as JSON."""

    body: dict[str, Any]
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return self.body

    def to_text(self) -> str:
        if not self.rows:
            return self.empty
        table = [self.header, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.header))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table
        )


@dataclass(frozen=True)
class Sheet:
    """One thing as text and as JSON."""

    body: dict[str, Any]
    text: str

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return self.body

    def to_text(self) -> str:
        return self.text


def list_runs(project: Project, *, operation: str | None = None, limit: int = 30) -> Listing:
    """Recorded runs, newest first."""
    records = project.ledger.runs(operation=operation, limit=limit, project=project.name)
    body = [
        {
            "id": r.id,
            "operation": r.operation,
            "status": r.status,
            "started_at": r.started_at,
            "seconds": r.seconds,
            "metrics": {name: m["value"] for name, m in r.metrics.items()},
            "params": r.params,
        }
        for r in records
    ]
    rows = [
        (
            r.id,
            r.operation,
            r.status,
            r.started_at[:19].replace("T", " "),
            "" if r.seconds is None else f"{r.seconds:.1f} s",
            ", ".join(f"{n} {m['value']:.4g}" for n, m in list(r.metrics.items())[:2] if m["value"] is not None),
        )
        for r in records
    ]
    header = ("run", "operation", "status", "started (UTC)", "took", "metrics")
    return Listing({"runs": body}, header, rows, "no runs yet; start with `penstock run`")


def show_run(project: Project, run: str) -> Sheet:
    """One run as a whole."""
    r = project.ledger.get(run)
    files = {name: artifact["digest"] for name, artifact in r.artifacts.items()}
    body = {**r.to_json(), "files": r.artifacts}
    del body["artifacts"]
    lines = [
        f"run {r.id}: {r.operation}, {r.status}",
        f"  started {r.started_at}" + (f", took {r.seconds:.1f} s" if r.seconds else ""),
    ]
    if r.error:
        lines.append(f"  error {r.error.get('code')}: {r.error.get('what')}")
    for title, values in (
        ("inputs", r.inputs),
        ("params", r.params),
        ("outputs", r.outputs),
        ("files", files),
        ("cost", r.cost),
    ):
        if values:
            lines.append(f"  {title}")
            lines += [f"    {name}: {_short(value)}" for name, value in values.items()]
    if r.metrics:
        lines.append("  metrics")
        lines += [
            f"    {n}: {_n(m['value'])}" + (f" ({_n(m['low'])} to {_n(m['high'])})" if m["low"] is not None else "")
            for n, m in r.metrics.items()
        ]
    lines.append(f"  source {_short(r.source)}")
    environment = r.environment
    lines.append(f"  environment python {environment.get('python')} on {environment.get('platform')}")
    return Sheet(body, "\n".join(lines))


def show_lineage(project: Project, ref: str) -> Sheet:
    """Upstream and downstream of a run, a digest, or the number of a version."""
    if ref.isdecimal():
        ref = project.ledger.registry.get(project.name, int(ref)).bundle
    lineage = project.ledger.lineage(ref)
    return Sheet(lineage.to_json(), lineage.to_text())


def list_models(project: Project) -> Listing:
    """The registry."""
    registry = project.ledger.registry
    aliases: dict[int, list[str]] = {}
    for alias, version in registry.aliases(project.name).items():
        aliases.setdefault(version, []).append(alias)
    versions = registry.versions(project.name)
    body = [{**v.to_json(), "aliases": sorted(aliases.get(v.version, []))} for v in versions]
    rows = [
        (
            str(v.version),
            ", ".join(sorted(aliases.get(v.version, []))),
            "passed" if v.passed else ("overridden" if v.overrides else "did not pass"),
            v.dataset[7:19],
            v.created_at[:19].replace("T", " "),
        )
        for v in versions
    ]
    return Listing(
        {"model": project.name, "versions": body},
        ("version", "alias", "gates", "data set", "made (UTC)"),
        rows,
        "no versions yet; `penstock run` makes one",
    )


def data_log(project: Project) -> Listing:
    """Versions of the data set, newest first."""
    datasets = project.ledger.datasets
    body, rows = [], []
    digest = datasets.head(project.name)
    while digest is not None:
        record = datasets.get(digest)
        body.append(record.to_json())
        counts = record.details.get("rows", {})
        made = str(record.created_at)[:19].replace("T", " ")
        rows.append((record.digest[7:19], made, str(sum(counts.values())), _changes(record.details.get("diff"))))
        digest = record.parent
    if not body:
        raise NotFound("this project has no data set yet", why="nothing was ingested", way_out="run `penstock run`")
    return Listing({"versions": body}, ("version", "made (UTC)", "rows", "against its parent"), rows, "")


def explain_checks(check: str | None = None) -> Listing | Sheet:
    """What one check of the monitor says of itself, or the list of all.

    Raises
    ------
    NotFound : there is no such check; lists those that there are.
    """
    from penstock.monitoring.monitor import CHECKS, explain_check

    if check is not None:
        text = explain_check(check)
        return Sheet({"id": check, "text": text}, f"{check}\n\n{text}")
    body = [{"id": c.id, "text": explain_check(c.id)} for c in CHECKS]
    rows = [(c["id"], c["text"].splitlines()[0]) for c in body]
    return Listing({"checks": body}, ("check", "says"), rows, "")


def _changes(diff: dict[str, Any] | None) -> str:
    """``+150 -3 rows, column zip is new``."""
    if diff is None:
        return ""
    rows, columns = diff["rows"], diff["columns"]
    found = [f"+{rows['added']} -{rows['removed']} rows"]
    if rows["changed"]:
        found.append(f"{rows['changed']} with another target")
    found += [f"column {name} is new" for name in columns["added"]]
    found += [f"column {name} is gone" for name in columns["removed"]]
    return ", ".join(found)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."


def _n(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"
