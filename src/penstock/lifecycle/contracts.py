"""`penstock data contract` and `penstock data accept`: the contract shown, inferred anew, and changed for what is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.data.sources.kind import NotFetched
from penstock.errors import ContractError
from penstock.lifecycle.contract import (
    file_as_declared,
    infer_text,
    may_show,
    note_inferred,
    parsed,
    personal_of,
    read_contract,
)
from penstock.lifecycle.readings import readings
from penstock.lifecycle.source import open_declared
from penstock.lifecycle.stages import Context, Stages
from penstock.objects.digests import digest_of
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.data.contract.contract import Contract


@dataclass(frozen=True)
class Accepted:
    """Outcome of `penstock data accept`: what was changed in the contract."""

    file: str
    contract: str
    lines: list[str]
    breaches: list[dict[str, Any]]
    left: list[str]
    reason: str
    who: str
    run: str | None
    data: tuple[str, ...] = ()

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "contract": self.contract,
            "lines": self.lines,
            "breaches": self.breaches,
            "left": self.left,
            "reason": self.reason,
            "who": self.who,
            "run": self.run,
            "data": list(self.data),
        }

    def to_text(self) -> str:
        if self.run is None:
            left = f"nothing that an edit of it accepts; still broken: {', '.join(self.left)}" if self.left else ""
            lines = [left or f"{self.file} keeps {self.contract}: there is nothing to accept"]
        else:
            lines = [f"{self.contract}: accepted by {self.who}: {self.reason}", *(f"  {line}" for line in self.lines)]
        if self.data:
            lines.append("write the same under [data] of the declaration, as the data set would not read it else:")
            lines += [f"  {line}" for line in self.data]
        if self.run is None:
            return "\n".join(lines)
        if self.left:
            lines.append(f"  still broken: {', '.join(self.left)}")
        return "\n".join([*lines, "next: penstock run"])


def accept(
    project: Project, file: Path | None = None, *, column: str | None = None, reason: str, **written: Any
) -> Accepted:
    """Change the contract so that a file (default: the source) keeps it; who did it, what and why are recorded.

    Parameters
    ----------
    column : only what broke in this column (or comparison); default: all of it.
    written : as of `check_file`.

    Raises
    ------
    ContractError : there is no contract, or it cannot be edited in place. NotFound : nothing broke in that column.
    """
    from penstock.data.contract.breach import merged, toml_lines
    from penstock.data.contract.check import check_source
    from penstock.data.contract.edit import apply_edits
    from penstock.errors import NotFound
    from penstock.lifecycle.ingest import declared_ingest
    from penstock.lifecycle.settings import overriding
    from penstock.objects.files import write_atomic

    by = overriding(reason)
    assert by is not None  # a reason is always given
    text, contract = existing(project)
    name = project.declaration.contract.file
    context = Context(project)
    if file is None:
        source, place = open_declared(context, declared_ingest(project)).whole, project.declaration.data.source
    else:
        source, place = file_as_declared(project, file, **written), str(file)
    digest = source.digest()
    unlike = readings(project, contract, declared_ingest(project), source.options if file is None else None)
    found = check_source(contract, source, may_show(context, project), readings=unlike, **personal_of(project))
    chosen = [b for b in found.breaches if column is None or b.about == column]
    if column is not None and not chosen:
        raise NotFound(
            f"nothing that is about {column!r} is broken by {place}",
            why=f"what broke is about {', '.join(sorted({b.about or 'the table' for b in found.breaches})) or 'nothing'}",
            way_out="name one of these, or leave --column out",
        )
    edit = merged(chosen)
    left = [" ".join(filter(None, (b.id, b.about))) for b in found.breaches if b not in chosen or not b.edit]
    data = tuple(dict.fromkeys(line for breach in chosen for line in breach.data))
    if not edit:
        told = [b.to_json() for b in found.breaches]
        return Accepted(place, name, [], told, left, by["reason"], by["who"], None, data)
    note = " ".join(f"accepted {by['at']} by {by['who']}: {by['reason']}".split())
    changed = apply_edits(text, edit, note, name=name)
    parsed(project, changed)
    lines = toml_lines(edit)
    ledger = project.ledger
    inputs = {"contract": digest_of(text.encode()), "source": digest}
    with ledger.run(
        "accept", inputs=inputs, params={"file": place, "column": column, **by}, project=project.name
    ) as run:
        run.keep("contract", changed.encode(), media="application/toml")
        run.output("lines", lines)
        run.output("broken", [[b.id, b.about, b.rows] for b in chosen])
        write_atomic(project.contract_file, changed.encode())
    ledger.audit.append("accept", project.name, {"file": place, "lines": lines, **by})
    return Accepted(place, name, lines, [b.to_json() for b in chosen], left, by["reason"], by["who"], run.id, data)


def existing(project: Project) -> tuple[str, Contract]:
    """The contract's text and what it says; ContractError where there is none."""
    text = read_contract(project)
    if text is None:
        raise ContractError(
            f"there is no {project.declaration.contract.file}",
            why="nothing was inferred or written yet",
            way_out="penstock data contract --infer",
        )
    return text, parsed(project, text)


