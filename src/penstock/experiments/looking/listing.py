"""Which runs there are: filtered, sorted, with the columns that are asked for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.experiments.batches.trials import BATCH
from penstock.experiments.curves.series_names import direction, role_of
from penstock.experiments.looking.properties import metrics, parts_of, shown, value_of
from penstock.experiments.sheets import Listing, took
from penstock.ledger.query import Where

if TYPE_CHECKING:
    from penstock.ledger.decisions import Decision
    from penstock.ledger.query_sql import Catalog, Name
    from penstock.ledger.record import RunSummary
    from penstock.project.workspace import Workspace

UNSEALED = '%"unsealed":["%'
"""How the outputs of a run that opened the sealed source file itself look as stored text."""
MOST_FLAGS, MOST_METRICS = 4, 2


class About(NamedTuple):
    """What is told of some runs beside their records: ids of unsealed ones, how many runs are inside, decisions on them."""

    unsealed: set[str]
    inside: Counter[str]
    decisions: dict[str, list[Decision]]


def catalog_of(workspace: Workspace) -> Catalog:
    """The names that the runs of a workspace's ledger have."""
    from penstock.ledger.query_sql import Catalog

    return Catalog(workspace.ledger.ask, sqlite=workspace.ledger.is_sqlite)


def project_of(workspace: Workspace) -> str | None:
    """The project whose runs are meant: all of a ledger of one's own, and those of this name in one that others use too."""
    return workspace.name if os.environ.get("PENSTOCK_LEDGER") else None


def condition_of(
    workspace: Workspace,
    *,
    filter_text: str | None,
    batch: str | None,
    everything: bool,
    catalog: Catalog,
    sort: str | None = None,
    operation: str | None = None,
) -> Where | None:
    """Which runs a listing or a comparison is about. Runs inside others count where a filter, a batch or `everything` asks.

    Where they count, a batch itself is left out of what is filtered or sorted by flags or metrics: its metric is that of its
    best trial, its flags are what they were drawn from. Who names an operation, or asks for one or for ids, has it.
    """
    from penstock.ledger.query_sql import names_of, where

    parts, params = [], {}
    if filter_text is not None:
        condition = where(filter_text, catalog)
        parts.append(condition.sql)
        params.update(condition.params)
    if batch is not None:
        parts.append("r.parent = :of_batch")
        params["of_batch"] = workspace.ledger.get(batch).id
    if not parts and not everything:
        parts.append("r.parent IS NULL")
    elif operation is None and (filter_text is not None or sort is not None):
        names = names_of(catalog, filter_text=filter_text, order_text=sort)
        asked = any(name.kind == "property" and name.name in ("operation", "id") for name in names)
        if not asked and any(name.kind in ("flag", "metric", "series") for name in names):
            parts.append("r.operation <> :batch")
            params["batch"] = BATCH
    return Where(" AND ".join(parts), params) if parts else None


def list_runs(
    workspace: Workspace,
    *,
    operation: str | None = None,
    filter_text: str | None = None,
    sort: str | None = None,
    columns: Sequence[str] = (),
    limit: int = 30,
    deleted: bool = False,
    batch: str | None = None,
    everything: bool = False,
) -> Listing:
    """Recorded runs, newest first unless sorted.

    Parameters
    ----------
    filter_text : in the language of `penstock.ledger.query`. sort : a name, ``-name`` for the greatest first.
    columns : names instead of the usual columns; the id is always the first.
    batch : only the runs of this batch or pipeline. everything : also runs inside others.

    Raises
    ------
    QueryError : the filter, the order or a column cannot be used. NotFound : there is no such batch.
    """
    from penstock.ledger.query_sql import order, resolve

    catalog = catalog_of(workspace)
    condition = condition_of(
        workspace,
        filter_text=filter_text,
        batch=batch,
        everything=everything,
        catalog=catalog,
        sort=sort,
        operation=operation,
    )
    names = [resolve(column, catalog) for column in columns]
    terms = order(sort, catalog) if sort else Where("r.id DESC", {})
    if terms.params:
        condition = Where(
            condition.sql if condition else "", {**(condition.params if condition else {}), **terms.params}
        )
    runs = workspace.ledger.summaries(
        operation,
        limit=limit + 1,
        project=project_of(workspace),
        deleted=deleted,
        order=terms.sql,
        where=condition,
        columns={"params", "metrics", "tags", "notes"} | parts_of(names),
    )
    more, runs = len(runs) > limit, runs[:limit]
    about = About(
        unsealed_of(workspace, [run.id for run in runs]),
        Counter(_children(workspace, runs)),
        workspace.ledger.decisions.of_runs([run.id for run in runs]),
    )
    body = {
        "runs": [_body(run, about, list(zip(columns, names, strict=True))) for run in runs],
        "more": more,
    }
    header, rows = _columned(runs, columns, names, about) if names else _usual(runs, about)
    if deleted:
        empty = "nothing was thrown away"
    else:
        empty = "no run fits" if condition and filter_text else "no runs yet; start with `penstock run`"
    if not runs and filter_text is not None:
        from penstock.ledger.query_hints import misfits

        if hints := misfits(filter_text, catalog):
            empty, body["warnings"] = f"no run fits: {'; '.join(hints)}", hints
    return Listing(body, header, rows, empty, _below(runs, more, limit, about.inside, batch, everything))


