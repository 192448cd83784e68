"""From text to a decoder: kinds, missing markers, formats and the task, from the training rows alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from penstock.bundle.decoder import ColumnSpec, Decoder, EncodedColumn, Kind
from penstock.bundle.kinds import Task
from penstock.bundle.specs import Label
from penstock.data.evidence import Evidence, plain_numbers
from penstock.data.kinds import ColumnFinding, infer_column
from penstock.data.target import infer_target
from penstock.errors import SchemaMismatch, TargetError


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
) -> Inference:
    """Infer how to read a table.

    Parameters
    ----------
    columns : name -> text of all rows, of which only those in `train` (positions) are looked at.
    task, kinds, missing, positive : the user's word, which is taken. drop : columns that are not kept.
    known : declarations of an earlier version, kept for the columns of that name.

    Raises
    ------
    TargetError : the target is absent, constant, empty, or does not fit the task.
    SchemaMismatch : `kinds` or `drop` name a column that is not there, or a kind that cannot be.
    """
    kinds, known, dropped = kinds or {}, known or {}, set(drop)
    check_names(columns, target, (*kinds, *dropped))
    any_column = columns[target]
    specs: list[ColumnSpec] = []
    findings: list[ColumnFinding] = []
    for name, column in columns.items():
        if name == target or name in dropped:
            continue
        if name in known:
            specs.append(known[name])
            findings.append(ColumnFinding(name, known[name].kind, "as in the version before"))
            continue
        spec, finding = infer_column(
            name,
            Evidence.of(column, train),
            total_rows=len(any_column.codes),
            kind=kinds.get(name),
            missing=missing,
        )
        specs.append(spec)
        findings.append(finding)
    found = infer_target(target, Evidence.of(any_column, train), task=task, positive=positive, missing=missing)
    decoder = Decoder(tuple(specs), found.spec)
    return Inference(decoder, tuple(findings), found.spec.task, found.why, found.warnings)


def check_names(
    columns: Mapping[str, EncodedColumn],
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
    if numbers >= max(1, len(names) / 4):
        return (
            "the first line looks like a row, not like names: say --no-header (header = false under [data]), and name the "
            "target by its place, as c1, or give the names with --columns"
        )
    return f"--target {near[0]!r}" if near else "name one of these as the target"
