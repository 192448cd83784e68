"""Folds of the training rows, which keep to the rule by which rows were split: groups stay whole, and nothing knows its future."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.bundle.kinds import Task
from penstock.data.split_groups import deal_groups
from penstock.objects.digests import digest_of

STRATA_OF_NUMBERS = 10
STOP_SHARE = 0.1
"""Of the rows of a fit, those by which a learner that stops early does so."""
GROW, STOP, NEITHER = 0, 1, -1


@dataclass(frozen=True)
class Folds:
    """Which rows each fold predicts, and which ones it is fitted on.

    Attributes
    ----------
    fold : int64 (n,), from 0 to ``count - 1``; -1 for rows that no fold predicts: by time, the oldest.
    times : of the rows, float64 (n,), where folds follow each other in time; else None.
    gap : in the unit of the times: what is fitted on is older than what is predicted by at least so much.
    """

    fold: np.ndarray
    times: np.ndarray | None = None
    gap: float = 0.0

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of which rows each fold predicts and is fitted on: other folds have others."""
        time = () if self.times is None else (self.times.astype("<f8"), np.array([self.gap], dtype="<f8"))
        parts = [part.tobytes() for part in (self.fold.astype("<i8"), *time)]
        return digest_of(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).partition(":")[2][:16]

    @property
    def count(self) -> int:
        return int(self.fold.max(initial=-1)) + 1

    @property
    def predicted(self) -> np.ndarray:
        """Rows that some fold predicts: bool (n,)."""
        return self.fold >= 0

    def outside(self, k: int) -> np.ndarray:
        """Rows that fold k predicts: bool (n,)."""
        return self.fold == k

    def inside(self, k: int) -> np.ndarray:
        """Rows that fold k is fitted on: bool (n,). By time, older ones alone (forward chaining)."""
        if self.times is None:
            return self.fold != k
        return _older(self.times, self.times[self.fold == k].min(), self.gap)


def assign_folds(
    y: np.ndarray,
    task: Task,
    n_folds: int,
    seed: int,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
    gap: float = 0.0,
) -> Folds:
    """Folds of rows with the outcomes `y`.

    Classes are spread evenly (stratified). Rows of one group share a fold; classes are spread as evenly as whole groups
    allow. With times the rows are cut into one block more than there are folds; every fold predicts a block from the
    blocks before it, and rows of one time share a block. Source of the last: Bergmeir and Benitez (2012), Information
    Sciences 191, 192.

    >>> assign_folds(np.array([0, 0, 1, 1]), Task.BINARY, 2, seed=0).fold.reshape(2, 2).sum(axis=1).tolist()
    [1, 1]
    """
    if times is not None:
        return _in_time(times, n_folds, gap)
    rng = np.random.default_rng(seed)
    if groups is not None:
        names, number = np.unique(groups, return_inverse=True)
        stands = rng.permutation(len(names)).astype(np.uint64)
        count = min(n_folds, len(names))
        dealt = deal_groups(number, _strata(y, task), stands, [1.0 / count] * count)
        _, dealt = np.unique(dealt, return_inverse=True)  # no fold is skipped
        return Folds(dealt[number].astype(np.int64))
    order = rng.permutation(len(y))
    if task.is_classification:
        order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), np.int64)
    fold[order] = np.arange(len(y)) % n_folds
    return Folds(fold)


def rows_to_stop_by(
    y: np.ndarray, task: Task, seed: int, groups: np.ndarray | None, times: np.ndarray | None, gap: float
) -> np.ndarray | None:
    """Of the rows of a fit, those by which early stopping decides (`STOP`), those that are fitted (`GROW`), and, by time,
    those within the gap between them (`NEITHER`): int8 (n,). None where a random share will do.

    Whole groups, or the newest rows: a random tenth would know the others too well, and boosting would not stop in time.
    """
    if groups is not None:
        count = round(1 / STOP_SHARE)
        held = assign_folds(y, task, count, seed, groups=groups)
        return np.where(held.outside(0), STOP, GROW).astype(np.int8) if held.count > 1 else None
    if times is None:
        return None
    start = np.quantile(times, 1 - STOP_SHARE, method="higher")
    use = np.full(len(y), NEITHER, dtype=np.int8)
    use[times >= start] = STOP
    use[_older(times, start, gap)] = GROW
    return use if (use == GROW).any() else None


def hold_out(
    y: np.ndarray,
    task: Task,
    share: float,
    seed: int,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
    gap: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows to choose by, bool (n,) each: a share of the rows, as the split would deal them.

    Stratified; of groups whole ones; by time the newest, and what lies within the gap is in neither.

    >>> train, valid = hold_out(np.arange(10) % 2, Task.BINARY, 0.2, seed=0)
    >>> int(train.sum()), int(valid.sum())
    (8, 2)
    """
    if times is not None:
        start = np.quantile(times, 1 - share, method="higher")
        return _older(times, start, gap), np.asarray(times >= start)
    rng = np.random.default_rng([seed, 20_021])
    if groups is not None:
        names, number = np.unique(groups, return_inverse=True)
        stands = rng.permutation(len(names)).astype(np.uint64)
        held = deal_groups(number, _strata(y, task), stands, [1 - share, share])[number] == 1
        return ~held, held
    order = rng.permutation(len(y))
    order = order[np.argsort(_strata(y, task)[order], kind="stable")]
    place = np.arange(len(y))
    held = np.empty(len(y), dtype=bool)
    held[order] = np.floor((place + 1) * share) > np.floor(place * share)
    return ~held, held


def _in_time(times: np.ndarray, n_folds: int, gap: float) -> Folds:
    _, number, counts = np.unique(times, return_inverse=True, return_counts=True)
    blocks = min(n_folds + 1, len(counts))
    middle = np.cumsum(counts) - (counts + 1) / 2  # of the rows of one time, among all rows
    block = (middle * blocks / len(times)).astype(np.int64)
    rank = np.arange(len(counts))
    block[0] = 0
    block = rank + np.minimum.accumulate(block - rank)  # no block is skipped,
    block = np.maximum(block, blocks - len(counts) + rank)  # and the last one is reached
    fold = block[number].astype(np.int64) - 1
    for k in range(blocks - 1):  # a fold with nothing old enough to be fitted on predicts nothing
        rows = fold == k
        if not _older(times, times[rows].min(), gap).any():
            fold[rows] = -1
    used = np.unique(fold[fold >= 0])
    fold[fold >= 0] = np.searchsorted(used, fold[fold >= 0])
    return Folds(fold, times, gap)


def _older(times: np.ndarray, start: float, gap: float) -> np.ndarray:
    return np.asarray(times <= start - gap if gap > 0 else times < start)


def _strata(y: np.ndarray, task: Task) -> np.ndarray:
    if task.is_classification:
        return y
    edges = np.quantile(y, np.arange(1, STRATA_OF_NUMBERS) / STRATA_OF_NUMBERS)
    return np.searchsorted(edges, y, side="right")