def unsealed_of(workspace: Workspace, ids: Sequence[str]) -> set[str]:
    """Those of some runs that opened the sealed source file themselves."""
    query = "SELECT r.id FROM runs r WHERE r.id IN :ids AND r.outputs LIKE :unsealed"
    return {row.id for row in workspace.ledger.ask(query, {"ids": list(ids), "unsealed": UNSEALED})}


def _children(workspace: Workspace, runs: Sequence[RunSummary]) -> dict[str, int]:
    query = "SELECT parent, COUNT(*) AS n FROM runs WHERE parent IN :ids AND deleted_at IS NULL GROUP BY parent"
    return {row.parent: row.n for row in workspace.ledger.ask(query, {"ids": [run.id for run in runs]})}


def _body(run: RunSummary, about: About, columns: Sequence[tuple[str, Name]]) -> dict[str, Any]:
    body = {
        "id": run.id,
        "operation": run.operation,
        "status": run.status,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "seconds": run.seconds,
        "user": run.who,
        "host": run.host,
        "parent": run.parent,
        "runs_inside": about.inside[run.id],
        "params": run.params,
        "metrics": metrics(run),
        "tags": run.tags,
        "notes": len(run.notes),
        "unsealed": run.id in about.unsealed,
        "decisions": [decision.id for decision in about.decisions.get(run.id, [])],
        "deleted_at": run.deleted_at,
    }
    if columns:
        body["columns"] = {text: _value(run, name, about) for text, name in columns}
    return body


def _value(run: RunSummary, name: Name, about: About) -> Any:
    if name.kind == "property" and name.name == "decision":  # which are not part of a run's record
        return ", ".join(decision.id for decision in about.decisions.get(run.id, [])) or None
    return value_of(run, name)


def _columned(
    runs: Sequence[RunSummary], columns: Sequence[str], names: Sequence[Name], about: About
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows = []
    for run in runs:
        values = [_value(run, name, about) for name in names]
        rows.append(
            (run.id, *(took(v) if n.name == "seconds" else shown(v) for n, v in zip(names, values, strict=True)))
        )
    return ("run", *columns), rows


def _usual(runs: Sequence[RunSummary], about: About) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    differing = differing_flags(runs)
    header = ("run", "operation", "status", "started (UTC)", "took", "flags", "metrics", "marks")
    rows = [
        (
            run.id,
            run.operation,
            run.status,
            run.started_at[:19].replace("T", " "),
            took(run.seconds),
            _flags(run, differing),
            ", ".join(f"{n} {shown(v)}" for n, v in foremost(metrics(run))[:MOST_METRICS]),
            _marks(run, about),
        )
        for run in runs
    ]
    kept = [i for i in range(len(header)) if i < 5 or any(row[i] for row in rows)]
    return tuple(header[i] for i in kept), [tuple(row[i] for i in kept) for row in rows]


def differing_flags(runs: Sequence[RunSummary]) -> dict[str, list[str]]:
    """Operation -> flags whose values are not the same in all of its runs here; all flags of a run that is alone."""
    first: dict[str, dict[str, Any]] = {}
    differ: dict[str, set[str]] = {}
    for run in runs:
        values, names = first.setdefault(run.operation, {}), differ.setdefault(run.operation, set())
        for name, value in run.params.items():
            if name not in names and _is_short(value) and values.setdefault(name, value) != value:
                names.add(name)
    counts = Counter(run.operation for run in runs)
    return {
        op: [n for n in values if n in differ[op] or len(values) <= 2 or counts[op] == 1]
        for op, values in first.items()
    }


def _is_short(value: Any) -> bool:
    """Whether a value says something in a cell of a table."""
    if isinstance(value, str):
        return 0 < len(value) <= 60 and "\n" not in value
    return value is not None and not isinstance(value, dict) and value != []


def _flags(run: RunSummary, differing: dict[str, list[str]]) -> str:
    names = [name for name in differing.get(run.operation, ()) if _is_short(run.params.get(name))]
    more = f" +{len(names) - MOST_FLAGS}" if len(names) > MOST_FLAGS else ""
    return " ".join(f"{name}={shown(run.params[name], 16)}" for name in names[:MOST_FLAGS]) + more


def foremost(values: dict[str, float]) -> list[tuple[str, float]]:
    """Metrics in the order of interest: those that can be good or bad first, and of these those on validation rows."""
    return sorted(values.items(), key=lambda m: (direction(m[0]) == 0, role_of(m[0]) != "valid", m[0]))


def _marks(run: RunSummary, about: About) -> str:
    inside = about.inside[run.id]
    marks = ["unsealed"] if run.id in about.unsealed else []
    marks += [f"{inside} run{'s' if inside > 1 else ''} inside"] if inside else []
    marks += [f"{decision.id} {decision.outcome}" for decision in about.decisions.get(run.id, [])]
    if name := run.tags.get("mlflow.runName"):
        marks.append(shown(name, 30))
    own = {
        name: value for name, value in run.tags.items() if not name.startswith("mlflow.")
    }  # MLflow writes five a run
    marks += [f"#{name}={shown(value, 16)}" if value else f"#{name}" for name, value in own.items()]
    if run.notes:
        marks.append(f'"{shown(run.notes[-1]["text"], 30)}"')
    return " ".join(marks)


def _below(
    runs: Sequence[RunSummary], more: bool, limit: int, inside: Counter[str], batch: str | None, everything: bool
) -> str:
    said = []
    if more:
        said.append(f"the first {limit}; --limit shows more")
    parents = [run.id for run in runs if inside[run.id]]
    if parents and not everything and batch is None:
        said.append(f"runs inside others: --batch {parents[0]}, or all with --all")
    return "; ".join(said)
