"""What workers are asked to fit, and the value of a trial from what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penstock.learning.learner import Learner, Params, Shape
from penstock.learning.prepared import WHOLE, Prepared
from penstock.learning.problem import SearchProblem

Task = dict[str, Any]
"""See `penstock.learning.worker`."""


def fit_task(
    number: int,
    learner: str,
    params: Params,
    shape: Shape,
    jobs: Sequence[dict[str, str]],
    *,
    seed: int,
    threads: int,
) -> Task:
    """A task without a deadline."""
    return {
        "id": number,
        "learner": learner,
        "params": dict(params),
        "shape": {f: getattr(shape, f) for f in ("n_rows", "n_features", "task", "n_classes", "sparse")},
        "seed": seed,
        "threads": threads,
        "limit_s": None,
        "stop_at": None,
        "jobs": list(jobs),
    }


class TrialTasks:
    """The tasks of trials, the same in a search and when its trials are fitted again.

    Parameters
    ----------
    learners : by name, those that trials may use.
    """

    def __init__(self, problem: SearchProblem, prepared: Prepared, learners: dict[str, Learner], seed: int) -> None:
        self.problem, self.prepared, self.learners, self.seed = problem, prepared, learners, seed

    def task(self, number: int, learner: str, params: Params, threads: int) -> Task:
        """Of one trial: all training rows and, where folds are scored, each fold."""
        tail = self.learners[learner].tail(self.problem.task)
        shape = self.prepared.shape(tail)
        folds = range(self.prepared.folds.count) if self.problem.scores_folds else ()
        jobs = [
            {**self.prepared.job(tail, part), "answer": str(self.prepared.folder / f"answer-{number}-{part}.npy")}
            for part in (WHOLE, *folds)
        ]
        return fit_task(number, learner, params, shape, jobs, seed=self.seed, threads=threads)

    def value(self, task: Task) -> float | None:
        """The objective of the trial whose answers are there, which are removed; None where the metric is undefined.

        It is that of the validation rows, and of the training rows by folds where those are scored too.
        """
        answers = []
        for job in task["jobs"]:
            answers.append(np.load(job["answer"]))
            Path(job["answer"]).unlink()
        restore = self.prepared.scale.restore
        told = [(self.problem.valid_y, restore(answers[0]))]
        if len(answers) > 1:
            whole = np.empty((len(self.problem.y), answers[0].shape[1]))
            for k, answer in enumerate(answers[1:]):
                whole[self.prepared.folds.outside(k)] = answer
            predicted = self.prepared.folds.predicted
            told.append((self.problem.y[predicted], restore(whole[predicted])))
        values = [(len(y), self.problem.score(y, p)) for y, p in told]
        known = [(n, v) for n, v in values if v is not None]
        return sum(n * v for n, v in known) / sum(n for n, _ in known) if known else None
