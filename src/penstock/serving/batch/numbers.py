"""Numbers at the speed of Arrow, where they are written plainly; everything else is left to the decoder, which answers the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.bundle.numbers import marked_numbers
from penstock.bundle.specs import ColumnSpec

if TYPE_CHECKING:
    import pyarrow as pa


def may_be_plain(spec: ColumnSpec) -> bool:
    """Whether the numbers of a column may be read here: those with marks of another country, with an origin, and personal ones may not."""
    usual = spec.decimal == "." and not spec.thousands and not spec.origin
    return spec.kind is Kind.NUMERIC and spec.privacy is None and usual


def plain_numbers(column: pa.Array, spec: ColumnSpec) -> np.ndarray | None:
    """float64 (n,), NaN where missing; None where some value has to be looked at by the decoder.

    Arrow and Python both round a decimal text to the nearest double. What Arrow takes for a number and the decoder does not are
    words for infinity and nan, which are seen in the result.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        table = plain_numbers(column.dictionary, spec)
        if table is None:
            return None
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.append(table, np.nan)[codes]
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)  # null becomes NaN
        if np.isinf(numbers).any():
            return None
    else:
        try:
            read = column.cast(pa.float64())
        except pa.ArrowInvalid:  # something is no number: perhaps what stands for nothing
            missing = pa.array(["", *{marker.strip() for marker in spec.missing} - {""}], pa.string())
            there = pc.if_else(pc.is_in(column, value_set=missing), pa.scalar(None, pa.string()), column)
            try:
                read = there.cast(pa.float64())
            except pa.ArrowInvalid:
                return None
        numbers = read.to_numpy(zero_copy_only=False)  # null becomes NaN
        if np.count_nonzero(np.isfinite(numbers)) != len(numbers) - read.null_count:
            return None
    marked = marked_numbers(spec)
    if marked:
        numbers = np.where(np.isin(numbers, marked), np.nan, numbers)
    return numbers
