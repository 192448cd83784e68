"""What becomes of the numbers of a column, and what a person should know of them: rounded, lost, or standing for "missing"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from penstock.bundle.numbers import plain_number
from penstock.data.column_finding import Told, plain, shown
from penstock.data.digits import EXACT, kept, origin_of
from penstock.data.evidence import Evidence

SENTINELS = (99.0, 999.0, 9999.0, 99999.0, 999999.0, -1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0)

_WHOLE = re.compile(r"[+-]?[0-9]+")


def exactly(texts: Sequence[str], numbers: np.ndarray, *, decimal: str, thousands: str) -> tuple[np.ndarray, int, Told]:
    """The numbers as they are kept, what was subtracted of them where float64 would round them (0 where nothing was), and how that is said.

    `numbers` : what `texts` are, float64, shape (n,).
    """
    nothing = numbers, 0, Told("")
    if not np.abs(numbers).max(initial=0) > EXACT:
        return nothing
    read = plain_number(decimal, thousands)
    written = [read(text) or "" for text in texts]
    wholes = [int(text) if _WHOLE.fullmatch(text) else None for text in written]
    origin = origin_of([whole for whole in wholes if whole is not None])
    if not origin:
        return nothing
    less = zip(wholes, numbers.tolist(), strict=True)
    exact = np.array([number - origin if whole is None else float(whole - origin) for whole, number in less])
    rounds = "as float64 would round them"
    return exact, origin, Told(f"kept less {origin}, {rounds}", f"kept less an origin, {rounds}")


def told_of_rounded(name: str, texts: Sequence[str], numbers: np.ndarray) -> tuple[Told, ...]:
    """Whether whole numbers lose digits, as they are too long for 64-bit floats."""
    long = np.flatnonzero(np.abs(numbers) > EXACT).tolist()
    lost = [texts[i] for i in long if _WHOLE.fullmatch(texts[i]) and int(texts[i]) != int(numbers[i])]
    if not lost:
        return ()
    many = f"whole numbers beyond 2^53 are rounded, {len(lost)} different ones"
    so = f'if they name things rather than count them, say kinds.{name} = "categorical" under [data]'
    return (Told(f"{many} such as {shown(lost[0])}: {so}", f"{many}: {so}"),)


def told_of_lost(name: str, numbers: np.ndarray) -> tuple[Told, ...]:
    """Whether the model sees clearly fewer different numbers."""
    quiet = "the model sees numbers as float32, of about 7 digits: clearly fewer different ones are left, as they differ little for the range of the column"
    return tuple(Told(told, quiet) for told in kept(numbers).told(name))


def told_of_sentinels(values: Evidence, numbers: np.ndarray) -> tuple[Told, ...]:
    """Numbers that may stand for "missing": at the end of the range, far from all others, and repeated."""
    order = np.argsort(numbers)
    least = max(3, round(0.001 * values.filled))
    warnings = []
    for sentinel in SENTINELS:
        at = np.flatnonzero(numbers == sentinel)
        if not len(at) or values.counts[at].sum() < least:
            continue
        if sentinel > 0 and numbers[order[-1]] == sentinel and numbers[order[-2]] <= 0.6 * sentinel:
            rest = f"the next lower is {plain(numbers[order[-2]])}"
        elif sentinel < 0 and numbers[order[0]] == sentinel and numbers[order[1]] >= 0:
            rest = "no other value is below 0"
        else:
            continue
        rows = int(values.counts[at].sum())
        may = f"in {rows} rows may stand for missing"
        full = f"{plain(sentinel)} {may} ({rest}); it is kept as a number: add {plain(sentinel)!r} to the missing markers if it does"
        warnings.append(Told(full, f"the number at one end of the range {may}; it is kept as a number"))
    return tuple(warnings)
