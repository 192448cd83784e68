"""The orders in which training rows may have come about."""

from __future__ import annotations

import numpy as np

from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.data.quality.view import View

MOST_TIMES = 3  # columns of instants that are looked at as an order of the rows


def orders_of(view: View) -> list[tuple[np.ndarray, str]]:
    """Training rows in the order of each time, those without one left out, and in that of the source; and what tells it.

    A column of instants may be a date of birth, by which no file was written: so the order of the source is looked at, too.
    """
    instants = view.of_kind(Kind.DATETIME)
    dealt_by = view.split.column or ""
    usable = view.split.by.startswith("time:") and dealt_by in view.train
    orders = []
    for by in dict.fromkeys([*([dealt_by] if usable else []), *instants[:MOST_TIMES]]):
        column = view.train[by]
        there = column != MISSING_TIME if view.train.kinds[by] is Kind.DATETIME else ~view.train.missing(by)
        rows = np.flatnonzero(there)
        orders.append((rows[np.argsort(column[rows], kind="stable")], by))
    return [*orders, (np.arange(view.train.n_rows), "the order of the source")]
