"""Runs side by side: where their flags differ, and what became of their metrics."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.errors import BadParameter
from penstock.experiments.batches.trials import BATCH
from penstock.experiments.curves.series_names import direction
from penstock.experiments.looking.listing import catalog_of, condition_of, foremost, project_of, unsealed_of
from penstock.experiments.looking.properties import finite, metrics, shown
from penstock.experiments.sheets import table, took
from penstock.ledger.query import Where
from penstock.ledger.status import RUNNING

if TYPE_CHECKING:
    from penstock.experiments.curves.findings import Finding
    from penstock.ledger.record import RunSummary
    from penstock.project.workspace import Workspace

SIDE_BY_SIDE = 5
"""Up to so many runs are columns; more are rows."""
MOST_DIAGNOSED = 20
NEWEST = 10
"""So many are compared where nothing is named and no number is given."""
MOST_FITTING = 500
"""So many of those that a filter or a batch names, where no number is given."""
MOST_FLAGS, MOST_METRICS = 6, 4
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that a spreadsheet calculates."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Seen:
    """One metric of one run: its final value, and the least and greatest of its series."""

    last: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Comparison:
    """Some runs, and what tells them apart.

    Attributes
    ----------
    differing : flags that do not have the same value in all runs. flags : all flags.
    metrics : run -> name -> what was seen of it. names : of the metrics, the most interesting first.
    best : metric -> the run whose final value is best, where the name tells which way is better.
    findings : run -> what its curves show, for those that were looked at.
    more : whether others fit too, that the limit left out.
    """

    runs: list[RunSummary]
    flags: list[str]
    differing: list[str]
    names: list[str]
    metrics: dict[str, dict[str, Seen]]
    best: dict[str, str]
    unsealed: set[str] = field(default_factory=set)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    everything: bool = False
    written: tuple[str, ...] = ()
    more: bool = False

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "runs": [
                {
                    "id": run.id,
                    "operation": run.operation,
                    "status": run.status,
                    "started_at": run.started_at,
                    "seconds": run.seconds,
                    "flags": run.params,
                    "metrics": {
                        name: {"last": seen.last, "min": seen.least, "max": seen.greatest}
                        for name, seen in self.metrics[run.id].items()
                    },
                    "tags": run.tags,
                    "unsealed": run.id in self.unsealed,
                    "findings": [finding.to_json() for finding in self.findings.get(run.id, [])],
                }
                for run in self.runs
            ],
            "differing": self.differing,
            "best": self.best,
            "written": list(self.written),
            "more": self.more,
        }

    def to_text(self) -> str:
        if len(self.runs) > SIDE_BY_SIDE:
            lines = [self._rows()]
        else:
            lines = [self._side_by_side()]
            lines += [f"{run.id} {finding}" for run in self.runs for finding in self.findings.get(run.id, [])]
        if self.more:
            lines.append(f"the first {len(self.runs)}; --limit takes more")
        lines += [f"written: {path}" for path in self.written]
        return "\n".join(lines)

    def to_csv(self) -> str:
        """One row per run with everything; lists and objects as JSON, NaN and infinity as Python writes them.

        A text that a spreadsheet would take for a formula has a ' before it: flags may come from anybody's archive.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        stats = ("last", "min", "max")
        writer.writerow(
            ["run", "operation", "status", "started_at", "seconds", "unsealed"]
            + [f"flag:{name}" for name in self.flags]
            + [f"metric:{name}" if stat == "last" else f"metric:{name}.{stat}" for name in self.names for stat in stats]
        )
        for run in self.runs:
            seen = self.metrics[run.id]
            head = [
                run.id,
                _csv(run.operation),
                run.status,
                run.started_at,
                run.seconds,
                str(run.id in self.unsealed).lower(),
            ]
            flags = [_csv(run.params.get(name)) for name in self.flags]
            values = [
                value
                for name in self.names
                for value in ((seen[name].last, seen[name].least, seen[name].greatest) if name in seen else ("",) * 3)
            ]
            writer.writerow([*head, *flags, *values])
        return out.getvalue()

    def _side_by_side(self) -> str:
        rows: list[Sequence[str]] = [("", *(run.id for run in self.runs))]
        rows.append(("operation", *(run.operation for run in self.runs)))
        rows.append(("status", *(run.status + (" UNSEALED" if run.id in self.unsealed else "") for run in self.runs)))
        rows.append(("took", *(took(run.seconds) for run in self.runs)))
        flags = self.flags if self.everything else self.differing
        if flags:
            rows.append(("flags" if self.everything else "flags that differ", *("" for _ in self.runs)))
            rows += [(f"  {name}", *(shown(run.params.get(name)) for run in self.runs)) for name in flags]
        if self.names:
            rows.append(("metrics", *("" for _ in self.runs)))
        for name in self.names:
            rows.append((f"  {name}", *(self._final(run.id, name) for run in self.runs)))
            if any(_moved(self.metrics[run.id].get(name)) for run in self.runs):
                for label in ("least", "greatest"):
                    cells = [self.metrics[run.id].get(name) for run in self.runs]
                    rows.append((f"    {label}", *("" if c is None else shown(getattr(c, label)) for c in cells)))
        if self.findings:
            gravest = [self.findings.get(run.id, []) for run in self.runs]
            rows.append(("curves", *(", ".join(dict.fromkeys(f.kind for f in fs)) for fs in gravest)))
        return table(rows)

    def _rows(self) -> str:
        flags = self.flags if self.everything else self.differing[:MOST_FLAGS]
        names = self.names if self.everything else self.names[:MOST_METRICS]
        header = ["run", "status", "took", *flags, *names] + (["curves"] if self.findings else [])
        rows: list[Sequence[str]] = [header]
        for run in self.runs:
            row = [run.id, run.status + (" UNSEALED" if run.id in self.unsealed else ""), took(run.seconds)]
            row += [shown(run.params.get(name), 20) for name in flags]
            row += [self._final(run.id, name) for name in names]
            if self.findings:
                row.append(", ".join(dict.fromkeys(f.kind for f in self.findings.get(run.id, []))))
            rows.append(row)
        left = [n for n in self.differing if n not in flags] + [n for n in self.names if n not in names]
        more = f"\nnot shown: {', '.join(left[:12])}{' and others' if len(left) > 12 else ''} (--all)" if left else ""
        return table(rows) + more

    def _final(self, run: str, name: str) -> str:
        seen = self.metrics[run].get(name)
        if seen is None:
            return ""
        return shown(seen.last) + (" *" if self.best.get(name) == run and len(self.runs) > 1 else "")


