"""What a search ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.packing import Layout
from penstock.learning.learner import Params
from penstock.learning.model import Model, Scale
from penstock.learning.replay import Refit
from penstock.learning.trials import Trial


@dataclass(frozen=True, slots=True)
class Candidate:
    """The chosen trial. With these, training rows and recipe, the same model comes out again, byte for byte."""

    number: int
    learner: str
    params: Params  # resolved: with the number of trees that early stopping found
    seed: int
    threads: int

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "learner": self.learner,
            "params": dict(self.params),
            "seed": self.seed,
            "threads": self.threads,
        }


@dataclass(frozen=True)
class SearchResult:
    """The model, the baseline, and what out-of-fold predictions of the training rows say of the model.

    Attributes
    ----------
    candidate : the trial that was chosen; number 0 is the baseline.
    fitted, fitted_baseline : as values that write themselves into a graph; `model` and `baseline` are their ONNX bytes.
    scale : from the graph's ``value`` to the target's unit, (0, 1) for classification.
    oof : float64 (n_train, K) calibrated probabilities, or (n_train, 1) in the target's unit; each row predicted by a
        model that had not seen it, nor its group, nor, by time, anything newer; NaN for the oldest rows, which none predicts.
    y : of the training rows, class numbers or the target's unit.
    threshold : from which probability a binary model says yes; None otherwise.
    offsets : (low, high) in the target's unit, of intervals that hold 90 % of the truths; None for classification.
    best_value : the objective of the chosen trial, as the search saw it: after selection, so a little too good.
    trials : all of them, by number.
    refits : of a search that is done again, its trials as they are now; none otherwise.
    warnings : what went wrong on the way, in sentences.
    too_short : what to say where the budget let only the baseline be tried.
    """

    candidate: Candidate
    fitted: Model
    fitted_baseline: Model
    scale: Scale
    oof: np.ndarray
    y: np.ndarray
    threshold: float | None
    offsets: tuple[float, float] | None
    best_value: float | None
    trials: Sequence[Trial]
    greater_is_better: bool
    seconds: float
    warnings: tuple[str, ...] = ()
    too_short: str | None = None
    refits: tuple[Refit, ...] = ()

    @cached_property
    def model(self) -> bytes:
        """ONNX: packed inputs -> calibrated ``probabilities`` (n, K), or standardised ``value`` (n, 1)."""
        return self.fitted.onnx()

    @cached_property
    def baseline(self) -> bytes:
        """ONNX of the baseline, with the same kind of output."""
        return self.fitted_baseline.onnx()

    @property
    def layout(self) -> Layout:
        return self.fitted.layout

    @property
    def names(self) -> Sequence[str]:
        """Of the features that the learner saw."""
        return self.fitted.preparation.names

    @property
    def costs(self) -> dict[str, Any] | None:
        """Of the inputs of one prediction; None where the recipe names none."""
        costs = self.fitted.preparation.costs
        return costs.to_json() if costs is not None and (costs.columns or costs.saved) else None

    @property
    def calibration(self) -> dict[str, Any]:
        return self.fitted.calibrator.to_json()

    @property
    def importance(self) -> dict[str, float]:
        """Share of each input column, the greatest first."""
        return self.fitted.importance()

    def reference(self, frame: Frame) -> np.ndarray:
        """The model's answer without its graph, float64 (n, K), or (n, 1) of the standardised target: for the parity gate."""
        return self.fitted.answer(frame)

    @property
    def leaderboard(self) -> list[dict[str, Any]]:
        """The best trial of each learner, the best first."""
        ranked = sorted((t for t in self.trials if t.value is not None), key=lambda t: rank(t, self.greater_is_better))
        best: dict[str, Trial] = {}
        for trial in ranked:
            best.setdefault(trial.learner, trial)
        return [
            {"learner": t.learner, "number": t.number, "value": t.value, "seconds": t.seconds, "params": dict(t.params)}
            for t in best.values()
        ]


def rank(trial: Trial, greater_is_better: bool) -> tuple[float, bool, int]:
    """Sorts the best first; the baseline last among equals, then the earlier trial."""
    value = -np.inf if trial.value is None else (trial.value if greater_is_better else -trial.value)
    return (-value, trial.number == 0, trial.number)
