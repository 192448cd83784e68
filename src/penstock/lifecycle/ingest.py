"""Stage `ingest`: the declared source becomes a data-set version; its test rows are sealed as it is made."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.data.lineages import redealt_from
from penstock.data.sources.kind import NotFetched
from penstock.errors import DeclarationError, SourceError
from penstock.ledger.access import MADE_AGAIN
from penstock.ledger.envelopes import RETIRED
from penstock.lifecycle.contract import check_source_of, write_first
from penstock.lifecycle.privacy import refuse_open_decisions
from penstock.lifecycle.settings import overriding
from penstock.lifecycle.source import declared_source, files_of, open_declared, source_is_there, tell
from penstock.lifecycle.stages import Context, Stages, WouldRun
from penstock.project.project import Project
from penstock.project.sections.data import is_database, names_of

if TYPE_CHECKING:
    from penstock.data.versions import DatasetVersion
    from penstock.ledger.run import Run
    from penstock.objects.store import ObjectStore


def declared_ingest(project: Project, *, look: bool = False) -> dict[str, Any]:
    """What of the declaration decides how the source is read, dealt and typed.

    `look`: for a look alone, of which nothing is stored: personal columns that are dropped are fetched, too.
    """
    data, split = project.declaration.data, project.declaration.split
    place = declared_source(data)
    if not look and (dropped := _never_fetched(project)):
        reading = place.get("reading", {})
        place["reading"] = {**reading, "drop": sorted({*reading.get("drop", ()), *dropped})}
    if not look and "joins" in place:
        gone = {*data.drop, *(c for c, action in project.declaration.privacy.actions.items() if action == "drop")}
        place["joins"] = [_without(join, gone) for join in place["joins"]]
    return {
        **place,
        "target": data.target,
        "task": None if data.task is None else data.task.value,
        "kinds": {name: kind.value for name, kind in data.kinds.items()},
        "missing": None if data.missing is None else list(data.missing),
        "drop": list(data.drop),
        "positive": data.positive,
        "split": split.to_json(),
        **({} if data.key is None else {"key": data.key}),
        **({"files": dict(split.files)} if split.files else {}),
        **({"history": _history(project)} if project.declaration.history else {}),
        **({"privacy": privacy} if any((privacy := declared_privacy(project)).values()) else {}),
        **({"writing": writing} if (writing := declared_writing(project)) else {}),
    }


def _without(join: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    """A join with a database that is not asked for values of columns that are dropped; what rows are joined by is needed."""
    if not is_database(join["path"]):
        return join
    prefix, needed = join["prefix"], {*join["right_on"], *([join["as_of"]["right"]] if join["as_of"] else [])}
    drop = {name.removeprefix(prefix) for name in gone if name.startswith(prefix)} - needed
    return {**join, "reading": {**join.get("reading", {}), "drop": sorted(drop)}} if drop else join


def declared_writing(project: Project) -> dict[str, Any]:
    """How dates and numbers are written, as `penstock.data.writing.Writing.to_json`."""
    data = project.declaration.data
    said: dict[str, Any] = {
        "formats": {name: list(names_of(patterns)) for name, patterns in data.formats.items()},
        "timezone" if isinstance(data.timezone, str) else "timezones": data.timezone,
        "decimals": data.decimal,
        "thousands": data.thousands,
    }
    return {name: of for name, of in said.items() if of}


def _history(project: Project) -> dict[str, dict[str, Any]]:
    """The columns that look back, with windows in microseconds."""
    from penstock.project.sections.history import span

    return {
        name: {
            "take": one.take,
            "over": one.over,
            "by": list(one.keys),
            "of": one.of or None,
            "rows": 1 if one.take == "lag" and one.rows is None else one.rows,
            "window": span(one.window) if isinstance(one.window, str) else one.window,
        }
        for name, one in project.declaration.history.items()
    }


def declared_privacy(project: Project) -> dict[str, Any]:
    """What becomes of personal columns: actions, kept ones, and the kinds that are not looked for."""
    privacy = project.declaration.privacy
    dropped = _never_fetched(project)
    actions = {column: action for column, action in privacy.actions.items() if column not in dropped}
    return {"actions": actions, "kept": list(privacy.kept), "off": list(privacy.off)}


def _never_fetched(project: Project) -> frozenset[str]:
    """Personal columns that are dropped before a database is asked for them, as what it answers is kept."""
    if not is_database(project.declaration.data.source):
        return frozenset()
    return frozenset(column for column, action in project.declaration.privacy.actions.items() if action == "drop")


def refuse_unfetched(project: Project) -> None:
    """Refuse a database that is not to be asked for a column by which rows are known, dealt, joined or looked back at.

    Raises
    ------
    DeclarationError : naming the column, and what asks for it.
    """
    d = project.declaration
    if not is_database(d.data.source):
        return
    needed = {d.data.key: "[data] key", d.data.cursor: "[data] cursor", d.split.settings.column: "[split] by"}
    for name, past in d.history.items():
        needed |= dict.fromkeys((past.over, past.of, *past.keys), f"[history] {name}")
    for join in d.data.join:
        needed |= dict.fromkeys((*names_of(join.on), *names_of(join.left_on)), "[[data.join]]")
        needed |= {} if join.as_of is None else {join.as_of.left: "[[data.join]] as_of"}
    for where, columns in (("[privacy.columns]", _never_fetched(project)), ("[data] drop", d.data.drop)):
        for column in sorted(set(columns) & needed.keys()):
            raise DeclarationError(
                f"{needed[column]} needs {column!r}, which {where} drops",
                why="a database is never asked for the values of columns that are dropped, as what it answers is kept",
                way_out=f'write {column} = "hash" in [privacy.columns], or name another column in {needed[column]}',
            )


def ingest(
    context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any], *, anew: str | None = None
) -> None:
    """Read, deal, infer, decode and seal. `anew`: why a version that was forgotten is made again."""
    from penstock.bundle.kinds import Kind, Task
    from penstock.data.history import pasts_of
    from penstock.data.ingest import ingest as ingest_file
    from penstock.data.privacy.applying import Decisions
    from penstock.data.split import SplitSettings
    from penstock.data.writing import Writing

    project = context.project
    opened = open_declared(context, params, inputs=inputs)
    opened.refuse_other(inputs, replayed=context.replay is not None)
    said = params.get("privacy", {"actions": {}, "kept": [], "off": []})
    result = ingest_file(
        context.ledger,
        context.objects,
        source=opened.whole,
        target=params["target"],
        split=SplitSettings(**params["split"]),
        task=None if params["task"] is None else Task(params["task"]),
        kinds={name: Kind(kind) for name, kind in params["kinds"].items()},
        missing=None if params["missing"] is None else tuple(params["missing"]),
        drop=tuple(params["drop"]),
        positive=params["positive"],
        privacy=Decisions(said["actions"], tuple(said["kept"]), tuple(said["off"])),
        writing=Writing.from_json(params.get("writing", {})),
        key=params.get("key"),
        history=pasts_of(params.get("history", {})),
        project=project.name,
        run=run.id,
        again=context.replay is not None,
        redeals=inputs.get("redeals"),
        files_of=lambda dataset: files_of(context, dataset),
        anew=anew,
    )
    version = result.version
    run.keep("dataset", context.objects.get(version.digest), media="application/json")
    run.output("dataset", version.digest)
    run.output("rows", version.rows)
    run.output("task", result.task.value)
    run.output("why_task", result.why_task)
    run.output("read_why", list(result.read_why))
    run.output(
        "columns",
        [column.to_json() for column in result.columns],
    )
    run.output("diff", result.diff)
    told = [*tell(context, run, opened.main, version.parent), *still_held(context.objects, version)]
    run.output("warnings", [*result.warnings, *told])
    run.output("envelopes", len(version.envelopes))
    if result.personal:
        run.output("personal", list(result.personal))
        if context.replay is None and not result.known:
            context.ledger.audit.append(
                "privacy", version.digest, {"columns": {c["column"]: c["action"] for c in result.personal}}
            )


def still_held(objects: ObjectStore, version: DatasetVersion) -> list[str]:
    """That the version before holds columns plain that are protected from now on, and what lets go of it.

    (Of what is told only manifests decide, so that it is the same when it is reproduced, also where that version is forgotten.)
    """
    from penstock.data.versions import load_version

    if version.parent is None or not objects.has(version.parent):
        return []
    before = {spec.name: spec for spec in load_version(objects, version.parent).decoder.columns}
    plain = [
        spec.name
        for spec in version.decoder.columns
        if spec.privacy is not None and spec.name in before and before[spec.name].privacy is None
    ]
    if not plain:
        return []
    which = version.parent[7:19]
    return [
        f"{', '.join(map(repr, plain))}: the version before, {which}, holds {'it' if len(plain) == 1 else 'them'} as the source has "
        f"{'it' if len(plain) == 1 else 'them'}; `penstock data forget {which}` lets go of that"
    ]


def current_dataset(stages: Stages, override: str | None = None, bring_back: str | None = None) -> str:
    """Digest of the version that the project works on: that of its source, with the labelled rows added to it since.

    The source is held against the contract first; `override` is the reason to go on where it breaks it. `bring_back` is the reason to
    make a version again that was forgotten: one of its own, as no gate is asked, and who lets a late feed pass brings nobody's rows back.
    """
    anew = None if (said := overriding(bring_back)) is None else said["reason"]
    context = stages.context
    project, ledger = context.project, context.ledger
    if stages.operation != "new":
        refuse_open_decisions(project)
        refuse_unfetched(project)
    declared = declared_ingest(project)
    if not is_database(project.declaration.data.source) and not source_is_there(project):
        raise SourceError(
            f"the source {project.declaration.data.source} is not there",
            why="penstock.toml names it under [data], and nothing lies at this path",
            way_out="put it there, or correct [data] source",
        )
    try:
        opened = open_declared(context, declared, dry=stages.dry)
    except NotFetched as error:
        raise WouldRun("ingest", error.what) from error
    before = ledger.datasets.head(project.name)
    redeals = redealt_from(context.objects, before, declared["target"], declared["split"])
    inputs = opened.inputs if redeals is None else {**opened.inputs, "redeals": redeals}
    check_source_of(stages, opened, declared, override)
    read = stages.do("ingest", partial(ingest, anew=anew), inputs, declared)
    base = str(read.outputs["dataset"])
    if anew is not None and not _made_again(context, read.id):
        stages.warnings.append(
            f"--bring-back: nothing was brought back, as version {base[7:19]} of the data set is none that was forgotten"
        )
    write_first(stages, base, opened.inputs, declared)
    head = ledger.datasets.head(project.name)
    if head is not None and head != base and _grown_from(context, head, base):
        return head
    if head != base and not stages.dry:
        ledger.datasets.set_head(project.name, base)
    return _with_labelled_rows(stages, base, before)


def _made_again(context: Context, run: str) -> bool:
    """Whether this run made a version again that was forgotten."""
    return any(event.what == MADE_AGAIN and event.details["run"] == run for event in context.ledger.audit.events())


def spent_envelopes(context: Context, dataset: str) -> list[int]:
    """Indices of the opened envelopes of a version. (Read from the manifest alone: the no-op path loads no Arrow.)"""
    manifest = json.loads(context.objects.get(dataset))
    own = {envelope["index"] for envelope in manifest["envelopes"]}
    spent = context.ledger.seal.spent(manifest["lineage"])
    return sorted(r.index for r in spent if r.index in own and r.purpose != RETIRED)


def _with_labelled_rows(stages: Stages, base: str, before: str | None) -> str:
    """A source with the labelled rows that it, or the version that was worked on before, had been given."""
    from penstock.lifecycle.append import append_labelled, rows_within

    rows = rows_within(stages.context, base, before)
    return append_labelled(stages, base, rows) if len(rows) else base


def _grown_from(context: Context, head: str, base: str) -> bool:
    """Whether `head` is `base` with nothing but labelled rows added."""
    digest: str | None = head
    while digest is not None and digest != base:
        record = context.ledger.datasets.get(digest)
        if record.source.get("kind") != "labelled":
            return False
        digest = record.parent
    return digest == base