def compare_runs(
    workspace: Workspace,
    references: Sequence[str] = (),
    *,
    filter_text: str | None = None,
    batch: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    everything: bool = False,
    diagnose: bool | None = None,
) -> Comparison:
    """Runs by their ids, or those that a filter or a batch names; the newest where nothing is named.

    Parameters
    ----------
    limit : at most so many. By default `NEWEST` where nothing is named, `MOST_FITTING` of those that fit, all that are named.
    everything : all flags and metrics in the tables, not only what tells the runs apart.
    diagnose : look at the curves; by default where there are few runs.

    Raises
    ------
    NotFound : no such run. QueryError : the filter or the order cannot be used. BadParameter : there is nothing to compare.
    """
    runs, more = chosen_runs(workspace, references, filter_text=filter_text, batch=batch, sort=sort, limit=limit)
    if not runs:
        from penstock.ledger.query_hints import misfits

        hints = misfits(filter_text, catalog_of(workspace)) if filter_text is not None else []
        raise BadParameter(
            "there is nothing to compare",
            why="no run fits" + (f": {'; '.join(hints)}" if hints else ""),
            way_out="name runs, or list what there is: `penstock runs`",
        )
    flags = list(dict.fromkeys(name for run in runs for name in run.params))
    seen = {run.id: _seen_so_far(workspace, run) if run.status == RUNNING else _seen(run) for run in runs}
    ranked = {run.id: seen[run.id] for run in runs if run.operation != BATCH}  # its metric is that of its best trial
    present = dict.fromkeys(name for run in runs for name in seen[run.id])
    names = [name for name, _ in foremost(dict.fromkeys(present, 0.0))]
    comparison = Comparison(
        runs,
        flags,
        [name for name in flags if _differs(name, runs)],
        names,
        seen,
        {name: best for name in names if (best := _best(name, ranked)) is not None},
        unsealed_of(workspace, [run.id for run in runs]),
        everything=everything,
        more=more,
    )
    if diagnose or (diagnose is None and len(runs) <= MOST_DIAGNOSED):
        comparison.findings.update(_findings(workspace, runs))
    return comparison


