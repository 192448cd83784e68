"""From a candidate to a model: the final fit on all training rows, and what out-of-fold predictions of them settle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.bundle.kinds import Task
from penstock.bundle.packing import Layout
from penstock.features.resolve import resolve
from penstock.learning.calibrate import Calibrator, NoCalibration, fit_calibrator
from penstock.learning.decide import choose_threshold, conformal_offsets, cost_threshold
from penstock.learning.imbalance import fit
from penstock.learning.learner import Learner, Shape
from penstock.learning.learners.dummy import constant_of
from penstock.learning.model import Model, NoFeatures
from penstock.learning.pool import Pool
from penstock.learning.prepared import Prepared
from penstock.learning.problem import SearchProblem
from penstock.learning.result import Candidate
from penstock.learning.tasks import fit_task

COVERAGE = 0.9


class FinishError(Exception):
    """A fold or the final fit did not end with a model; the message says why."""


@dataclass(frozen=True)
class Finished:
    """A model and its out-of-fold predictions; see `SearchResult` for the fields."""

    model: Model
    oof: np.ndarray
    threshold: float | None
    offsets: tuple[float, float] | None
    of_valid: tuple[np.ndarray, np.ndarray]  # validation target and answers, in the target's unit; of the baseline only


def finish(candidate: Candidate, learner: Learner, problem: SearchProblem, prepared: Prepared, pool: Pool) -> Finished:
    """Fit on all training rows here while the workers fit the folds, then calibrate.

    Raises
    ------
    FinishError : a worker died, or the learner raised.
    """
    tail = learner.tail(problem.task)
    shape = prepared.shape(tail)
    folds = list(range(prepared.folds.count)) if problem.n_folds > 1 else []
    waiting = list(folds)
    paths = {k: str(prepared.folder / f"oof-{candidate.number}-{k}.npy") for k in folds}

    def start_folds() -> None:
        while waiting and pool.has_room:
            k = waiting.pop(0)
            job = {**prepared.job(tail, k), "answer": paths[k]}
            task = fit_task(
                k,
                candidate.learner,
                candidate.params,
                shape,
                [job],
                seed=candidate.seed,
                threads=candidate.threads,
            )
            pool.start(task, None)

    if candidate.threads == 1:  # else the threads of both would wait for each other
        start_folds()
    try:
        fitted = fit(
            learner,
            prepared.features(tail),
            prepared.y,
            shape=shape,
            params=candidate.params,
            nominal=prepared.nominal(tail) if problem.imbalance in ("smote", "search") else None,
            use=prepared.rows_to_stop_by(),
            seed=candidate.seed,
            threads=candidate.threads,
        )
    except Exception as error:  # whatever a learner does, the search ends with a model of another one
        while pool.busy:
            pool.wait()
        raise FinishError(f"{type(error).__name__}: {error}") from error
    failures = []
    start_folds()
    while pool.busy:
        failures += [outcome.why for outcome in pool.wait() if outcome.answer is None]
        start_folds()
    if failures:
        raise FinishError(failures[0])
    preparation = prepared.recipe(tail)
    if folds:
        oof = np.full((len(problem.y), max(problem.n_classes, 1)), np.nan)
        for k in folds:
            oof[prepared.folds.outside(k)] = np.load(paths[k])
    else:
        oof = fitted.predict(prepared.features(tail))
    calibrator: Calibrator = NoCalibration()
    if problem.task.is_classification and folds:
        predicted = prepared.folds.predicted
        calibrator = fit_calibrator(oof[predicted], problem.y[predicted], seed=candidate.seed)
        oof[predicted] = calibrator.apply(oof[predicted])
    model = Model(problem.task, preparation, fitted, calibrator)
    return _settle(model, oof, problem, prepared, (problem.valid_y, np.zeros((0, 0))))


def finish_baseline(problem: SearchProblem, prepared: Prepared) -> Finished:
    """The same for the baseline, which needs neither features nor workers."""
    shape = Shape(len(problem.y), 0, problem.task, problem.n_classes)
    sources = resolve(problem.recipe, problem.specs).sources
    used = {name for source in sources for name in source.columns}
    layout = Layout.of(spec for spec in problem.specs if spec.name in used)
    fitted = constant_of(prepared.y, shape, n_features=0)
    oof = np.tile(fitted.answer, (len(problem.y), 1))
    for k in range(prepared.folds.count):
        inside = prepared.folds.inside(k)
        if inside.any():
            oof[prepared.folds.outside(k)] = constant_of(prepared.y[inside], shape, n_features=0).answer
    model = Model(problem.task, NoFeatures(layout), fitted, NoCalibration())
    of_valid = prepared.scale.restore(np.tile(fitted.answer, (len(problem.valid_y), 1)))
    return _settle(model, oof, problem, prepared, (problem.valid_y, of_valid))


def _settle(
    model: Model, oof: np.ndarray, problem: SearchProblem, prepared: Prepared, of_valid: tuple[np.ndarray, np.ndarray]
) -> Finished:
    """Threshold or interval, from out-of-fold answers."""
    oof = prepared.scale.restore(oof)
    rows = prepared.folds.predicted if prepared.folds.predicted.any() else np.ones(len(oof), bool)
    y, told = problem.y[rows], oof[rows]
    threshold = None
    if problem.task is Task.BINARY:
        if problem.costs is not None:
            threshold = cost_threshold(*problem.costs)
        else:
            threshold = choose_threshold(told[:, 1], y, problem.metric)
    offsets = None if problem.task.is_classification else conformal_offsets(y - told[:, 0], COVERAGE)
    return Finished(model, oof, threshold, offsets, of_valid)
