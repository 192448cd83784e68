"""One run as a whole, and its source, its uncommitted changes and its console."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.errors import NotFound
from penstock.experiments.looking.properties import finite, metric, shown
from penstock.experiments.sheets import Listing, Sheet, clean, table, took
from penstock.ledger.status import QUEUED, RUNNING

if TYPE_CHECKING:
    from penstock.experiments.curves.curves import Curve
    from penstock.experiments.curves.findings import Finding
    from penstock.ledger.record import RunRecord
    from penstock.project.workspace import Workspace

LONG_BODY = 200
_TOLD_APART = frozenset({"kind", "series", "exit_status", "unsealed", "unsealed_how", "queued", "stopped", "files"})


def show_run(workspace: Workspace, run: str) -> Sheet:
    """A run: flags, inputs, outputs, metrics with their curves' diagnosis, tags, notes, decisions, environment and cost.

    Raises
    ------
    NotFound : there is no such run, or several begin so.
    """
    ledger = workspace.ledger
    r = ledger.get(run)
    curves, findings = diagnosed(workspace, r)
    decisions = ledger.decisions.of_run(r.id)
    inside = ledger.summaries(parent=r.id, order="r.id", columns=[])
    body = {
        **r.to_json(),
        "files": r.artifacts,
        "findings": [finding.to_json() for finding in findings],
        "decisions": [decision.to_json() for decision in decisions],
        "unsealed": bool(r.outputs.get("unsealed")),
        "runs_inside": [child.id for child in inside],
    }
    del body["artifacts"]
    lines = _head(r)
    lines += _values("flags" if r.outputs.get("kind") == "script" or "target" in r.inputs else "params", r.params)
    lines += _metrics(r, curves)
    if findings:
        lines += ["  curves", *(f"    {finding}" for finding in findings)]
    lines += _belonging(r, [f"{d.id} ({d.outcome}): {d.hypothesis}" for d in decisions], len(inside))
    lines += _values("inputs", {k: v for k, v in r.inputs.items() if k != "target"})
    lines += _values("outputs", {k: v for k, v in r.outputs.items() if k not in _TOLD_APART})
    lines += _values("files", {name: _artifact(r, name) for name in r.artifacts})
    lines += _values("cost", _cost(r.cost))
    lines += _surroundings(r)
    return Sheet(body, "\n".join(lines))


def diagnosed(workspace: Workspace, record: RunRecord) -> tuple[dict[str, Curve], list[Finding]]:
    """The curves of a run, and what they show."""
    from penstock.experiments.curves.curves import curves_of, lines_of
    from penstock.experiments.curves.diagnosis import diagnose

    if record.status == QUEUED or (record.status != RUNNING and _has_no_curve(record)):
        return {}, []
    curves = curves_of(lines_of(workspace.ledger, record))
    return curves, diagnose(curves, finished=record.status != RUNNING)


def _has_no_curve(record: RunRecord) -> bool:
    """Whether the record itself says that each of its series is one finite value: then its log tells no more."""
    series = record.outputs.get("series")
    return series is not None and all(s.get("count", 2) <= 1 and not s.get("not_finite", 1) for s in series.values())


def show_source(workspace: Workspace, run: str, path: str | None = None) -> Listing | Sheet:
    """The files of a run's source snapshot, or one of them."""
    from penstock.experiments.looking.run_files import RunFiles, size_text

    record = workspace.ledger.get(run)
    files = RunFiles(workspace, record, "source")
    if path is not None:
        return text_sheet(record.id, path, files.read(path))
    body = {
        "run": record.id,
        "source": record.inputs["source"],
        "files": [{"path": f.path, "size_bytes": f.size_bytes, "digest": f.digest} for f in files.files],
        "left_out": record.inputs.get("source_left_out", []),
    }
    rows = [(f.path, size_text(f.size_bytes)) for f in files.files]
    left = body["left_out"]
    below = f"left out: {', '.join(shown(entry) for entry in left[:10])}" if left else ""
    return Listing(body, ("file", "size"), rows, "the snapshot is empty", below)


def show_diff(workspace: Workspace, run: str) -> Sheet:
    """What was not committed when a run began."""
    record = workspace.ledger.get(run)
    if "diff" not in record.artifacts:
        clean_tree = record.source.get("dirty") is False
        text = "nothing: all was committed" if clean_tree else "no difference to a commit was recorded"
        return Sheet({"run": record.id, "diff": None}, text)
    text = workspace.ledger.artifact(record, "diff").decode("utf-8", "replace")
    return Sheet({"run": record.id, "diff": text}, text.rstrip("\n"))


def show_log(workspace: Workspace, run: str) -> Sheet:
    """What a run printed; the lines that it logged, where it printed nothing."""
    from penstock.experiments.looking.run_files import CONSOLE, RunFiles

    record = workspace.ledger.get(run)
    files = RunFiles(workspace, record)
    if any(file.path == CONSOLE for file in files.files):
        text = files.read(CONSOLE).decode("utf-8", "replace")
        return Sheet({"run": record.id, "console": text}, text.rstrip("\n"))
    lines = list(workspace.ledger.log_of(record))
    if not lines:
        raise NotFound(
            f"run {record.id} has no log",
            why="it printed nothing and logged nothing",
            way_out="look at the run with `penstock show`",
        )
    return Sheet({"run": record.id, "log": lines}, "\n".join(json.dumps(line, ensure_ascii=False) for line in lines))


