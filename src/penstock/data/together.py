"""Rows that have to share a part though their keys differ: those that are written alike, so that no sealed row is one that was learned from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from penstock.data.split import PARTS, distinct

if TYPE_CHECKING:
    from penstock.bundle.frame import Frame
    from penstock.data.versions import DatasetVersion

COARSE = 3
"""So many rows for each combination of values that the columns allow, and rows are alike by nature."""


def together(keys: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """What is dealt as one: rows of one key, rows that are written alike, and all that hang together by these.

    Parameters
    ----------
    keys : hashes of what rows are known by, uint64, shape (n, 2). contents : of what they hold beside it, the same shape.

    Returns
    -------
    uint64, shape (n, 2): rows of the same value are dealt as one. It is the hash of their key where they have one only, so that rows
    without a twin are dealt by their key alone; else the least of their keys' hashes.

    >>> keys, contents = np.array([[1, 0], [2, 0], [2, 0], [3, 0]], "u8"), np.array([[7, 0], [7, 0], [8, 0], [9, 0]], "u8")
    >>> together(keys, contents)[:, 0].tolist()
    [1, 1, 1, 3]
    """
    of_key, key, _ = distinct(keys)
    of_content, content, _ = distinct(contents)
    pairs = np.unique(key.astype(np.int64) * len(of_content) + content)
    if len(pairs) == len(of_content):  # nothing is written under two keys
        return keys
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = pairs // len(of_content), len(of_key) + pairs % len(of_content)
    size = len(of_key) + len(of_content)
    edges = coo_array((np.ones(len(pairs), dtype=np.int8), ends), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    component = component[: len(of_key)]
    own = keys[of_key]
    order = np.lexsort((own[:, 1], own[:, 0], component))
    leads = np.flatnonzero(np.diff(component[order], prepend=-1))
    least = np.empty((component.max() + 1, 2), dtype=np.uint64)
    least[component[order[leads]]] = own[order[leads]]
    return least[component[key]]


def combinations(values: Iterable[float]) -> float:
    """How many rows can differ, of columns with so many different values each.

    Where a table has more rows than that, rows have to be alike though they are of different things.

    >>> combinations([2, 3, 7])
    42
    """
    return math.prod(max(1, number) for number in values)


def too_coarse(possible: float, rows: int) -> bool:
    """Whether so many possible combinations of values are too few to tell `rows` apart.

    >>> too_coarse(6, 900), too_coarse(6, 17)
    (True, False)
    """
    return COARSE * possible <= rows


def alike_by_nature(version: DatasetVersion, train: Frame) -> bool:
    """Whether rows on both sides of the seal are written alike as the columns are too coarse to tell them apart.

    A version says so where it found it itself; where it was told to deal such rows apart, the inputs of its training rows are counted.
    """
    if not version.twins_apart or version.split.twins is None:
        return version.twins_apart
    from penstock.data.fingerprints import encode

    counts = []
    for name in version.inputs:
        texts, codes = encode(train.columns[name], train.kinds[name])
        counts.append(len(texts) + bool((codes < 0).any()))
    return too_coarse(combinations(counts), sum(version.rows[part] for part in PARTS))


def led_by_twins(version: DatasetVersion, keyed: np.ndarray) -> np.ndarray:
    """Which rows that a version does not know have the part of a known row that decodes alike, bool, shape (n,).

    Parameters
    ----------
    keyed : whether a row has a key, shape (n,).
    """
    if not version.twins_apart:
        return np.ones(len(keyed), dtype=bool)
    return np.zeros(len(keyed), dtype=bool) if version.split.how == "group" else ~keyed
