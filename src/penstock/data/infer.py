"""From text to a decoder: kinds, missing markers, formats and the task, from the training rows alone."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from penstock.bundle.decoder import ColumnSpec, Decoder, EncodedColumn, Kind
from penstock.bundle.kinds import Task
from penstock.bundle.specs import Label
from penstock.data.column_finding import ColumnFinding, Told
from penstock.data.evidence import Evidence, plain_numbers
from penstock.data.kinds import infer_column
from penstock.data.target import infer_target
from penstock.data.writing import NOT_SAID, Writing
from penstock.errors import SchemaMismatch, TargetError

SENTENCE_WORDS = 8  # a name of so many is rather a text of the first row


@dataclass(frozen=True)
class Inference:
    """A decoder, and why it is as it is: a finding for each column, in the order of the decoder's columns."""

    decoder: Decoder
    columns: tuple[ColumnFinding, ...]
    task: Task
    why_task: str
    warnings: tuple[str, ...] = field(default=())


def infer(
    columns: Mapping[str, EncodedColumn],
    target: str,
    train: np.ndarray,
    *,
    task: Task | None = None,
    kinds: Mapping[str, Kind] | None = None,
    missing: tuple[str, ...] | None = None,
    positive: Label | None = None,
    drop: Iterable[str] = (),
    known: Mapping[str, ColumnSpec] | None = None,
    outcomes: Evidence | None = None,
    total_rows: int | None = None,
    shares: Mapping[str, float] | None = None,
    writing: Writing = NOT_SAID,
    rounded: Collection[str] = (),
) -> Inference:
    """Infer how to read a table.

    Parameters
    ----------
    columns : name -> text of all rows, of which only those in `train` (positions) are looked at.
    task, kinds, missing, positive : the user's word, which is taken. drop : columns that are not kept.
    writing : what the user says of how dates and numbers are written.
    known : declarations of an earlier version, kept for the columns of that name.
    outcomes : the training values of the target, where `columns` are a sample; else they are found in there.
    total_rows, shares : of the whole table, where `columns` are a sample of its rows: how many it has, and of the rows with
        a value in a column the share that differ.
    rounded : columns whose numbers are kept themselves, also beyond 2^53, where float64 rounds them: keys, and what deals or orders rows.

    Raises
    ------
    TargetError : the target is absent, constant, empty, or does not fit the task.
    SchemaMismatch : `kinds` or `drop` name a column that is not there, or a kind that cannot be.
    """
    kinds, known, dropped = kinds or {}, known or {}, set(drop)
    check_names(columns, target, (*kinds, *dropped))
    if outcomes is None:
        outcomes = Evidence.of(columns[target], train)
    if total_rows is None:
        total_rows = len(columns[target].codes)
    specs: list[ColumnSpec] = []
    findings: list[ColumnFinding] = []
    for name in columns:
        if name == target or name in dropped:
            continue
        if name in known:
            specs.append(known[name])
            findings.append(ColumnFinding(name, known[name].kind, Told("as in the version before")))
            continue
        spec, finding = infer_column(
            name,
            Evidence.of(columns[name], train, share=None if shares is None else shares[name]),
            total_rows=total_rows,
            kind=kinds.get(name),
            missing=missing,
            written=writing.of(name),
            exact=name not in rounded,
        )
        specs.append(spec)
        if shares is not None:
            finding = finding.with_note(Told(f"by a sample of {len(train)} training rows"))
        findings.append(finding)
    found = infer_target(target, outcomes, task=task, positive=positive, missing=missing, written=writing.of(target))
    decoder = Decoder(tuple(specs), found.spec)
    return Inference(decoder, tuple(findings), found.spec.task, found.why, found.warnings)


def check_names(
    columns: Collection[str],
    target: str,
    others: Iterable[str] = (),
    *,
    where: str = "[data] kinds or drop",
) -> None:
    """Refuse names of columns that are not there, with the nearest. `where`: which setting names the `others`."""
    if target not in columns:
        near = difflib.get_close_matches(target, columns, 1)
        shown = ", ".join(list(columns)[:20])
        raise TargetError(
            f"there is no column {target!r} to predict",
            why=f"the columns are {shown}{', ...' if len(columns) > 20 else ''}",
            way_out=_way_out(near, columns),
        )
    for name in others:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, 1)
            raise SchemaMismatch(
                f"there is no column {name!r}",
                why=f"{where} names it, and the source does not have it",
                way_out=f"write {near[0]!r}" if near else "remove it there",
            )


def _way_out(near: list[str], columns: Iterable[str]) -> str:
    names = list(columns)
    numbers = sum(plain_numbers([name]) is not None for name in names)
    sentence = any(len(name.split()) >= SENTENCE_WORDS for name in names)
    if numbers >= max(1, len(names) / 4) or (sentence and not near):
        return (
            "the first line looks like a row, not like names: say --no-header (header = false under [data]), and name the "
            "target by its place, as c1, or give the names with --columns"
        )
    return f"--target {near[0]!r}" if near else "name one of these as the target"
