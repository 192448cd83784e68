"""Rows that break naive graphs: missing, empty, unknown, extreme, adjacent floats, other alphabets."""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import Frame
from penstock.bundle.kinds import MISSING_TIME, Kind

EXTREME = (0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0, 16777217.0, 3.4e38, -3.4e38, 1e39, -1e39)
STRINGS = (
    "",
    "no such value",
    "NaN",
    "0",
    "naïve café",
    "ΑΒΓ",
    "привет мир",
    "你好",
    "مرحبا",
    "👍🏽 ok",
    "İstanbul",
    "a" * 10_000,
    "x\ty\nz",
)
TIMES = (MISSING_TIME, 0, -1, 951_782_400_000_000, -2_208_988_800_000_000, 253_402_300_799_999_999)


def odd_rows(seen: Frame, *, n: int = 256, seed: int = 0) -> Frame:
    """Make rows out of `seen` in which some or all fields are odd.

    Every number of the table also comes with its two float32 neighbours: where a threshold lies on a data value, a graph
    that rounds differently answers differently there.

    Parameters
    ----------
    seen : at least one row; values are drawn from it.
    n : number of rows; the first is all missing.
    """
    rng = np.random.default_rng(seed)
    base = seen.take(rng.integers(0, seen.n_rows, n))
    columns: dict[str, np.ndarray] = {}
    for name, values in base.columns.items():
        odd = _odd_values(values, seen.kinds[name], rng)
        mask = rng.random(n) < np.linspace(1.0, 0.05, n)  # from rows that are all odd to rows with one odd field
        mixed = (
            np.where(mask, odd, values)
            if values.dtype != object
            else np.array([o if m else v for m, o, v in zip(mask, odd, values, strict=True)], dtype=object)
        )
        mixed[0] = _missing(seen.kinds[name])
        columns[name] = mixed
    return Frame(columns, dict(seen.kinds), n)


def _odd_values(values: np.ndarray, kind: Kind, rng: np.random.Generator) -> np.ndarray:
    n = len(values)
    if kind is Kind.NUMERIC:
        direction = np.where(rng.random(n) < 0.5, np.float32(np.inf), np.float32(-np.inf))
        with np.errstate(over="ignore"):
            neighbours = np.nextafter(values.astype(np.float32), direction).astype(np.float64)
        neighbours = np.where(
            np.isinf(neighbours), values, neighbours
        )  # beyond float32 a number has no neighbour there
        extreme = rng.choice(np.array([np.nan, *EXTREME]), n)
        return np.where(rng.random(n) < 0.6, neighbours, extreme)
    if kind is Kind.DATETIME:
        return rng.choice(np.array(TIMES, dtype=np.int64), n)
    pool: list[str | None] = [None, *STRINGS]
    return np.array([pool[i] for i in rng.integers(0, len(pool), n)], dtype=object)


def _missing(kind: Kind) -> object:
    return {Kind.NUMERIC: np.nan, Kind.DATETIME: MISSING_TIME}.get(kind)
