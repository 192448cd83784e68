"""Values of string columns: counted, kept or called rare, and turned into codes by one look-up for a whole block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from penstock.features.ops import ml, op, texts

if TYPE_CHECKING:
    from spox import Var

MISSING = ""
"""How the packed strings say that there is no value."""
_BETWEEN = "\x1f"


@dataclass(frozen=True)
class Vocabulary:
    """The values of one column in training.

    Attributes
    ----------
    kept : values that are told apart, the most frequent first; those as frequent as each other in alphabetical order.
    rare : the other values, in the same order.
    has_missing : whether a value was missing.
    """

    kept: tuple[str, ...]
    rare: tuple[str, ...]
    has_missing: bool


def count_values(column: np.ndarray, *, min_frequency: float, max_categories: int) -> Vocabulary:
    """Learn the values of a column, shape (n,).

    Parameters
    ----------
    min_frequency : rows that a value must have to be kept; below 1, the share of all rows.
    max_categories : values that are kept, at most.
    """
    counts = Counter(column.tolist())
    missing = counts.pop(MISSING, 0)
    least = min_frequency * len(column) if min_frequency < 1 else min_frequency
    ordered = sorted(counts, key=lambda value: (-counts[value], value))
    n_kept = min(sum(counts[value] >= least for value in ordered), max_categories)
    return Vocabulary(tuple(ordered[:n_kept]), tuple(ordered[n_kept:]), missing > 0)


def numbered(column: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Distinct values of a column, shape (n,), in alphabetical order, and the number of each row's, int64 (n,).

    As `numpy.unique` of texts, which makes room for the longest value in each row, and takes no notice of zeros at an end.

    >>> numbered(np.array(["b", "a\\0", "a", "b"], dtype=object))
    (['a', 'a\\x00', 'b'], array([2, 1, 0, 2]))
    """
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(value, len(numbers)) for value in column.tolist()), np.int64, len(column))
    values = sorted(numbers)
    place = np.empty(len(values), np.int64)
    place[[numbers[value] for value in values]] = np.arange(len(values))
    return values, place[codes]


def look_up(block: Var, codes: Sequence[Mapping[str, float]], *, otherwise: float) -> Var:
    """Codes of strings: float32 of the shape of `block`, (n, k).

    Values of several columns go through one table, each with its column's number before it: two operators for the whole
    block, where one operator for each column would cost a row more than all the rest of the graph.

    Parameters
    ----------
    codes : for each column, the code of each value.
    otherwise : the code of a value that is not among them.
    """
    if len(codes) == 1:
        table = dict(codes[0])
    else:
        heads = [f"{j}{_BETWEEN}" for j in range(len(codes))]
        block = op.string_concat(texts(heads), block)
        table = {
            head + value: code for head, column in zip(heads, codes, strict=True) for value, code in column.items()
        }
    return ml.label_encoder(
        block,
        keys_strings=list(table) or [_BETWEEN],  # an empty table is not allowed
        values_floats=[float(code) for code in table.values()] or [float(otherwise)],
        default_float=float(otherwise),
    )
