"""`duplicate-rows`, `split-duplicates` and `label-conflicts`: rows that are the same, from their fingerprints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.data.memory import RowMemory
from penstock.data.quality.check import EXAMPLES, Finding, finding, unjudged
from penstock.data.quality.view import View
from penstock.data.split import PARTS, TRAIN


@dataclass(frozen=True)
class _Groups:
    """Rows with the same inputs: `group` numbers the entries of the memory, shape (m,)."""

    group: np.ndarray
    n: int
    target: np.ndarray
    part: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, memory: RowMemory) -> _Groups:
        here = (memory.count > 0) & (memory.part >= 0)
        content = np.ascontiguousarray(memory.content[here])
        _, group = np.unique(content.view("V16").ravel(), return_inverse=True)
        n = int(group.max(initial=-1)) + 1
        return cls(group, n, memory.target[here], memory.part[here], memory.count[here])

    @property
    def rows(self) -> int:
        return int(self.count.sum())

    def in_part(self, part: int) -> np.ndarray:
        """Rows of a part in each group: shape (n,)."""
        return np.bincount(self.group, self.count * (self.part == part), self.n)


class DuplicateRows:
    """Rows that repeat another one, outcome included.

    What it does
        Counts rows, of all parts, whose inputs and target are those of a row that was counted already; identifiers and
        constant columns do not count. It uses the keyed fingerprints that were taken when rows were dealt. It fails where
        their share exceeds the limit (1 %).
    Why it matters
        A row that is there twice weighs twice; a faulty export or join often shows first in rows that repeat.
    Example that fails
        A join with a table of addresses gave each customer with two addresses twice: 7 % of the rows repeat another.
    What to do
        Remove them at the source. Where columns are few and coarse, rows are alike by nature: then raise the limit.
    Reference
        Naumann & Herschel (2010), An Introduction to Duplicate Detection.
    """

    id = "duplicate-rows"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if view.memory is None or not view.inputs:
            return [unjudged(self, limit, "no fingerprints of rows are kept")]
        groups = _Groups.of(view.memory)
        pair = np.column_stack([groups.group.astype(np.uint64), groups.target])
        _, of_pair = np.unique(np.ascontiguousarray(pair).view("V16").ravel(), return_inverse=True)
        distinct = int(of_pair.max(initial=-1)) + 1
        again = groups.rows - distinct
        per_part = []
        for number, name in enumerate(PARTS):
            mine = groups.part == number
            repeated = int(groups.count[mine].sum()) - len(np.unique(of_pair[mine]))
            per_part.append(f"{repeated} within {name}")
        why = f"{again} of {groups.rows} rows repeat another one: {', '.join(per_part)}"
        return [finding(self, None, again / max(1, groups.rows), limit, why, rows=_repeated(view) if again else ())]


class SplitDuplicates:
    """Validation or test rows whose inputs are those of a training row.

    What it does
        Counts held-out rows that decode to the same inputs as a training row, whatever their target, by keyed
        fingerprints. It fails where they are more than the limit's share (1 %) of a part. Rows that are written alike come
        into one part; these differ only in what is no input, are dealt by time, by group or apart (`[split] twins`), or became
        alike by a correction under their key. Where the columns have fewer combinations of values than there are rows, rows are alike by nature, and it
        is not judged.
    Why it matters
        The model has seen the question: what it answers shows its memory, and the score comes out too high.
    Example that fails
        With a date in seconds as identifier, 9 % of the test rows repeat a training row of the minute before.
    What to do
        Take `twins = "apart"` out of `[split]`, where it is declared. Deal by group (`[split] by = "group:COLUMN"`) with the column that such rows share, or drop the column in which alone
        they differ (`[data] drop`): rows that are written alike stay together.
    Reference
        Kaufman, Rosset, Perlich & Stitelman (2012), Leakage in data mining, ACM TKDD 6(4).
    """

    id = "split-duplicates"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if view.memory is None or not view.inputs:
            return [unjudged(self, limit, "no fingerprints of rows are kept")]
        if view.coarse:
            why = f"the columns are too coarse to tell rows apart, and each is dealt by {view.split.dealt_by}"
            return [unjudged(self, limit, why)]
        groups = _Groups.of(view.memory)
        trained = groups.in_part(TRAIN) > 0
        found = []
        for number, name in enumerate(PARTS):
            if number == TRAIN:
                continue
            held = groups.in_part(number)
            rows, seen = int(held.sum()), int(held[trained].sum())
            if not rows:
                found.append(unjudged(self, limit, "the part has no rows", name))
                continue
            why = f"{seen} of {rows} rows have the inputs of a training row"
            found.append(finding(self, name, seen / rows, limit, why))
        return found


class LabelConflicts:
    """Rows with the same inputs and different classes.

    What it does
        Groups the rows of all parts by their inputs, by keyed fingerprints, and counts those that do not have the most
        frequent class of their group. It fails above the limit (1 % of all rows). Regressions are not judged.
    Why it matters
        No model can be right on both: it is the part of the error that no learner removes. Either the labels are wrong, or
        what tells the rows apart is not in the table.
    Example that fails
        The same message is labelled spam by one person and ham by another, 140 times.
    What to do
        Look at the rows that are named, agree on a rule for labelling, and correct them; or add the column that is missing.
    Reference
        Frénay & Verleysen (2014), Classification in the presence of label noise, IEEE TNNLS 25(5).
    """

    id = "label-conflicts"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        if not view.is_classification:
            return [unjudged(self, limit, "the target is a number: equal inputs may well have different ones")]
        if view.memory is None or not view.inputs:
            return [unjudged(self, limit, "no fingerprints of rows are kept")]
        groups = _Groups.of(view.memory)
        _, label = np.unique(groups.target, return_inverse=True)
        pair, per_pair = _sums(groups.group * (int(label.max(initial=0)) + 1) + label, groups.count)
        of_group = pair // (int(label.max(initial=0)) + 1)
        most = np.zeros(groups.n)
        np.maximum.at(most, of_group, per_pair)
        against = int(groups.rows - most.sum())
        mixed = np.bincount(of_group, minlength=groups.n) > 1
        rows = int(np.bincount(groups.group, groups.count, groups.n)[mixed].sum())
        why = f"{against} rows have another class than most rows with the same inputs ({rows} rows in {int(mixed.sum())} groups)"
        return [
            finding(self, None, against / max(1, groups.rows), limit, why, rows=_conflicting(view) if against else ())
        ]


def _sums(keys: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    unique, at = np.unique(keys, return_inverse=True)
    return unique, np.bincount(at, weights, len(unique))


def _repeated(view: View) -> list[int]:
    """Training rows that repeat an earlier one."""
    key = np.column_stack([view.contents.astype(np.float64), view.y.astype(np.float64)])
    _, first = np.unique(key, axis=0, return_index=True)
    again = np.ones(len(key), dtype=bool)
    again[first] = False
    return [int(row) for row in np.flatnonzero(again)[:EXAMPLES]]


def _conflicting(view: View) -> list[int]:
    """Training rows whose inputs are there with two classes, those of one group together."""
    content = view.contents
    if not len(content):
        return []
    low = np.full(content.max() + 1, np.iinfo(np.int64).max)
    high = np.full(content.max() + 1, -1)
    np.minimum.at(low, content, view.y)
    np.maximum.at(high, content, view.y)
    rows = np.flatnonzero(low[content] != high[content])
    return [int(row) for row in rows[np.argsort(content[rows], kind="stable")][:EXAMPLES]]
