"""`penstock new`: a project from a data file. The folder appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.errors import PenstockError, PrivacyUndecided, ProjectError, SourceError
from penstock.lifecycle.check import check_declaration
from penstock.lifecycle.ingest import current_dataset
from penstock.lifecycle.recipe import suggest_recipe
from penstock.lifecycle.stages import Context, Stages
from penstock.objects.files import naming_full_disk
from penstock.project.project import Project
from penstock.project.scaffold import render_declaration, write_folders
from penstock.project.workspace import FILE

if TYPE_CHECKING:
    from penstock.data.privacy.detect import PersonalColumn


@dataclass(frozen=True)
class NewResult:
    """Outcome of `penstock new`: what was decided, and why."""

    project: str
    task: str
    why_task: str
    target: str
    columns: list[dict[str, Any]]
    rows: dict[str, int]
    envelopes: int
    read_why: list[str]
    warnings: list[str]
    personal: list[dict[str, Any]] = field(default_factory=list)

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "project": self.project,
            "task": self.task,
            "why_task": self.why_task,
            "target": self.target,
            "columns": [{"name": c["name"], "kind": c["kind"], "why": c["why"]} for c in self.columns],
            "rows": {part: self.rows[part] for part in ("train", "valid", "test")},
            "envelopes": self.envelopes,
            "read": self.read_why,
            "warnings": self.warnings,
            "personal": self.personal,
        }

    def to_text(self) -> str:
        width = max((len(c["name"]) for c in self.columns), default=0)
        width = min(width, 32)
        shown = self.columns if len(self.columns) <= 60 else self.columns[:50]
        lines = [
            f"project {self.project}",
            f"  read: {'; '.join(self.read_why)}",
            f"  task: {self.task}, target {self.target!r} ({self.why_task})",
            *(f"  {c['name'][:width]:<{width}}  {c['kind']:<11}  {c['why']}" for c in shown),
        ]
        if len(shown) < len(self.columns):
            lines.append(f"  and {len(self.columns) - len(shown)} more columns; --json lists all")
        lines.append(
            f"  rows: {self.rows['train']} train, {self.rows['valid']} validation, {self.rows['test']} test "
            f"sealed in {self.envelopes} envelope(s)"
        )
        lines += [f"  warning: {w}" for w in self.warnings]
        for one in self.personal:
            lines.append(
                f"  personal: {one['column']} ({one['confidence']}): {one['evidence'][0]['why']}; proposed: {one['proposed']}"
            )
        if self.personal:
            lines += [
                "nothing of these columns is stored, and the file stays where it is and is not copied, until you decide: in",
                "penstock.toml under [privacy.columns], or `penstock data privacy --accept` for all that is proposed",
            ]
            hints = [one["column"] for one in self.personal if one["confidence"] == "low"]
            if hints:
                lines.append(
                    f"a hint (low) that is none: \"keep: REASON\" there, or `penstock new --privacy '{hints[0]}=keep'`"
                )
        wrote = "wrote penstock.toml (one line there overrides what was decided here)"
        decide = " && penstock data privacy --accept &&" if self.personal else " &&"
        lines += [
            f"{wrote}; the first run writes recipe.toml and contract.toml"
            if self.personal
            else f"{wrote}, recipe.toml and contract.toml (yours to edit)",
            f"next: cd {self.project}{decide} penstock run",
        ]
        return "\n".join(lines)


def new_project(
    folder: Path | str,
    *,
    data: Path | str,
    target: str,
    task: str | None = None,
    positive: str | int | float | bool | None = None,
    drop: tuple[str, ...] = (),
    missing: tuple[str, ...] | None = None,
    kinds: Mapping[str, str] | None = None,
    formats: Mapping[str, Sequence[str]] | None = None,
    timezone: str | None = None,
    key: str | None = None,
    header: bool = True,
    columns: tuple[str, ...] | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    encoding: str = "utf-8",
    form: str | None = None,
    file_column: str | None = None,
    query: str | None = None,
    cursor: str | None = None,
    split: str | None = None,
    gap: str | None = None,
    values: Mapping[str, Sequence[str]] | None = None,
    files: Mapping[str, Path | str] | None = None,
    seed: int = 0,
    privacy: Mapping[str, str] | None = None,
) -> NewResult:
    """Make a project folder: read the file, infer kinds and task, split and seal at once, suggest a recipe.

    Parameters
    ----------
    folder : must not exist, or be empty.
    data : a file (CSV, TSV, JSON lines or Parquet, also ``.gz``), which is copied to ``data/raw``; or a glob, a folder or
        a URL, which is read where it is. A file of what is or may be personal is not copied either, nor one of which a column is
        withheld by `privacy`, and nothing of such columns is stored until it is decided what becomes of them.
    form, file_column, query, cursor : ``format`` and the others as in `[data]` of the declaration.
    kinds : column -> kind, instead of what would be inferred. formats, timezone : how dates are written, as in `[data]`.
    split, gap, values, files : as in `[split]`; files of other parts are copied to ``data/raw`` too.
    privacy : column -> action, what is decided of columns already, as in `[privacy.columns]`, whether or not they look personal.
        ``keep`` needs no reason where no value of the column proves that it is personal.

    Raises
    ------
    ProjectError : the folder is not empty. SourceError, TargetError : the file or the target cannot be used.
    PrivacyUndecided : the target is or may be personal, and `privacy` does not say that it is kept.
    DeclarationError : an option has a value that is not known.
    """
    root, source = Path(folder).absolute(), Path(data)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ProjectError(
            f"{folder} exists and is not empty",
            why="a new project is never written over something",
            way_out="name another folder, or remove this one",
        )
    others = {part: Path(file) for part, file in (files or {}).items()}
    for part, file in others.items():
        if not file.is_file():
            raise SourceError(
                f"there is no file {file}",
                why="the path does not exist, or is a folder",
                way_out=f"check the path of --{part}-data",
            )
    if len({file.name for file in (source, *others.values())}) < 1 + len(others):
        raise SourceError(
            "two of the files have one name",
            why="they are copied into one folder, data/raw",
            way_out="give them different names",
        )
    dealt: dict[str, Any] = {"by": split or ("files" if others else "random")}
    dealt |= {} if gap is None else {"gap": float(gap) if _is_number(gap) else gap}
    dealt |= {"values": {part: list(said) for part, said in values.items()}} if values else {}
    dealt |= {"files": {part: f"data/raw/{file.name}" for part, file in others.items()}} if others else {}
    declared: dict[str, Any] = {"source": _declared_place(str(data)), "target": target}
    options = {
        "task": task,
        "positive": positive,
        "drop": list(drop) or None,
        "missing": None if missing is None else list(missing),
        "kinds": dict(kinds) if kinds else None,
        "formats": {name: list(said) for name, said in formats.items()} if formats else None,
        "timezone": timezone,
        "key": key,
        "header": None if header else False,
        "columns": None if columns is None else list(columns),
        "delimiter": delimiter,
        "quote": quote,
        "encoding": None if encoding == "utf-8" else encoding,
        "format": form,
        "file_column": file_column,
        "query": query,
        "cursor": cursor,
    }
    declared |= {name: value for name, value in options.items() if value is not None}
    place = str(source.resolve()) if source.is_file() else declared["source"]
    try:
        found = _personal([place, *(str(file.resolve()) for file in others.values())], declared)
    except PenstockError as error:
        _name_as_given(error, Path(place), data)
        raise
    sure = {one.name for one in found if one.is_sure}
    decided = {c: action if c in sure else _with_reason(action) for c, action in (privacy or {}).items()}
    undecided = [one for one in found if one.name not in decided]
    personal = [one for one in undecided if one.name not in drop]
    stays = bool(undecided) or any(not _keeps(action) for action in decided.values())
    _refuse_personal_target(personal, target)
    if stays:
        declared["source"] = place
        dealt |= {"files": {part: str(file.resolve()) for part, file in others.items()}} if others else {}
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}.new-", dir=root.parent))
    try:
        with naming_full_disk(root):
            write_folders(draft)
            for file in [] if stays else [*([source] if source.is_file() else []), *others.values()]:
                (draft / "data/raw").mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, draft / "data/raw" / file.name)
            result = _fill(draft, root.name, declared, dealt, seed, personal, decided)
        if root.exists():
            root.rmdir()
        draft.chmod(0o755)
        draft.rename(root)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, PenstockError):
            _name_as_given(error, draft / declared["source"], data)
        raise
    told = [{**one.to_json(), "proposed": proposed} for one, proposed in _proposals(personal, target)]
    return NewResult(project=str(folder), target=target, personal=told, **result)


_READING = frozenset(
    (
        "source",
        "format",
        "delimiter",
        "quote",
        "header",
        "columns",
        "encoding",
        "file_column",
        "query",
        "cursor",
        "key",
        "drop",
    )
)
"""The keys of `[data]` that say how rows are read; the others are checked with the whole declaration."""


def _personal(places: Sequence[str], declared: Mapping[str, Any]) -> list[PersonalColumn]:
    """What the files hold of personal data, before anything of them is stored; the strongest evidence for each column."""
    from penstock.data.privacy.recogniser import ORDER
    from penstock.data.privacy.survey import survey
    from penstock.data.sources.held import PassingSnapshots
    from penstock.data.sources.kind import Around
    from penstock.data.sources.opening import open_source
    from penstock.lifecycle.source import declared_source, settings_of
    from penstock.project.sections.data import DataSection

    if declared.get("format") == "images":
        return []
    found: dict[str, PersonalColumn] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for place in places:
            said = {name: value for name, value in {**declared, "source": place}.items() if name in _READING}
            params = declared_source(msgspec.convert(said, DataSection))
            around = Around(root=Path.cwd(), scratch=Path(scratch), snapshots=PassingSnapshots())
            source = open_source(settings_of(params), around)
            for one in survey(source):
                before = found.get(one.name)
                if before is None or ORDER.index(before.confidence) < ORDER.index(one.confidence):
                    found[one.name] = one
    return list(found.values())


def _keeps(action: str) -> bool:
    """Whether plain values of a column may be copied into the project: its person's word holds, whether or not it looks personal."""
    return action.partition(":")[0].strip() == "keep"