def text_sheet(run: str, path: str, data: bytes) -> Sheet:
    """A file as text; what is no UTF-8 is shown as well as it can be, and told as base64 in JSON."""
    import base64

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        body = {"run": run, "path": path, "base64": base64.b64encode(data).decode("ascii")}
        return Sheet(body, data.decode("utf-8", "replace").rstrip("\n"))
    return Sheet({"run": run, "path": path, "text": text}, text.rstrip("\n"))


def _head(r: RunRecord) -> list[str]:
    lines = [f"run {r.id}: {clean(r.operation)}, {r.status}"]
    if r.deleted_at:
        lines.append(f"  THROWN AWAY on {r.deleted_at[:10]}: `penstock restore {r.id}` brings it back")
    if r.outputs.get("unsealed"):
        opened = ", ".join(r.outputs["unsealed"])
        lines.append(f"  UNSEALED: it opened {opened} itself, and may have seen test rows")
    started = f"  started {r.started_at}" + (f", took {took(r.seconds)}" if r.seconds is not None else "")
    lines.append(started + (f", by {r.who} on {r.host}" if r.who else ""))
    if argv := r.inputs.get("target", {}).get("argv"):
        lines.append(f"  command {_short(shlex.join(argv))}")
    if "exit_status" in r.outputs:
        lines.append(f"  exit status {r.outputs['exit_status']}")
    if r.outputs.get("stopped"):
        lines.append(f"  stopped early: {r.outputs['stopped']}")
    if r.error:
        lines.append(f"  error {r.error.get('code')}: {r.error.get('what')}")
        lines += [f"    {name}: {r.error[key]}" for name, key in (("why", "why"), ("try", "try")) if r.error.get(key)]
    return lines


def _values(title: str, values: dict[str, Any]) -> list[str]:
    return [f"  {title}", *(f"    {clean(name)}: {_short(value)}" for name, value in values.items())] if values else []


def _metrics(r: RunRecord, curves: dict[str, Curve]) -> list[str]:
    """Final values with their intervals; of series the least and greatest beside them."""
    series = r.outputs.get("series", {})
    summaries = {name: (finite(s["min"]), finite(s["max"]), s["count"]) for name, s in series.items()}
    for name, curve in curves.items():
        points = curve.points
        if name not in summaries and points:
            summaries[name] = (min(p.low for p in points), max(p.high for p in points), curve.count)
    finals = {name: metric(r, name) for name in r.metrics}
    for name, curve in curves.items():
        finals.setdefault(name, curve.last)
    if not finals:
        return []
    rows: list[Sequence[str]] = []
    for name, value in finals.items():
        kept = r.metrics.get(name, {})
        interval = f"({_n(kept['low'])} to {_n(kept['high'])})" if kept.get("low") is not None else ""
        low, high, count = summaries.get(name, (None, None, 0))
        seen = (f"least {_n(low)}", f"greatest {_n(high)}", f"{count} values") if count > 1 else ("", "", "")
        rows.append((f"{name}:", _n(value), interval, *seen))
    used = [i for i in range(6) if any(row[i] for row in rows)]
    return ["  metrics", table([[row[i] for i in used] for row in rows], indent="    ")]


def _belonging(r: RunRecord, decisions: list[str], inside: int) -> list[str]:
    lines = [f"  belongs to run {r.parent}"] if r.parent else []
    if inside:
        lines.append(f"  {inside} runs inside: `penstock runs --batch {r.id}`")
    if r.tags:
        lines.append("  tags " + " ".join(f"#{n}={v}" if v else f"#{n}" for n, v in r.tags.items()))
    if r.notes:
        lines += ["  notes", *(f"    {n['at'][:16].replace('T', ' ')} {n['who']}: {n['text']}" for n in r.notes)]
    return lines + (["  decisions", *(f"    {text}" for text in decisions)] if decisions else [])


def _artifact(r: RunRecord, name: str) -> str:
    artifact = r.artifacts[name]
    if name == "files" and isinstance(r.outputs.get("files"), int):
        return f"{r.outputs['files']} files: `penstock ls {r.id}`"
    return str(artifact["digest"])


def _cost(cost: dict[str, Any]) -> dict[str, Any]:
    from penstock.experiments.looking.run_files import size_text

    told = dict(cost)
    if isinstance(told.get("peak_memory_bytes"), int):
        told["peak_memory_bytes"] = f"{told['peak_memory_bytes']} ({size_text(told['peak_memory_bytes'])})"
    if "money" in told:
        told["money"] = f"{told['money']:.4g} {told.pop('currency', '')}".strip()
    return told


def _surroundings(r: RunRecord) -> list[str]:
    environment = r.environment
    lines = [f"  source {_short(r.source)}"]
    if "source" in r.inputs:
        lines.append(f"    its files: `penstock show {r.id} --source`")
    if environment.get("python"):
        lines.append(f"  environment python {environment.get('python')} on {environment.get('platform')}")
    if environment.get("gpus"):
        lines.append(f"    {', '.join(str(gpu) for gpu in environment['gpus'])}")
    if environment.get("packages"):
        lines.append(f"    {len(environment['packages'])} packages")
    return lines


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = clean(text)
    return text if len(text) <= LONG_BODY else text[: LONG_BODY - 3] + "..."


def _n(value: float | None) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "not defined" if value is None else "NaN"
    return f"{value:.4g}"
