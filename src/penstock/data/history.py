"""Joins as of a time: the columns of `[history]`, worked out as rows are read, so that everything behind finds them as columns.

A row sees earlier rows of its own part and of the parts before it: a validation row sees training rows, a test row all; never the
other way round. Rows of no part (without a target, or in a gap) are seen by validation and test rows, not by training rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from penstock.bundle.decoder import ColumnSpec, Decoder, Frame, Kind
from penstock.bundle.history import History, Past
from penstock.bundle.kinds import Task
from penstock.bundle.specs import EncodedColumn
from penstock.data.column_finding import ColumnFinding, Told
from penstock.data.split import TEST, TRAIN, VALID
from penstock.errors import DeclarationError

VISIBLE_LATER = 1
RANK = {TRAIN: 0, VALID: 1, TEST: 2}


def needed(pasts: Sequence[Past], names: Sequence[str], drop: Sequence[str]) -> tuple[str, ...]:
    """The columns that are read of all rows.

    Raises
    ------
    DeclarationError : one is not there or is dropped, or a new column has a name that is taken.
    """
    from difflib import get_close_matches

    for past in pasts:
        if past.name in names:
            raise _wrong(past, f"the source has a column {past.name!r}", "give the column of [history] another name")
        for name in past.needs:
            if name not in names:
                near = get_close_matches(name, names, 1)
                raise _wrong(
                    past, f"there is no column {name!r}", f"did you mean {near[0]!r}?" if near else "name a column"
                )
            if name in drop:
                raise _wrong(past, f"{name!r} is dropped ([data] drop)", "keep the column, or another one")
    return tuple(dict.fromkeys(name for past in pasts for name in past.needs))


def with_history(decoder: Decoder, pasts: Sequence[Past]) -> Decoder:
    """A decoder that knows the columns that look back; behind its own columns.

    Raises
    ------
    DeclarationError : a column is read as something that cannot be looked at.
    """
    specs = {name: _spec(decoder, name) for past in pasts for name in past.needs}
    columns = []
    for past in pasts:
        over = specs[past.over].kind
        if over not in (Kind.DATETIME, Kind.NUMERIC):
            raise _wrong(past, f"over = {past.over!r} is {over}, not a time", "name a column of dates or of numbers")
        if past.of is not None and specs[past.of].kind is not Kind.NUMERIC:
            raise _wrong(past, f"of = {past.of!r} is {specs[past.of].kind}, not numeric", "name a column of numbers")
        personal = next((name for name in past.needs if getattr(specs[name], "privacy", None) is not None), None)
        if personal is not None:
            raise _wrong(past, f"{personal!r} is personal and protected", "look back by a column that is not")
        columns.append(past)
    history = History(tuple(columns), tuple(specs.values()))
    return replace(
        decoder,
        columns=(*decoder.columns, *(ColumnSpec(past.name, Kind.NUMERIC) for past in pasts)),
        history=history,
    )


def looked_back(
    decoder: Decoder, kept: Iterable[Mapping[str, EncodedColumn]], y: np.ndarray, parts: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of all rows that look back, float64 (n,), by name.

    Parameters
    ----------
    kept : the columns that are read, as text, batch by batch: of all rows together only what is decoded is held.
    y : the target, where one of the columns is it. parts : of each row, int8.
    """
    history, target = decoder.history, decoder.target
    if history is None:
        return {}
    names = {spec.name for spec in decoder.columns}
    own = replace(decoder, columns=tuple(spec for spec in history.specs if spec.name in names), history=None)
    batches = ({name: column for name, column in batch.items() if name in names} for batch in kept)
    frame = Frame.concat([own.decode_columns(batch)[0] for batch in batches])
    if target is not None and target.name in {spec.name for spec in history.specs}:
        frame = Frame({**frame.columns, target.name: y}, {**frame.kinds, target.name: Kind.NUMERIC}, len(y))
    rank = np.full(len(parts), VISIBLE_LATER, np.int64)
    for part, own_rank in RANK.items():
        rank[parts == part] = own_rank
    return history.values(frame, rank)


def thin_past(pasts: Sequence[Past], split_by: str, parts: np.ndarray) -> list[str]:
    """A warning where training rows look back at fewer rows than a served row will: a random split leaves out some of each past."""
    if not pasts or split_by != "random":
        return []
    dealt, trained = int(np.count_nonzero(parts >= 0)), int(np.count_nonzero(parts == TRAIN))
    share = trained / max(dealt, 1)
    return [
        f"[history] of training rows is made of training rows alone, {share:.0%} of all at random, while a served row sees all: sums and"
        f' counts will be larger, lags nearer; [split] by = "time:{pasts[0].over}" trains on what is served'
    ]


def finding_of(past: Past) -> ColumnFinding:
    """What is said of a column that looks back."""
    said = past.take if past.of is None else f"{past.take} of {past.of!r}"
    by = f", by {', '.join(past.by)}" if past.by else ""
    return ColumnFinding(past.name, Kind.NUMERIC, Told(f"[history]: {said} over {past.over!r}{by}"))


def pasts_of(declared: Mapping[str, Mapping[str, Any]]) -> tuple[Past, ...]:
    """The columns of the declaration; see `penstock.project.sections.history`."""
    return tuple(Past(name, **{**past, "by": tuple(past["by"])}) for name, past in declared.items())


def _spec(decoder: Decoder, name: str) -> ColumnSpec:
    target = decoder.target
    if target is None or name != target.name:
        return decoder.spec(name)
    if target.task is not Task.REGRESSION:
        raise DeclarationError(
            f"[history] looks at the target {name!r}, which is a class",
            why="earlier rows are averaged and added up as numbers",
            way_out="keep the outcome as a column of 0 and 1 of its own, and look at that",
        )
    return ColumnSpec(name, Kind.NUMERIC, missing=target.missing, decimal=target.decimal, thousands=target.thousands)


def _wrong(past: Past, why: str, way_out: str) -> DeclarationError:
    return DeclarationError(f"[history.{past.name}] cannot be worked out", why=why, way_out=way_out)
