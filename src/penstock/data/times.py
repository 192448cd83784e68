"""The instants by which rows are dealt, oldest first."""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import ColumnSpec, EncodedColumn, Frame, Kind
from penstock.bundle.kinds import MISSING_TIME
from penstock.bundle.raw import Unreadable
from penstock.bundle.values import column_reader
from penstock.data.evidence import MISSING_MARKERS, Evidence
from penstock.data.formats import date_format, number_format
from penstock.data.writing import AS_FOUND, Written
from penstock.errors import SchemaMismatch


def times_of(
    column: EncodedColumn, name: str, warnings: list[str], written: Written = AS_FOUND
) -> tuple[np.ndarray, bool]:
    """A sortable number for each row, float64, shape (n,): microseconds of dates, or the numbers of a numeric column; and
    whether it is dates.

    `written` : what the user says of how they are written. Rows without a readable time come first (they train), and are counted in `warnings`.

    Raises
    ------
    SchemaMismatch : the column holds neither dates nor numbers.
    """
    evidence = Evidence.of(column, np.arange(len(column.codes)))
    evidence = evidence.without([text for text in evidence.texts if text in MISSING_MARKERS])
    numbers = number_format(evidence.texts, written) if evidence.texts else None
    dates = date_format(evidence, name, written)
    if dates is not None:
        warnings += [f"rows are dealt by the time in {name!r}: {told}" for told in dates.warnings]
        zone = written.timezone or "UTC"
        read = column_reader(ColumnSpec(name, Kind.DATETIME, formats=dates.formats, timezone=zone))
    elif numbers is not None:
        read = column_reader(ColumnSpec(name, Kind.NUMERIC, decimal=numbers.decimal, thousands=numbers.thousands))
    else:
        shown = ", ".join(repr(text) for text in evidence.texts[:3])
        raise SchemaMismatch(
            f"rows cannot be dealt by the time in {name!r}",
            why="its values are neither dates that are known nor numbers" if shown else "it is empty",
            way_out=f'say how its dates are written, as formats.{name} = "%d/%m/%Y" under [data], name another column, or '
            '[split] by = "random"',
            seen=shown,
        )
    table = np.full(len(column.values) + 1, -np.inf)
    for code, value in enumerate(column.values):
        try:
            time = read(value)
        except Unreadable:
            continue
        if time is not None:
            table[code] = time
    times = table[column.codes]
    without = int(np.isinf(times).sum())
    if without:
        warnings.append(f"{without} rows have no time in {name!r}: they count as the oldest")
    return times, dates is not None


def times_of_frame(frame: Frame, name: str) -> np.ndarray | None:
    """The same of decoded rows; None where the column is not kept, or is read as something else."""
    kind = frame.kinds.get(name)
    if kind is Kind.NUMERIC:
        return np.where(np.isnan(frame.columns[name]), -np.inf, frame.columns[name])
    if kind is Kind.DATETIME:
        times = frame.columns[name]
        return np.where(times == MISSING_TIME, -np.inf, times.astype(np.float64))
    return None
