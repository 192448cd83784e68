"""The declared source: opened for a stage, and what a run tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import SourceError
from penstock.objects.digests import canonical_json
from penstock.project.project import Project
from penstock.project.sections.data import AsOfSection, DataSection, JoinSection, is_database, names_of
from penstock.project.split_settings import UNITS_S, parsed_gap

if TYPE_CHECKING:
    from penstock.data.source import Source
    from penstock.data.sources.declared import DeclaredSource
    from penstock.data.sources.held import HeldSnapshots
    from penstock.data.sources.joined import AsOf, Join
    from penstock.data.sources.kind import Around, SourceSettings
    from penstock.ledger.run import Run
    from penstock.lifecycle.stages import Context

ARTIFACT = "files"
TABLES = ("csv", "jsonl", "json", "parquet")


def declared_source(data: DataSection) -> dict[str, Any]:
    """What of `[data]` says where the rows come from, and how they are read. What is as usual is left out, but for the old keys."""
    more: dict[str, Any] = {}
    for name in ("file_column", "query", "cursor"):
        if getattr(data, name) is not None:
            more[name] = getattr(data, name)
    if data.cursor is not None and data.key is not None:
        more["key"] = data.key
    if is_database(data.source) and data.drop:
        more["drop"] = sorted(data.drop)  # what is not kept of a database is not fetched either
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
        **({"reading": more} if more else {}),
        **({"joins": [_declared_join(join, data) for join in data.join]} if data.join else {}),
    }


def _declared_join(join: JoinSection, data: DataSection) -> dict[str, Any]:
    options = {"format": join.format, "delimiter": join.delimiter, "quote": join.quote, "header": True, "columns": None}
    more: dict[str, Any] = {
        name: getattr(join, name) for name in ("query", "cursor", "key") if getattr(join, name) is not None
    }
    as_of = join.as_of
    if is_database(join.source) and join.columns:  # what is not taken is not kept either
        times = () if as_of is None else (as_of.right,)
        more["only"] = sorted({*(names_of(join.on) or names_of(join.right_on)), *times, *join.columns})
    return {
        "path": join.source,
        "options": {**options, "encoding": join.encoding},
        **({"reading": more} if more else {}),
        "left_on": list(names_of(join.on) or names_of(join.left_on)),
        "right_on": list(names_of(join.on) or names_of(join.right_on)),
        "columns": list(join.columns),
        "prefix": join.prefix,
        "as_of": None if as_of is None else _declared_as_of(as_of, data),
    }


def _declared_as_of(as_of: AsOfSection, data: DataSection) -> dict[str, Any]:
    """What is said of the times; what `[data]` says of those of the rows need not be said again."""
    zone = data.timezone if isinstance(data.timezone, str) else data.timezone.get(as_of.left, "")
    told = {
        "left_formats": list(as_of.left_formats or names_of(data.formats.get(as_of.left, ()))),
        "right_formats": list(as_of.right_formats),
        "timezone": as_of.timezone or zone,
    }
    return {
        "left": as_of.left, "right": as_of.right, "strict": as_of.strict, "max_age_us": _age_us(as_of.max_age),
        **{name: value for name, value in told.items() if value},
    }  # fmt: skip


def _as_of(params: Mapping[str, Any]) -> AsOf:
    from penstock.data.sources.joined import AsOf

    formats = {name: tuple(params.get(name, ())) for name in ("left_formats", "right_formats")}
    return AsOf(**{**params, **formats})


def _age_us(age: str | float | None) -> float | None:
    """Microseconds; of a number without a unit, that number."""
    parsed = None if age is None else parsed_gap(age)
    if parsed is None:
        return None
    amount, unit = parsed
    return amount * UNITS_S[unit] * 1e6 if unit else amount


def settings_of(params: Mapping[str, Any]) -> SourceSettings:
    """The settings that `declared_source` wrote into the parameters of a run."""
    from penstock.data.sources.kind import SourceSettings
    from penstock.objects.tabular import ReadOptions

    options = dict(params["options"])
    form = None if options["format"] in (None, *TABLES) else options["format"]
    options["format"] = None if form is not None else options["format"]
    options["columns"] = None if options["columns"] is None else tuple(options["columns"])
    more = dict(params.get("reading", {}))
    more |= {name: tuple(more[name]) for name in ("drop", "only") if name in more}
    return SourceSettings(params["path"], ReadOptions(**options), form, **more)


@dataclass(frozen=True)
class Opened:
    """The declared source, opened.

    Attributes
    ----------
    main : the rows of `[data]`. whole : with those of `[split] files`, which have the same columns.
    fetched : digests of what databases answered, by the role of the source that asked.
    joins : the other sources, whose columns stand in `main`.
    """

    main: DeclaredSource
    whole: Source
    fetched: Mapping[str, str]
    joins: Sequence[Join] = ()

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What an ingest depends on, as it is when this is asked for the first time."""
        return {"source": self.whole.digest(), **({"fetched": dict(self.fetched)} if self.fetched else {})}

    def refuse_other(self, inputs: Mapping[str, Any], *, replayed: bool) -> None:
        """Refuse a source that is not what the inputs of an ingest say.

        Raises
        ------
        SourceError : it has changed since.
        """
        if self.whole.digest() == inputs["source"]:
            return
        place = str(next(iter(self.main.origin.values()), "the source"))
        if replayed:
            raise SourceError(
                f"{Path(place).name} is not what this run read",
                why="its bytes have changed since",
                way_out="restore the file, and reproduce again",
            )
        raise SourceError(
            f"{place} changed while it was read",
            why="its content differs from what it was a moment ago",
            way_out="wait until whatever writes it is done, and start again",
        )


