"""What the checks of the data look at: the rows that may be seen, what is remembered of all, and counts of sealed ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from penstock.bundle.decoder import Frame, TargetSpec
from penstock.bundle.kinds import INPUT_KINDS, Kind
from penstock.bundle.values import class_text
from penstock.data.fingerprints import frame_hashes
from penstock.data.memory import RowMemory
from penstock.data.origins import themselves
from penstock.data.quality.encoding import Encoder, coded
from penstock.data.quality.models import folds_of
from penstock.data.split import SplitSettings

SAMPLE_ROWS = 20_000
"""Rows that small models are fitted on; more would only make the checks slower."""


@dataclass(frozen=True)
class SealedCounts:
    """What the sealing step tells of test rows.

    Attributes
    ----------
    rows : sealed rows that were looked at.
    near_texts : text column -> sealed rows whose text is nearly that of a training row.
    told_apart : pairs of a sealed and a training row that a classifier put in the right order (half of the ties), of
        `pairs` in all; `test_rows` and `train_rows` took part in them.
    """

    rows: int
    near_texts: Mapping[str, int] = field(default_factory=dict)
    told_apart: float = 0.0
    pairs: int = 0
    test_rows: int = 0
    train_rows: int = 0


@dataclass(frozen=True)
class View:
    """The data that is judged.

    Attributes
    ----------
    train, valid : decoded rows in the order of the source. y, y_valid : class numbers (int64) or numbers (float64), (n,).
    memory : fingerprints of the rows of all parts; None where there is none.
    every_y : the target of all training rows, where `train` is but some of them.
    withheld : personal columns of which no value is kept, or as yet: there is nothing to judge.
    time : the column of the row's own time, where the declaration names it.
    origins : what numbers are kept less, of the columns that have an origin; see `themselves`.
    coarse : rows that are written alike were dealt one by one, and the columns have too few values to tell rows apart.
    count : gives counts of sealed test rows; asked once, and only where a check needs them.
    """

    train: Frame
    y: np.ndarray
    valid: Frame
    y_valid: np.ndarray
    target: TargetSpec
    split: SplitSettings = field(default_factory=SplitSettings)
    memory: RowMemory | None = None
    count: Callable[[View], SealedCounts | None] = lambda _: None
    seed: int = 0
    every_y: np.ndarray | None = None
    withheld: frozenset[str] = frozenset()
    time: str | None = None
    origins: Mapping[str, int] = field(default_factory=dict)
    coarse: bool = False

    @property
    def all_y(self) -> np.ndarray:
        """The target of all training rows, also of those that are not in `train`."""
        return self.y if self.every_y is None else self.every_y

    @cached_property
    def sealed(self) -> SealedCounts | None:
        """Counts of test rows; None where there are none to tell."""
        return self.count(self)

    @property
    def is_classification(self) -> bool:
        return self.target.task.is_classification

    @cached_property
    def classes(self) -> list[str]:
        return [class_text(label) for label in self.target.classes]

    @cached_property
    def inputs(self) -> list[str]:
        """Names of the columns that a model may use."""
        return [name for name, kind in self.train.kinds.items() if kind in INPUT_KINDS]

    def of_kind(self, *kinds: Kind) -> list[str]:
        return [name for name, kind in self.train.kinds.items() if kind in kinds]

    def themselves(self, frame: Frame, name: str) -> np.ndarray:
        """A numeric column of rows of the view as the source has it, for what depends on sizes and on zero: float64, shape (n,)."""
        return themselves(frame[name], self.origins.get(name, 0))

    @cached_property
    def contents(self) -> np.ndarray:
        """A number for each training row, the same for rows with the same inputs: int64, shape (n,)."""
        hashes = np.ascontiguousarray(frame_hashes(self.train, self.inputs))
        return np.unique(hashes.view("V16").ravel(), return_inverse=True)[1]

    @cached_property
    def sample(self) -> np.ndarray:
        """Places of the training rows that small models see, ascending: shape (<= SAMPLE_ROWS,)."""
        return some_rows(self.train.n_rows, self.seed)

    @cached_property
    def sample_frame(self) -> Frame:
        return self.train.take(self.sample)

    @cached_property
    def sample_y(self) -> np.ndarray:
        """The target of the sampled rows: class numbers, or numbers in units of the largest training target."""
        return self.y[self.sample] / self._unit if not self.is_classification else self.y[self.sample]

    def folds(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The fold of these sampled rows (all, where none are named), for models that are judged on rows that they were not fitted on.

        Where rows are dealt by group, groups stay together: models of the checks are judged on other groups, as the model to come will be.
        """
        groups = self._groups
        return folds_of(self.sample_y[rows], self.seed, None if groups is None else groups[rows])

    @cached_property
    def _groups(self) -> np.ndarray | None:
        """The group of each sampled row by which rows are dealt, int64; None where each is dealt on its own."""
        name = self.split.column
        if not self.split.by.startswith("group:") or name not in self.train.kinds:
            return None
        return coded(self.sample_frame[name])[1] + 1

    @cached_property
    def _unit(self) -> float:
        """What numbers are divided by, so that squares of huge ones do not overflow."""
        return float(np.abs(self.y).max(initial=0.0)) or 1.0

    @cached_property
    def learned_from(self) -> np.ndarray:
        """Which sampled training rows the encoder was fitted on: bool, shape (n_sample,), half of them.

        The others are to it as validation rows are: only they may be compared with such.
        """
        return np.random.default_rng(self.seed).permutation(len(self.sample)) % 2 == 0

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder.fit(self.sample_frame.take(self.learned_from), self.inputs, seed=self.seed)

    @cached_property
    def X(self) -> np.ndarray:  # noqa: N802
        """The sampled training rows as numbers: float64, shape (n_sample, width), NaN where missing."""
        return self.encoder.matrix(self.sample_frame)

    @property
    def X_other(self) -> np.ndarray:  # noqa: N802
        """The rows of `X` that the encoder was not fitted on."""
        return self.X[~self.learned_from]

    @cached_property
    def valid_sample(self) -> np.ndarray:
        return some_rows(self.valid.n_rows, self.seed)

    @cached_property
    def valid_y(self) -> np.ndarray:
        """The target of the sampled validation rows, as `sample_y`."""
        chosen = self.y_valid[self.valid_sample]
        return chosen if self.is_classification else chosen / self._unit

    @cached_property
    def X_valid(self) -> np.ndarray:  # noqa: N802
        """Sampled validation rows, as `X`."""
        return self.encoder.matrix(self.valid.take(self.valid_sample))


def some_rows(n_rows: int, seed: int, most: int = SAMPLE_ROWS) -> np.ndarray:
    """Places of at most so many rows, drawn by the seed, ascending."""
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, most, replace=False))
