"""`penstock data privacy`: what personal data were found, how sure that is, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import PrivacyUndecided, SourceError
from penstock.project.project import Project
from penstock.project.sections.privacy import UNDECIDED
from penstock.project.workspace import FILE

if TYPE_CHECKING:
    from penstock.data.privacy.detect import PersonalColumn
    from penstock.lifecycle.source import Opened


@dataclass(frozen=True)
class PrivacyResult:
    """What was found, and where it stands.

    Attributes
    ----------
    columns : of each personal or declared column: `column`, `kind`, `confidence`, `proposed`, `evidence`, `action` ("" where
        nothing is declared) and `stands`: "decided", "undecided", "dropped" (by `[data] drop`) or "found" (of a file).
    accepted : columns whose proposals were accepted now. key : the privacy key, where it was asked for.
    """

    source: str
    columns: list[dict[str, Any]]
    accepted: dict[str, str] = field(default_factory=dict)
    key: str | None = None

    @property
    def exit_code(self) -> int:
        """1 where something is undecided."""
        return int(any(one["stands"] == "undecided" for one in self.columns))

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"source": self.source, "columns": self.columns, "accepted": self.accepted}
        return plain if self.key is None else {**plain, "key": self.key}

    def to_text(self) -> str:
        if self.key is not None:
            return self.key
        lines = [f"{self.source}: {_count(self.columns)}"]
        for one in self.columns:
            found = f"{one['kind']}, {one['confidence']} confidence" if one.get("kind") else "nothing found"
            lines.append(f"  {one['column']}: {found}; {_stands(one)}")
            lines += [f"    {e['confidence']}: {e['why']}" for e in one.get("evidence", [])]
        lines += [f"accepted: {column} = {action}" for column, action in self.accepted.items()]
        if self.exit_code:
            lines.append(f"decide in {FILE} under [privacy.columns], or accept: penstock data privacy --accept")
        if any(one.get("kind") for one in self.columns):
            kind = next(one["kind"] for one in self.columns if one.get("kind"))
            lines.append(f"what this means: penstock explain-check {kind}")
        return "\n".join(lines)


def _count(columns: list[dict[str, Any]]) -> str:
    found = sum(bool(one.get("kind")) for one in columns)
    if not found:
        return "no personal data found"
    return "1 column holds personal data" if found == 1 else f"{found} columns hold personal data"


def _stands(one: Mapping[str, Any]) -> str:
    if one["stands"] == "decided":
        return f"decided: {one['action']}"
    if one["stands"] == "undecided":
        return f"UNDECIDED, proposed: {one['proposed']}"
    return "left out by [data] drop" if one["stands"] == "dropped" else f"proposed: {one['proposed']}"


def privacy_of_file(file: Path | str, **written: Any) -> PrivacyResult:
    """What a file holds of personal data. Nothing is stored.

    Parameters
    ----------
    written : how it is written, where that is not found: keywords of `ReadOptions`.

    Raises
    ------
    SourceError : it cannot be read.
    """
    from penstock.data.privacy.survey import survey
    from penstock.data.sources.file import FileSource
    from penstock.objects.tabular import ReadOptions

    path = Path(file)
    if not path.is_file():
        raise SourceError(f"there is no file {file}", why="the path does not exist, or is a folder", way_out="check it")
    found = survey(FileSource(path, ReadOptions(**written)))
    return PrivacyResult(path.name, [{**one.to_json(), "action": "", "stands": "found"} for one in found])


def privacy_of_project(project: Project, *, accept: bool = False) -> PrivacyResult:
    """What the declared source holds, and what the declaration says of it. It is recorded as a run, and no row of it is stored.

    Parameters
    ----------
    accept : write every proposal into `penstock.toml` as decided, and record who did, in the audit trail.

    Raises
    ------
    SourceError : the source cannot be read. DeclarationError : the file cannot be edited.
    """
    from penstock.data.privacy.survey import proposal, survey, undecided
    from penstock.lifecycle.ingest import declared_ingest
    from penstock.lifecycle.source import open_declared
    from penstock.lifecycle.stages import Context

    declaration = project.declaration
    section, target = declaration.privacy, declaration.data.target
    source = open_declared(Context(project), declared_ingest(project, look=True), look=True).whole
    found = survey(source, off=section.off)
    new = {one.name: proposal(one, target) for one in undecided(found, (*section.columns,), declaration.data.drop)}
    accepted = {**section.undecided, **new} if accept else {}
    decided = {**section.decided, **accepted}
    columns = _columns(found, decided, {**section.undecided, **new}, target)
    ledger = project.ledger
    with ledger.run(
        "privacy", inputs={"source": source.digest()}, params={"accept": accept}, project=project.name
    ) as run:
        if accepted:
            _write(project, new)
            event = ledger.audit.append("accept privacy", project.name, {"columns": accepted, "run": run.id})
            run.output("accepted", {"columns": accepted, "who": event.who, "at": event.at})
        run.output("columns", columns)
    return PrivacyResult(declaration.data.source, columns, accepted)


def _write(project: Project, new: Mapping[str, str]) -> None:
    from penstock.objects.files import write_atomic
    from penstock.project.privacy_lines import accept

    path = project.root / FILE
    write_atomic(path, accept(path.read_text(encoding="utf-8-sig"), new).encode())


def privacy_key_of(project: Project) -> PrivacyResult:
    """The privacy key, for a server elsewhere; that it was shown is in the audit trail."""
    from penstock.data.privacy.keyed import privacy_key

    key = privacy_key(project.ledger).hex()
    project.ledger.audit.append("show privacy key", project.name)
    return PrivacyResult(project.declaration.data.source, [], key=key)


def refuse_undecided_of(opened: Opened, params: Mapping[str, Any]) -> None:
    """Stop where what was opened holds personal columns that the parameters of an ingest leave undecided.

    Also those by which a database is joined: their values are kept with what it answered. They are called as the rows call them.

    Raises
    ------
    PrivacyUndecided : nothing of it is stored.
    """
    from penstock.data.privacy.survey import refuse_undecided, survey, survey_batches, undecided

    said = params.get("privacy", {"actions": {}, "kept": (), "off": ()})
    decided, off = {*said["actions"], *said["kept"]}, said["off"]
    open_ = {one.name: one for one in undecided(survey(opened.whole, off=off), decided, params["drop"])}
    for join in opened.joins:
        if join.source.kept is None:
            continue
        called = dict(zip(join.right_on, join.left_on, strict=True))
        called |= {join.as_of.right: join.as_of.left} if join.as_of else {}
        found = survey_batches(called, join.source.batches(), off=off)
        of_rows = [replace(one, name=called[one.name]) for one in found]
        open_ = {**{one.name: one for one in undecided(of_rows, decided)}, **open_}
    refuse_undecided(list(open_.values()), params["target"])


def refuse_open_decisions(project: Project) -> None:
    """Stop where the declaration leaves a personal column undecided.

    Raises
    ------
    PrivacyUndecided : with the columns, and what to edit.
    """
    undecided = project.declaration.privacy.undecided
    if not undecided:
        return
    named = ", ".join(repr(column) for column in undecided)
    column, action = next(iter(undecided.items()))
    raise PrivacyUndecided(
        f"it is undecided what becomes of the personal data in {named}",
        why=f"{FILE} says {UNDECIDED!r} of them under [privacy.columns], and until that is gone nothing of them is stored",
        way_out=f'decide each, as in {column} = "{action}", or accept all proposals: penstock data privacy --accept',
    )


def _columns(
    found: list[PersonalColumn], decided: Mapping[str, str], undecided: Mapping[str, str], target: str
) -> list[dict[str, Any]]:
    from penstock.data.privacy.survey import proposal

    columns: list[dict[str, Any]] = []
    for one in found:
        stands = "decided" if one.name in decided else "undecided" if one.name in undecided else "dropped"
        action = decided.get(one.name, "")
        proposed = undecided.get(one.name) or proposal(one, target)
        columns.append({**one.to_json(), "proposed": proposed, "action": action, "stands": stands})
    named = {one.name for one in found}
    for column, action in {**decided, **undecided}.items():
        if column not in named:
            stands = "decided" if column in decided else "undecided"
            done = action if column in decided else ""
            columns.append(
                {
                    "column": column,
                    "kind": None,
                    "confidence": None,
                    "proposed": action,
                    "evidence": [],
                    "action": done,
                    "stands": stands,
                }
            )
    return columns
