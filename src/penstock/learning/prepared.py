"""Features of the rows of a search, made once per tail and part, and kept on disk for the workers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.frame import Frame
from penstock.data.folds import rows_to_stop_by
from penstock.features.fit import fit_recipe
from penstock.features.fitted import FittedRecipe
from penstock.features.tail import Tail
from penstock.learning.imbalance import nominal_of
from penstock.learning.learner import Shape
from penstock.learning.matrices import save_matrix
from penstock.learning.model import Scale
from penstock.learning.problem import SearchProblem

if TYPE_CHECKING:
    from penstock.learning.learner import Features

WHOLE = -1
"""The part that is fitted on all training rows and predicts the validation rows; fold k predicts training rows."""


class Prepared:
    """Recipes fitted on training rows, or on all but one fold of them, and the features that they make.

    Attributes
    ----------
    folds : of the training rows; none where there is one group only, or one time.
    scale : of the target; (0, 1) for classification.
    """

    def __init__(self, problem: SearchProblem, folder: Path, seed: int) -> None:
        self.problem, self.folder, self.seed = problem, folder, seed
        self.scale = Scale() if problem.task.is_classification else Scale.of(problem.y)
        self.y = problem.y if problem.task.is_classification else self.scale.standardise(problem.y)
        self.folds = problem.folds(seed)
        self.seconds = 0.0
        self._recipes: dict[tuple[Tail, int], FittedRecipe] = {}
        self._jobs: dict[tuple[Tail, int], dict[str, str]] = {}
        self._features: dict[Tail, Features] = {}

    def recipe(self, tail: Tail, part: int = WHOLE) -> FittedRecipe:
        """The recipe with this tail, fitted on a part."""
        if (tail, part) not in self._recipes:
            frame, y = self._rows(part)
            problem = self.problem
            groups, times = self._groups_and_times(part)
            self._recipes[tail, part] = fit_recipe(
                problem.recipe, tail, frame, problem.specs, y, problem.task, self.seed,
                groups=groups, times=times, gap=problem.gap,
            )  # fmt: skip
        return self._recipes[tail, part]

    def features(self, tail: Tail) -> Features:
        """Of all training rows, as a learner learns from them."""
        if tail not in self._features:
            self._features[tail] = self.recipe(tail).transform_training(self.problem.frame)
        return self._features[tail]

    def shape(self, tail: Tail) -> Shape:
        X = self.features(tail)
        return Shape(X.shape[0], X.shape[1], self.problem.task, self.problem.n_classes, not isinstance(X, np.ndarray))

    def job(self, tail: Tail, part: int) -> dict[str, str]:
        """Paths of what to fit on and what to predict, for a worker."""
        if (tail, part) not in self._jobs:
            started = time.perf_counter()
            base = str(self.folder / f"part-{len(self._jobs)}")
            recipe = self.recipe(tail, part)
            inside, y = self._rows(part)
            save_matrix(self._matrix(tail, part, inside), f"{base}-fit")
            outside = self.problem.valid_frame if part == WHOLE else self.problem.frame.take(self.folds.outside(part))
            save_matrix(recipe.transform(outside), f"{base}-predict")
            np.save(f"{base}-y.npy", y)
            self._jobs[tail, part] = {"X": f"{base}-fit", "y": f"{base}-y.npy", "predict": f"{base}-predict"}
            if self.problem.imbalance in ("smote", "search"):
                np.save(f"{base}-nominal.npy", self.nominal(tail, part))
                self._jobs[tail, part]["nominal"] = f"{base}-nominal.npy"
            use = self.rows_to_stop_by(part)
            if use is not None:
                np.save(f"{base}-use.npy", use)
                self._jobs[tail, part]["use"] = f"{base}-use.npy"
            self.seconds += time.perf_counter() - started
        return self._jobs[tail, part]

    def _matrix(self, tail: Tail, part: int, inside: Frame) -> Features:
        return self.features(tail) if part == WHOLE else self.recipe(tail, part).transform_training(inside)

    def nominal(self, tail: Tail, part: int = WHOLE) -> np.ndarray:
        """Which features of a part are categories; see `penstock.learning.imbalance.nominal_of`."""
        recipe = self.recipe(tail, part)
        return nominal_of(recipe.names, recipe.layout.strings, self._matrix(tail, part, self._rows(part)[0]))

    @property
    def seconds_per_job(self) -> float:
        """What another part costs, by those that were made."""
        return self.seconds / max(len(self._jobs), 1)

    def _rows(self, part: int) -> tuple[Frame, np.ndarray]:
        if part == WHOLE:
            return self.problem.frame, self.y
        inside = self.folds.inside(part)
        return self.problem.frame.take(inside), self.y[inside]

    def _groups_and_times(self, part: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Of the rows of a part, as far as they are split by them."""
        problem = self.problem
        rows = slice(None) if part == WHOLE else self.folds.inside(part)
        return (
            None if problem.groups is None else problem.groups[rows],
            None if problem.times is None else problem.times[rows],
        )

    def rows_to_stop_by(self, part: int = WHOLE) -> np.ndarray | None:
        """Of the rows of a part, which ones early stopping goes by; None where a learner may choose them itself."""
        problem = self.problem
        rows = slice(None) if part == WHOLE else self.folds.inside(part)
        groups, times = self._groups_and_times(part)
        return rows_to_stop_by(problem.y[rows], problem.task, self.seed, groups, times, problem.gap)