def _with_reason(action: str) -> str:
    """A false alarm costs one word: where no value proves anything, `keep` needs no reason, and the card says as much."""
    return "keep: no reason was given; its values prove nothing personal" if action.strip() == "keep" else action


def _refuse_personal_target(personal: Sequence[PersonalColumn], target: str) -> None:
    """A target that is withheld is none: what becomes of it has to be said at once."""
    for one in personal:
        if one.name == target:
            holds = "holds" if one.is_sure else "may hold"
            error = PrivacyUndecided(
                f"the target {target!r} {holds} personal data ({one.evidence[0].why}), and nobody has decided what becomes of it",
                why="nothing of an undecided column is stored, and a target cannot be changed: it is kept, or another one is predicted",
                way_out=f"say that it is kept, and why: --privacy '{target}=keep: REASON'; or name another target",
            )
            error.found = (one,)
            raise error


def _proposals(personal: Sequence[PersonalColumn], target: str) -> list[tuple[PersonalColumn, str]]:
    from penstock.data.privacy.survey import proposal

    return [(one, proposal(one, target)) for one in personal]


def _declared_place(data: str) -> str:
    """What the declaration says of ``--data``: the copy of a file, else the place itself, from wherever it is read."""
    scheme, separator, rest = data.partition("://")
    if separator:
        is_relative = scheme == "sqlite" and rest.startswith("/") and not rest.startswith("//")
        return f"sqlite:////{(Path.cwd() / rest[1:]).as_posix().lstrip('/')}" if is_relative else data
    path = Path(data)
    if path.is_file():
        return f"data/raw/{path.name}"
    from penstock.data.sources.listing import is_glob

    if not path.is_dir() and not is_glob(data):
        raise SourceError(
            f"there is no file {data}",
            why="nothing lies at this path",
            way_out="check the path of --data",
        )
    return Path(data).absolute().as_posix()


