"""Parts that somebody else has dealt: a column says them, or the file that a row comes from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penstock.bundle.decoder import EncodedColumn
from penstock.data.split import PARTS, TEST, TRAIN, VALID, deal, distinct, place
from penstock.errors import SplitError
from penstock.project.split_settings import USUAL_VALUES, SplitSettings


def said_parts(column: EncodedColumn, settings: SplitSettings, rows: np.ndarray) -> np.ndarray:
    """The part that the column says of each of `rows` (positions): int8, of the same shape.

    Raises
    ------
    SplitError : it says something of a row that stands for no part.
    """
    declared = settings.values or USUAL_VALUES
    part_of = {str(text).strip().lower(): PARTS.index(part) for part, texts in declared.items() for text in texts}
    table = np.full(len(column.values) + 1, -1, dtype=np.int8)
    for code, text in enumerate(column.values):
        table[code] = part_of.get((text or "").strip().lower(), -1)
    said = table[column.codes[rows]]
    if (said < 0).any():
        texts = [
            "(empty)" if code < 0 else repr(column.values[code]) for code in np.unique(column.codes[rows][said < 0])
        ]
        shown = ", ".join(texts[:5]) + (", ..." if len(texts) > 5 else "")
        usual = ", ".join(repr(value) for value in sorted(part_of))
        raise SplitError(
            f"the column {settings.column!r} says {shown} of {int((said < 0).sum())} rows, which is no part",
            why=f"known are {usual}",
            way_out="[split] values = { train = [...], valid = [...], test = [...] } names what stands for which; valid or "
            "test may be left out, and is then dealt from the training rows",
        )
    return said


def given_parts(column: EncodedColumn, settings: SplitSettings) -> frozenset[str]:
    """The parts that are given: those that are declared, or, where nothing is declared, that the column speaks of."""
    if settings.values is not None or settings.how == "files":
        return frozenset(settings.given)
    said = {(text or "").strip().lower() for text in column.values}
    return frozenset(part for part, texts in USUAL_VALUES.items() if said & set(texts))


def deal_given(
    hashes: np.ndarray,
    said: np.ndarray,
    settings: SplitSettings,
    given: frozenset[str],
    *,
    strata: np.ndarray | None = None,
    seen: np.ndarray | None = None,
) -> np.ndarray:
    """The parts of the rows of a first version: int8, shape (n,).

    Rows that are alike share the part that is seen first (training before validation before test), so that no sealed row
    has a twin among those that are learned from. A part that is not given is dealt from the training rows.

    Parameters
    ----------
    said : int8, shape (n,). given : parts that are not dealt; see `given_parts`. strata, seen : as of `penstock.data.split.deal`; a seen row that is said to test validates.
    """
    first, codes, _ = distinct(hashes)
    earliest = np.full(len(first), TEST, dtype=np.int8)
    np.minimum.at(earliest, codes, said)
    parts = earliest[codes]
    if seen is not None:
        barred = (np.bincount(codes, weights=seen) > 0)[codes]
        parts[barred & (parts == TEST)] = VALID
    rest = _not_given(settings, given)
    train = np.flatnonzero(parts == TRAIN)
    if rest is not None and len(train):
        parts[train] = deal(
            hashes[train],
            rest,
            strata=None if strata is None else strata[train],
            seen=None if seen is None else seen[train],
        )
    return parts


def place_given(hashes: np.ndarray, said: np.ndarray, settings: SplitSettings, given: frozenset[str]) -> np.ndarray:
    """The parts of rows that come later: int8, shape (n,)."""
    first, codes, _ = distinct(hashes)
    earliest = np.full(len(first), TEST, dtype=np.int8)
    np.minimum.at(earliest, codes, said)
    parts = earliest[codes]
    rest = _not_given(settings, given)
    train = parts == TRAIN
    if rest is not None and train.any():
        parts[train] = place(hashes[train], rest)
    return parts


def twins_of_other_parts(parts: np.ndarray, said: np.ndarray) -> int:
    """How many rows are in another part than they were said to be, but for those that were dealt from training rows."""
    return int(((said != TRAIN) & (parts != said)).sum())


def _not_given(settings: SplitSettings, given: frozenset[str]) -> SplitSettings | None:
    """How training rows are dealt on; None where all parts are given."""
    valid = 0.0 if "valid" in given else settings.valid
    test = 0.0 if "test" in given else settings.test
    return None if valid == test == 0.0 else replace(settings, valid=valid, test=test)
