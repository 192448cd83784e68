"""Arrow columns as the decoder takes them, and names in messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.bundle.specs import EncodedColumn

if TYPE_CHECKING:
    import pyarrow as pa


def encoded(column: pa.Array) -> EncodedColumn:
    """A column of text, plain or encoded by a dictionary; -1 where null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        column = column.cast(pa.string())
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    codes = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False)
    return EncodedColumn(column.dictionary.to_pylist(), codes)


def listed(names: Sequence[str], limit: int = 8) -> str:
    """Some of many names.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    return ", ".join(map(repr, names[:limit])) + (f" and {len(names) - limit} more" if len(names) > limit else "")
