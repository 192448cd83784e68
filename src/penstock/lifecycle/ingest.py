"""Stage `ingest`: the declared source becomes a data-set version; its test rows are sealed as it is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.data.lineages import redealt_from
from penstock.errors import SourceError
from penstock.ledger.envelopes import RETIRED
from penstock.lifecycle.stages import Context, Stages
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.ledger.run import Run


def declared_ingest(project: Project) -> dict[str, Any]:
    """What of the declaration decides how the source is read, dealt and typed."""
    data, split = project.declaration.data, project.declaration.split
    return {
        "path": data.source,
        "options": {
            "format": data.format,
            "delimiter": data.delimiter,
            "quote": data.quote,
            "header": data.header,
            "columns": None if data.columns is None else list(data.columns),
            "encoding": data.encoding,
        },
        "target": data.target,
        "task": None if data.task is None else data.task.value,
        "kinds": {name: kind.value for name, kind in data.kinds.items()},
        "missing": None if data.missing is None else list(data.missing),
        "drop": list(data.drop),
        "positive": data.positive,
        "split": split.to_json(),
        **({} if data.key is None else {"key": data.key}),
        **({"files": dict(split.files)} if split.files else {}),
    }


def ingest(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Read, deal, infer, decode and seal."""
    from penstock.bundle.kinds import Kind, Task
    from penstock.data.ingest import ingest as ingest_file
    from penstock.data.part_files import PartFiles
    from penstock.data.source import Source
    from penstock.data.sources.file import FileSource
    from penstock.data.split import SplitSettings
    from penstock.objects.tabular import ReadOptions

    project = context.project
    path = project.root / params["path"]
    files = {part: project.root / file for part, file in params.get("files", {}).items()}
    if context.replay is not None and _digest_of(context, path, files) != inputs["source"]:
        raise SourceError(
            f"{path.name} is not what this run read",
            why="its bytes have changed since",
            way_out="restore the file, and reproduce again",
        )
    options = {
        **params["options"],
        "columns": None if params["options"]["columns"] is None else tuple(params["options"]["columns"]),
    }
    how = ReadOptions(**options)
    source: Source = FileSource(path, how)
    if files:
        source = PartFiles(source, {part: FileSource(file, how) for part, file in files.items()})
    result = ingest_file(
        context.ledger,
        context.objects,
        source=source,
        target=params["target"],
        split=SplitSettings(**params["split"]),
        task=None if params["task"] is None else Task(params["task"]),
        kinds={name: Kind(kind) for name, kind in params["kinds"].items()},
        missing=None if params["missing"] is None else tuple(params["missing"]),
        drop=tuple(params["drop"]),
        positive=params["positive"],
        key=params.get("key"),
        project=project.name,
        run=run.id,
        again=context.replay is not None,
        redeals=inputs.get("redeals"),
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
        [{"name": c.name, "kind": c.kind.value, "why": c.why, "warnings": list(c.warnings)} for c in result.columns],
    )
    run.output("diff", result.diff)
    run.output("warnings", list(result.warnings))
    run.output("envelopes", len(version.envelopes))


def current_dataset(stages: Stages) -> str:
    """Digest of the version that the project works on: that of its source, with the labelled rows added to it since."""
    context = stages.context
    project, ledger = context.project, context.ledger
    if not project.source.is_file():
        raise SourceError(
            f"the source {project.declaration.data.source} is not there",
            why=f"penstock.toml names it under [data], and {project.source} is no file",
            way_out="put the file there, or correct [data] source",
        )
    files = {part: project.root / file for part, file in project.declaration.split.files.items()}
    for part, file in files.items():
        if not file.is_file():
            raise SourceError(
                f"the file of the {part} rows is not there",
                why=f"penstock.toml names it under [split] files, and {file} is no file",
                way_out="put the file there, or correct [split] files",
            )
    source = _digest_of(context, project.source, files)
    before = ledger.datasets.head(project.name)
    declared = declared_ingest(project)
    redeals = redealt_from(context.objects, before, declared["target"], declared["split"])
    inputs = {"source": source} if redeals is None else {"source": source, "redeals": redeals}
    read = stages.do("ingest", ingest, inputs, declared)
    base = str(read.outputs["dataset"])
    head = ledger.datasets.head(project.name)
    if head is not None and head != base and _grown_from(context, head, base):
        return head
    if head != base and not stages.dry:
        ledger.datasets.set_head(project.name, base)
    return _with_labelled_rows(stages, base, before)


def _digest_of(context: Context, path: Path, files: dict[str, Path]) -> str:
    """Of the source and the files of other parts."""
    source = context.ledger.cached_digest(path)
    if not files:
        return source
    from penstock.data.part_files import digest_of_parts

    return digest_of_parts(source, {part: context.ledger.cached_digest(file) for part, file in files.items()})


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
