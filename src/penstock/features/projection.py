"""Columns turned into weighted sums of columns: what principal components and their kin learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from penstock.features.doubles import double, doubles, narrowed
from penstock.features.ops import op

if TYPE_CHECKING:
    from spox import Var

CHUNK_NUMBERS = 4_000_000
"""Numbers that are float64 at a time while fitting."""
DENSE_COLUMNS = 2_000
"""Columns up to which the matrix of their products is made; of more, only its products with vectors."""
OVERSAMPLED = 20
MOST_ROUNDS = 100
SETTLED = 1e-12
"""Directions are found when a further round changes no sum of squares by more than this share of the largest."""
LEAST_SHARE = 1e-12
"""Directions with less than this share of the strongest one are what rounding left; they are given up."""


@dataclass(frozen=True)
class FittedProjection:
    """(x - centre) times a matrix, in float64; a missing value counts as the centre, so that nothing is missing afterwards.

    Attributes
    ----------
    centre : float64, shape (k,), what is subtracted. fill : float64, shape (k,), what a missing value counts as, less the
    centre; None for 0 everywhere. weights : float64, shape (k, m). Results beyond float32 stop at its largest number.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    weights: np.ndarray
    fill: np.ndarray | None = None

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        moved = op.sub(double(x), doubles(self.centre)) if self.centre.any() else double(x)
        fill = doubles(0.0 if self.fill is None else self.fill)
        return narrowed(op.matmul(op.where(op.isnan(x), fill, moved), doubles(self.weights)))


def column_means(values: np.ndarray) -> np.ndarray:
    """Means of the values that are there, float64, shape (k,): exactly the value where there is one, 0 where there is none."""
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    rough = np.where(np.isnan(low), 0.0, low.astype(np.float64) / 2 + high.astype(np.float64) / 2)
    missing = np.count_nonzero(np.isnan(values), axis=0)
    sums = sum(
        (rows.sum(axis=0) for rows in filled(values, rough)), np.zeros(len(rough))
    )  # of numbers near 0: exact enough
    return np.where(low == high, low, rough + sums / np.maximum(len(values) - missing, 1))


def filled(values: np.ndarray, centre: np.ndarray, fill: np.ndarray | float = 0.0) -> Iterator[np.ndarray]:
    """Chunks of rows less the centre, float64, with `fill` where a value is missing."""
    for rows in _chunks(values):
        rows -= centre
        missing = np.isnan(rows)
        if missing.any():
            rows = np.where(missing, fill, rows)
        yield rows


def strongest(
    values: np.ndarray, centre: np.ndarray, fill: np.ndarray | float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The strongest directions of rows, whose sum of squares along them is largest.

    Parameters
    ----------
    values : shape (n, k), NaN where missing. centre, fill : as `filled`. most : directions wanted, at most.

    Returns
    -------
    Sums of squares, falling, shape (m,), and the directions, shape (k, m), of length 1; the entry of each that is farthest from
    0 is positive. m is less than `most` where the rest is rounding.
    """
    width = values.shape[1]
    if width <= DENSE_COLUMNS or most > width // 2:
        products = np.zeros((width, width))
        for rows in filled(values, centre, fill):
            products += rows.T @ rows
        squares, directions = np.linalg.eigh(products)
    else:
        squares, directions = _iterated(values, centre, fill, most)
    order = np.argsort(squares)[::-1][:most]
    squares, directions = squares[order], directions[:, order]
    kept = squares > LEAST_SHARE * max(float(squares[0]), np.finfo(np.float64).tiny) if len(squares) else squares > 0
    squares, directions = squares[kept], directions[:, kept]
    return squares, directions * signs(directions)


def signs(directions: np.ndarray) -> np.ndarray:
    """1 or -1 for each column, shape (m,): which makes its entry that is farthest from 0 positive."""
    if directions.size == 0:
        return np.ones(directions.shape[1])
    farthest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    return np.where(farthest < 0, -1.0, 1.0)


def component_names(columns: Sequence[str], n: int, word: str = "component") -> tuple[str, ...]:
    """Names of sums of columns, after the first of them.

    >>> component_names(("a", "b", "c"), 2)
    ('a and 2 more: component 1', 'a and 2 more: component 2')
    """
    more = f" and {len(columns) - 1} more" if len(columns) > 1 else ""
    return tuple(f"{columns[0]}{more}: {word} {i}" for i in range(1, n + 1))


def _iterated(
    values: np.ndarray, centre: np.ndarray, fill: np.ndarray | float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """By subspace iteration (Halko, Martinsson and Tropp 2011, SIAM Review 53(2), 217), from a start that is always the same."""
    width = values.shape[1]
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(width, min(most + OVERSAMPLED, width))))[0]
    before = np.zeros(most)
    for _ in range(MOST_ROUNDS):
        turned = np.zeros_like(basis)
        for rows in filled(values, centre, fill):
            turned += rows.T @ (rows @ basis)
        inner = basis.T @ turned
        squares, mix = np.linalg.eigh((inner + inner.T) / 2)
        squares, directions = squares[::-1][:most], (basis @ mix)[:, ::-1][:, :most]
        if np.all(np.abs(squares - before) <= SETTLED * squares[0]):
            break
        before, basis = squares, np.linalg.qr(turned)[0]
    return squares, directions


def _chunks(values: np.ndarray) -> Iterator[np.ndarray]:
    size = max(1, CHUNK_NUMBERS // max(values.shape[1], 1))
    for start in range(0, len(values), size):
        yield values[start : start + size].astype(np.float64)
