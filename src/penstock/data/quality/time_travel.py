"""`time-travel` and `identifier-leak`: columns, and an order of rows, that know what comes later."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.data.quality.check import Finding, failures_or_nearest, finding, unjudged
from penstock.data.quality.encoding import coded
from penstock.data.quality.leakage import alone
from penstock.data.quality.view import View

LEAST_ROWS = 200
PREFIX = 3  # first characters of an identifier, which often name its source


class TimeTravel:
    """Instants that lie after the row's own time.

    What it does
        Counts the training rows in which a column of instants is later than the row's own time: that of `[quality] time = "COLUMN"`,
        else the one by which rows are dealt (`[split] by = "time:COLUMN"`). It fails where they are more than the limit's share (1 %) of a
        column's filled rows. Where neither is said, it fails never, and names the pair of columns that would be farthest beyond it.
    Why it matters
        What is later than the question was not known when it was asked; a model that uses it will miss it in service.
    Example that fails
        `last_payment` is later than `application_date` in 23 % of the rows: it was read from the ledger of today.
    What to do
        Take the value as it was at the row's time, or drop the column. A date that was planned ahead (a due date) is fine: raise
        the limit.
    Reference
        Kaufman, Rosset, Perlich & Stitelman (2012), Leakage in data mining, ACM TKDD 6(4).
    """

    id = "time-travel"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        by = view.time or (view.split.column if view.split.by.startswith("time:") else None)
        if by is None or view.train.kinds.get(by) is not Kind.DATETIME:
            return [unjudged(self, limit, _without_time(view, limit))]
        found = []
        for name in view.of_kind(Kind.DATETIME):
            there = (view.train[name] != MISSING_TIME) & (view.train[by] != MISSING_TIME)
            if name == by or not there.any():
                continue
            later = there & (view.train[name] > view.train[by])
            why = f"later than {by} in {int(later.sum())} of {int(there.sum())} rows"
            rows = np.flatnonzero(later)[:10]
            found.append(finding(self, name, later.sum() / there.sum(), limit, why, rows=rows))
        return failures_or_nearest(self, found, limit, f"there are no instants beside {by}")


def _without_time(view: View, limit: float) -> str:
    """Why nothing is judged; with the two columns that are worth a look."""
    why = "the row's own time is not known ([quality] time)"
    worst: tuple[float, str] = (limit, "")
    instants = [name for name in view.of_kind(Kind.DATETIME) if name in view.inputs]
    for by, name in permutations(instants, 2):
        there = (view.sample_frame[name] != MISSING_TIME) & (view.sample_frame[by] != MISSING_TIME)
        if there.sum() < LEAST_ROWS:
            continue
        share = float((view.sample_frame[name][there] > view.sample_frame[by][there]).mean())
        worst = max(
            worst,
            (
                share,
                f"; {name} is later than {by} in {share:.1%} of the rows: if the question is asked at {by}, it knows the future",
            ),
        )
    return why + worst[1]


class IdentifierLeak:
    """An identifier, or the order of the rows, foretells the target.

    What it does
        Predicts the target from the place of a training row in its source, and from the value and the first three characters of
        each identifier, on rows that were not learned from. The figure is 2 AUC - 1 of a class, R squared of a number. It
        fails above the limit (0.3).
    Why it matters
        Identifiers are no inputs, so no model uses them. But where the order of rows knows the outcome, rows are sorted by it,
        or time runs through them: then rows that are dealt at random train on the future, and the score comes out too high.
    Example that fails
        A file holds all frauds first; or nine in ten subscribe in the last years of a campaign, and one in ten in the first.
    What to do
        Where the rows are in the order of time, deal by it (`[split] by = "time:COLUMN"`). Where they are sorted by outcome,
        look for columns that were filled in that order too.
    Reference
        Kaufman, Rosset, Perlich & Stitelman (2012), Leakage in data mining, ACM TKDD 6(4).
    """

    id = "identifier-leak"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if len(view.sample) < LEAST_ROWS:
            return [unjudged(self, limit, f"{len(view.sample)} training rows are too few")]
        place = alone(view, view.sample.astype(np.float64), Kind.NUMERIC)
        found = [finding(self, None, place, limit, "from the order of the rows in their source")]
        for name in view.of_kind(Kind.IDENTIFIER):
            column = view.sample_frame[name]
            values, codes = coded(column)
            order = sorted(range(len(values)), key=lambda i: _sortable(values[i]))
            ranks = np.full(len(values) + 1, np.nan)
            ranks[order] = np.arange(len(values))
            ranks = ranks[codes]
            prefixes = np.array([None if v is None else str(v)[:PREFIX] for v in column], dtype=object)
            by_value, by_prefix = alone(view, ranks, Kind.NUMERIC), alone(view, prefixes, Kind.CATEGORICAL)
            value = np.nanmax([by_value, by_prefix, 0.0])
            of = "size or order" if by_value >= by_prefix else f"first {PREFIX} characters"
            found.append(finding(self, name, float(value), limit, f"from its {of} alone"))
        return failures_or_nearest(self, found, limit, "there are no identifiers")


def _sortable(text: str) -> tuple[int, int, str]:
    """Whole numbers by their size, before all other texts."""
    return (0, int(text), "") if text.isascii() and text.isdigit() and len(text) < 4000 else (1, 0, text)
