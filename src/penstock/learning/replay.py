"""The recorded trials of a search fitted again: their parameters, threads and stops, and no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.learning.pool import Outcome, Pool
from penstock.learning.tasks import Task, TrialTasks
from penstock.learning.trials import Trial

NO_STOP = "its record, of an earlier version of Penstock, does not say where the clock stopped it"


@dataclass(frozen=True, slots=True)
class Refit:
    """A recorded trial with the value that it has now: a `Trial` to choose from in place of the recorded one.

    A trial that did not end with a value is not fitted again, and has none. Of one whose record does not say how to fit it
    again, the recorded value stands, and `skipped` says why.

    Attributes
    ----------
    recorded : the trial as it was.
    state, value, details : of now; ``details["error"]`` says why there is no value.
    skipped : why it was not fitted again although it had a value; "" otherwise.
    """

    recorded: Trial
    state: str
    value: float | None
    details: dict[str, Any]
    skipped: str = ""

    @property
    def number(self) -> int:
        return self.recorded.number

    @property
    def learner(self) -> str:
        return self.recorded.learner

    @property
    def params(self) -> dict[str, Any]:
        return self.recorded.params

    @property
    def seconds(self) -> float:
        return self.recorded.seconds

    @property
    def threads(self) -> int:
        return self.recorded.threads


def refit(
    recorded: Sequence[Trial],
    baseline: float | None,
    tasks: TrialTasks,
    pool: Pool,
    tell: Callable[[Refit], None],
) -> None:
    """Fit all recorded trials again that ended with a value, and tell each as it ends.

    Parameters
    ----------
    baseline : the value of the baseline, which is fitted again already: its trial has number 0.
    """
    waiting: list[Trial] = []
    for trial in recorded:
        details = dict(trial.details)
        if trial.state != "done":
            tell(Refit(trial, trial.state, None, details))
        elif trial.number == 0:
            tell(Refit(trial, "done", baseline, details))
        elif "stopped_at" not in details:
            tell(Refit(trial, "done", trial.value, details, skipped=NO_STOP))
        elif trial.learner not in tasks.learners:
            tell(Refit(trial, "failed", None, {**details, "error": f"there is no learner {trial.learner!r} here"}))
        else:
            waiting.append(trial)
    under_way: dict[int, tuple[Trial, Task]] = {}
    while waiting or under_way:
        while waiting and pool.has_room:
            trial = waiting.pop(0)
            task = tasks.task(trial.number, trial.learner, trial.params, max(1, int(trial.threads)))
            task["stop_at"] = trial.details["stopped_at"]
            under_way[trial.number] = trial, task
            pool.start(task, None)
        for outcome in pool.wait():
            tell(_refit(*under_way.pop(outcome.id), outcome, tasks))


def _refit(trial: Trial, task: Task, outcome: Outcome, tasks: TrialTasks) -> Refit:
    if outcome.answer is None:
        return Refit(trial, "failed", None, {**trial.details, "error": outcome.why})
    value = tasks.value(task)
    details = {**trial.details, "params": outcome.answer["params"]}
    return Refit(trial, "done" if value is not None else "failed", value, details)