def open_declared(
    context: Context,
    params: Mapping[str, Any],
    *,
    inputs: Mapping[str, Any] | None = None,
    dry: bool = False,
    look: bool = False,
) -> Opened:
    """The source that the parameters of an ingest name.

    What a database answers is held back until it is looked through: it is stored where nothing personal in it is undecided, and
    else nowhere.

    Parameters
    ----------
    inputs : of the ingest: what a database answered then is read again, and nothing is asked. None: it is asked.
    dry : nothing is fetched that is to be kept.
    look : it is for a look alone: what a database answers is not stored, and nothing has to be decided.

    Raises
    ------
    SourceError, DeclarationError : there is nothing, or it cannot be read.
    PrivacyUndecided : a database answers something new, and personal columns of it are undecided; nothing of it is stored.
    """
    held = _held(context)
    try:
        opened = _opened(context, params, held, {} if inputs is None else inputs.get("fetched", {}), dry)
        if held.waiting and not look:
            from penstock.lifecycle.privacy import refuse_undecided_of

            refuse_undecided_of(opened, params)
            held.settle()
    except BaseException:
        held.close()
        raise
    return opened


def _opened(
    context: Context, params: Mapping[str, Any], held: HeldSnapshots, pinned: Mapping[str, str], dry: bool
) -> Opened:
    from penstock.data.sources.opening import open_source

    fetched: dict[str, str] = {}

    def opened(role: str, settings: SourceSettings) -> DeclaredSource:
        source = open_source(settings, _around(context, held, dry=dry, pinned=pinned.get(role)))
        if source.kept is not None:
            fetched[role] = source.kept
        return source

    settings = settings_of(params)
    main: DeclaredSource = opened("main", settings)
    joins = _joins(params, opened)
    if joins:
        from penstock.data.sources.joined import JoinedSource

        main = JoinedSource(main, joins)
    files = params.get("files", {})
    if not files:
        return Opened(main, main, fetched, joins)
    from penstock.data.part_files import PartFiles

    others = {part: opened(part, replace(settings, place=file)) for part, file in files.items()}
    for other in others.values():
        other.digest()  # says what is wrong with it before anything is read
    return Opened(main, PartFiles(main, others), fetched, joins)


def _joins(params: Mapping[str, Any], opened: Callable[[str, SourceSettings], DeclaredSource]) -> list[Join]:
    """The sources that are joined to the rows."""
    if not params.get("joins"):
        return []
    from penstock.data.sources.joined import Join

    return [
        Join(
            opened(f"join {number}", settings_of(join)),
            join["path"],
            tuple(join["left_on"]),
            tuple(join["right_on"]),
            tuple(join["columns"]),
            join["prefix"],
            None if join["as_of"] is None else _as_of(join["as_of"]),
        )
        for number, join in enumerate(params["joins"], 1)
    ]