@dataclass(frozen=True)
class ContractSheet:
    """Outcome of `penstock data contract`."""

    contract: str
    text: str
    columns: int
    rules: int
    wrote: bool
    unknown: list[str]
    checked_only: bool = False

    @property
    def exit_code(self) -> int:
        return 1 if self.unknown else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "contract": self.contract,
            "text": self.text,
            "columns": self.columns,
            "rules": self.rules,
            "wrote": self.wrote,
            "unknown": self.unknown,
        }

    def to_text(self) -> str:
        told = f"{self.contract}: {self.columns} columns, {self.rules} rules"
        lines = [] if self.checked_only or self.wrote else [self.text.rstrip(), ""]
        lines.append(f"wrote {told}" if self.wrote else told)
        lines += [f"  ! {name}: no column of the data set has this name" for name in self.unknown]
        return "\n".join(lines)


def show_contract(
    project: Project, *, infer: bool = False, check_only: bool = False, force: bool = False
) -> ContractSheet:
    """The contract as it is, or one that is inferred anew.

    Parameters
    ----------
    infer : make one of the training rows and write it. force : over one that is there. check_only : leave its text out.

    Raises
    ------
    ContractError : its text is wrong; there is none, or one is there already and `force` is not said.
    NotFound : nothing was ingested yet that one could be inferred from.
    """
    from penstock.data.versions import load_version
    from penstock.errors import NotFound
    from penstock.objects.files import write_atomic

    name = project.declaration.contract.file
    head = project.ledger.datasets.head(project.name)
    if infer:
        if head is None:
            raise NotFound("this project has no data set yet", why="nothing was ingested", way_out="run `penstock run`")
        if project.contract_file.exists() and not force:
            raise ContractError(
                f"{name} is there already",
                why="what a person has written into it would be lost",
                way_out="penstock data contract --infer --force; or copy the lines that you want from --json",
            )
        with Stages(Context(project), "contract") as stages:
            text = infer_text(stages.context, head)
            write_atomic(project.contract_file, text.encode())
            _note_if_same_source(stages, text, head)
    text, contract = existing(project)
    known = None if head is None else load_version(project.objects, head).decoder
    names = (
        set() if known is None else {spec.name for spec in known.columns} | {known.target.name if known.target else ""}
    )
    drop = set(project.declaration.data.drop)
    unknown = [c for c, rules in contract.columns.items() if names and c not in names | drop and not rules.optional]
    asked = sum(sum(v is not None and v is not False for v in _asked(rules)) for rules in contract.columns.values())
    return ContractSheet(
        name, text, len(contract.columns), asked + len(contract.comparisons), infer, unknown, check_only
    )


def _asked(rules: Any) -> list[Any]:
    keys = ("kind", "missing_at_most", "at_least", "at_most", "values", "length_at_least", "length_at_most", "pattern")
    return [*(getattr(rules, key) for key in keys), rules.unique, rules.whole, rules.newest_within_s]


def _note_if_same_source(stages: Stages, text: str, head: str) -> None:
    """The source of the version is what the contract was made of, where it is still that one."""
    from penstock.data.versions import load_version
    from penstock.errors import SourceError
    from penstock.lifecycle.ingest import declared_ingest

    declared = declared_ingest(stages.context.project)
    try:
        source = open_declared(stages.context, declared, dry=True).inputs
    except (SourceError, NotFetched):
        return  # a source that is not there now is checked when it comes
    if load_version(stages.context.objects, head).manifest["source"].get("digest") == source["source"]:
        note_inferred(stages, text, source, declared)
