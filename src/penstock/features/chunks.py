"""Rows some at a time, on all cores, and what they make together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WIDE = 2_000
"""Features from which a matrix is kept sparse."""
CHUNK_BYTES = 32 * 2**20
"""Dense output of one run of the graph, at most."""
CHUNK_ROWS = 4_096
"""Rows of one run of the graph, at most: texts are split into a dense table of tokens inside it."""
PACKED_ROWS = 16 * CHUNK_ROWS
"""Rows that are packed at a time where they are only applied."""


def chunks_of(n_rows: int, width: int) -> list[tuple[int, int]]:
    """First and last row (exclusive) of each run of a graph with so many outputs."""
    size = max(1, min(CHUNK_ROWS, CHUNK_BYTES // (4 * max(width, 1))))
    return [(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def each(work: Callable[[tuple[int, int]], None], chunks: Sequence[tuple[int, int]]) -> None:
    """Work on all chunks, on the cores of this process: each row's answer is its own, whichever thread gives it."""
    threads = min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, len(chunks) // 2
    )
    if threads < 2:
        for chunk in chunks:
            work(chunk)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, chunks):
            pass


def stacked(chunks: Sequence[csr_matrix], width: int) -> csr_matrix:
    from scipy import sparse

    if not chunks:
        return sparse.csr_matrix((0, width), dtype=np.float32)
    return sparse.vstack(chunks, format="csr", dtype=np.float32)


def as_csr(dense: np.ndarray) -> csr_matrix:
    """As scipy makes it, in a third of the time."""
    from scipy import sparse

    n_rows, width = dense.shape
    filled = dense != 0
    places = np.flatnonzero(filled)
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(filled, axis=1))])
    return sparse.csr_matrix((dense.ravel()[places], places % width, starts), shape=(n_rows, width))