def with_joins(context: Context, params: Mapping[str, Any], main: DeclaredSource) -> DeclaredSource:
    """A file with the columns of the declared joins beside its own, as a run reads it; of databases, what was fetched last.

    It stays as it is where it brings one of their columns itself, or lacks one by which they are found.

    Raises
    ------
    SourceError : a joined source cannot be read.
    """
    from penstock.data.sources.joined import JoinedSource
    from penstock.data.sources.opening import open_source

    around = _around(context, _held(context), dry=True, pinned=None)
    joins = _joins(params, lambda _, settings: open_source(settings, around))
    own = set(main.names)
    for join in joins:
        found_by = {*join.left_on, *((join.as_of.left,) if join.as_of else ())}
        if not found_by <= own or own & set(join.names):
            return main
        own.update(join.names)
    return JoinedSource(main, joins) if joins else main


def _held(context: Context) -> HeldSnapshots:
    from penstock.data.sources.held import HeldSnapshots

    return HeldSnapshots(context.ledger, context.project.name, context.project.state / "fetched")


def _around(context: Context, held: HeldSnapshots, *, dry: bool, pinned: str | None) -> Around:
    """What sources may use of a project."""
    from penstock.data.sources.kind import Around

    project = context.project
    return Around(
        root=project.root,
        digests=context.ledger.digests.of_all,
        remote_digests=context.ledger.digests,
        snapshots=held,
        scratch=project.state / "fetched",
        dry=dry,
        pinned=pinned,
    )


def tell(context: Context, run: Run, source: DeclaredSource, parent: str | None) -> list[str]:
    """Record the files of a source; what has become of those that the version before was made of, in words."""
    contents = dict(source.contents)
    warnings = list(source.warnings)
    if not contents:
        return warnings
    run.keep(ARTIFACT, canonical_json(contents), media="application/json")
    before = _contents_of(context, parent)
    if before is None:
        return warnings
    new = [name for name in contents if name not in before]
    gone = [name for name in before if name not in contents]
    changed = [name for name in contents if before.get(name, contents[name]) != contents[name]]
    run.output("files", {"all": len(contents), "new": len(new), "changed": len(changed), "gone": len(gone)})
    for names, what in (
        (changed, "changed since the version before: the rows that are not in it any more leave the data set"),
        (gone, "gone since the version before: the rows of it that no other file has leave the data set"),
    ):
        if names:
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            warnings.append(f"{len(names)} file{'s' if len(names) > 1 else ''} of the source {what} ({shown})")
    return warnings


def _contents_of(context: Context, dataset: str | None) -> dict[str, str] | None:
    """The files that a version, or the nearest before it, was made of."""
    while dataset is not None:
        if (found := files_of(context, dataset)) is not None:
            return found
        dataset = context.ledger.datasets.get(dataset).parent
    return None


def files_of(context: Context, dataset: str) -> dict[str, str] | None:
    """The files that a version was made of, name -> digest; None where its run tells none."""
    record = context.ledger.datasets.get(dataset)
    run = None if record.run is None else context.ledger.get(record.run)
    if run is None or ARTIFACT not in run.artifacts:
        return None
    found: dict[str, str] = json.loads(context.ledger.artifact(run, ARTIFACT))
    return found


WATCHED = 500
"""So many files of a source are watched while a script runs: their names go through its environment, which has an end."""


def source_is_there(project: Project) -> bool:
    """Whether there is something to read; what is elsewhere is taken to be there. Nothing is read or fetched."""
    files = source_files(project)
    return files is None or any(path.is_file() for path in files)


def source_files(project: Project) -> tuple[Path, ...] | None:
    """The files on this machine that the source consists of, whether or not they are there; None where it is elsewhere."""
    from penstock.data.sources.databases import without_table
    from penstock.data.sources.listing import files_below, files_of_glob, is_glob

    place = project.declaration.data.source
    if place.startswith("sqlite://"):
        return (project.root / without_table(place)[0].removeprefix("sqlite:///"),)
    if "://" in place:
        return None
    path = project.root / place
    if path.is_dir():
        return tuple(path / name for name in files_below(path))
    if is_glob(place) and not path.exists():
        return tuple(files_of_glob(project.root, place))
    return (path,)