def _name_as_given(error: PenstockError, copy: Path, data: Path | str) -> None:
    """Speak of the file that the user gave, not of its copy in a folder that is gone."""
    error.what, error.why, error.way_out = (
        text.replace(str(copy), str(data)) for text in (error.what, error.why, error.way_out)
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _fill(
    draft: Path,
    name: str,
    declared: dict[str, Any],
    split: dict[str, Any],
    seed: int,
    personal: Sequence[PersonalColumn],
    decided: Mapping[str, str],
) -> dict[str, Any]:
    """Make the project in a folder that nobody sees yet."""
    from penstock.bundle.kinds import Task
    from penstock.evaluation.metrics import default_metric

    privacy = [
        (one.name, proposed, f"{one.confidence}: {one.evidence[0].why}")
        for one, proposed in _proposals(personal, declared["target"])
    ]

    def declare(task: str = "", guessed: Sequence[dict[str, Any]] = ()) -> None:
        metric = default_metric(Task(task)) if task else None
        text = render_declaration(
            name=name, data=declared, task=task, metric=metric, split=split, seed=seed, privacy=privacy, decided=decided,
            formats=[(column["name"], column["guessed"]) for column in guessed],
        )  # fmt: skip
        (draft / FILE).write_text(text, encoding="utf-8")

    declare()
    project = Project(draft)
    try:
        with Stages(Context(project), "new") as stages:
            dataset = current_dataset(stages)
            check_declaration(project, dataset)
            read = project.ledger.get(next(step.run for step in stages.steps if step.name == "ingest"))
            declare(read.outputs["task"], [column for column in read.outputs["columns"] if column.get("guessed")])
            if not personal:  # else the first run suggests one, of what the decisions let in
                (draft / "recipe.toml").write_text(suggest_recipe(stages.context, dataset), encoding="utf-8")
            stages.whole.output("dataset", dataset)
        found = {name: read.outputs[name] for name in ("task", "why_task", "columns", "rows", "envelopes", "read_why")}
        of_columns = [f"{c['name']}: {warning}" for c in found["columns"] for warning in c["warnings"]]
        return {**found, "warnings": [*read.outputs["warnings"], *of_columns]}
    finally:
        project.ledger.close()