def chosen_runs(
    workspace: Workspace,
    references: Sequence[str],
    *,
    filter_text: str | None,
    batch: str | None,
    sort: str | None,
    limit: int | None,
) -> tuple[list[RunSummary], bool]:
    """The runs that are named, in the order in which they are named; else those that fit, newest first. Or as `sort` says.

    The second value is whether there are more than `limit` of them.
    """
    from penstock.ledger.query_sql import order

    ledger, catalog = workspace.ledger, catalog_of(workspace)
    ids = list(dict.fromkeys(_ids(workspace, references)))
    condition = condition_of(
        workspace,
        filter_text=filter_text,
        batch=batch,
        everything=bool(ids),
        catalog=catalog,
        sort=None if ids else sort,
    )
    terms = order(sort, catalog) if sort else Where("r.id DESC", {})
    parts = ["r.id IN :ids"] if ids else []
    parts += [f"({condition.sql})"] if condition else []
    params = {**(condition.params if condition else {}), **terms.params, **({"ids": ids} if ids else {})}
    if limit is None and not ids:
        limit = NEWEST if filter_text is None and batch is None else MOST_FITTING
    named_order = bool(ids) and sort is None
    found = ledger.summaries(
        limit=None if limit is None or named_order else limit + 1,
        project=None if ids else project_of(workspace),
        deleted=None if ids else False,
        order=terms.sql,
        where=Where(" AND ".join(parts), params),
        columns=("params", "metrics", "tags", "notes", "outputs"),
    )
    if named_order:
        place = {run_id: i for i, run_id in enumerate(ids)}
        found.sort(key=lambda run: place[run.id])
    return found[:limit], limit is not None and len(found) > limit


def _ids(workspace: Workspace, references: Sequence[str]) -> list[str]:
    query = "SELECT id FROM runs WHERE id IN :ids"
    known = {row.id for row in workspace.ledger.ask(query, {"ids": list(references)})}
    return [ref if ref in known else workspace.ledger.get(ref).id for ref in references]


def _seen(run: RunSummary) -> dict[str, Seen]:
    """Final metrics, and series that have no final metric."""
    series = run.outputs.get("series", {})
    found = {}
    for name, value in metrics(run).items():
        summary = series.get(name, {})
        least, greatest = finite(summary.get("min")), finite(summary.get("max"))
        found[name] = Seen(value, value if least is None else least, value if greatest is None else greatest)
    for name, summary in series.items():
        if name not in found:
            least, greatest = finite(summary["min"]), finite(summary["max"])
            bad = math.nan
            found[name] = Seen(
                finite(summary["last"]), bad if least is None else least, bad if greatest is None else greatest
            )
    return found


def _seen_so_far(workspace: Workspace, run: RunSummary) -> dict[str, Seen]:
    """Of a run that goes on: what it has logged by now."""
    from penstock.experiments.curves.curves import curves_of, lines_of

    found = {}
    for name, curve in curves_of(lines_of(workspace.ledger, workspace.ledger.get(run.id))).items():
        lows, highs = [p.low for p in curve.points], [p.high for p in curve.points]
        found[name] = Seen(curve.last, min(lows, default=math.nan), max(highs, default=math.nan))
    return found


def _differs(name: str, runs: Sequence[RunSummary]) -> bool:
    first = runs[0].params.get(name)
    return any(run.params.get(name) != first or type(run.params.get(name)) is not type(first) for run in runs)


def _best(name: str, seen: dict[str, dict[str, Seen]]) -> str | None:
    way = direction(name)
    values = {run: s[name].last for run, s in seen.items() if name in s and math.isfinite(s[name].last)}
    if way == 0 or len(values) < 2 or len(set(values.values())) == 1:
        return None
    return max(values, key=lambda run: way * values[run])


def _moved(seen: Seen | None) -> bool:
    return seen is not None and seen.least != seen.greatest


def _findings(workspace: Workspace, runs: Sequence[RunSummary]) -> dict[str, list[Finding]]:
    from penstock.experiments.looking.show import diagnosed

    found = {}
    for record in workspace.ledger.runs(where=("r.id IN :ids", {"ids": [r.id for r in runs]}), deleted=None):
        if findings := diagnosed(workspace, record)[1]:
            found[record.id] = findings
    return found


def _csv(value: Any) -> Any:
    """
    >>> _csv(True), _csv(-0.5), _csv([1, 2]), _csv("-0.5"), _csv("=1+1"), _csv(" @SUM(A1)"), _csv("adam")
    ('true', -0.5, '[1, 2]', '-0.5', "'=1+1", "' @SUM(A1)", 'adam')
    """
    import json

    if value is None or isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else value
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "'" + value if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value
