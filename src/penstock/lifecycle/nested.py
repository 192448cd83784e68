"""Nested cross-validation: what the whole procedure is worth, from recipe to decision, on rows that no part of it has seen.

Outer folds of the training and validation rows are held back in turns. On the others everything is done anew: they are dealt into
training and validation rows by the rule of the project's split, the recipe is fitted, the search chooses, calibrates and decides; what it
ends with answers the rows that were held back. Sealed rows have no part in it.

The folds are not independent: they share most of what they learn from. The interval of the mean allows for it by the correction of
Nadeau and Bengio (2003), Machine Learning 52, 239: the variance of the mean is (1/k + n_held / n_learned) times that of the folds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.ingest import current_dataset, spent_envelopes
from penstock.lifecycle.recipe import read_recipe, recipe
from penstock.lifecycle.rows import of_inputs
from penstock.lifecycle.search import problem_of, told_progress, trials_of
from penstock.lifecycle.settings import Settings
from penstock.lifecycle.stages import Context, Listener, Stages

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.ledger.run import Run
    from penstock.project.project import Project

COVERAGE = 0.95


def nested(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Stage `nested`: one outer fold. It is cached as any stage is, and its search goes on where it was broken off."""
    import numpy as np

    from penstock.bundle.frame import Frame
    from penstock.bundle.kinds import Task
    from penstock.data.folds import assign_folds, hold_out
    from penstock.errors import SearchError
    from penstock.evaluation.metrics import get_metric
    from penstock.learning.budget import Budget
    from penstock.learning.search import search as search_models

    rows = of_inputs(context, inputs)
    frame = Frame.concat([rows.train[0], rows.valid[0]])
    y = np.concatenate([rows.train[1], rows.valid[1]])
    groups, times = rows.groups_of(frame), rows.times_of(frame)
    task, outer, seed = rows.target.task, params["outer"], params["seed"]
    folds = assign_folds(y, task, outer["folds"], seed, groups, times, rows.gap)
    if folds.count < outer["folds"]:  # said before the first one, as each takes a search
        raise SearchError(
            f"there are {folds.count} outer folds, not {outer['folds']}",
            why="the rows, whole groups of them, or times with the gap between them, allow no more",
            way_out=f"--nested {folds.count}" if folds.count > 1 else "more groups, a longer time, or a shorter gap",
        )
    inside, outside = np.flatnonzero(folds.inside(outer["fold"])), np.flatnonzero(folds.outside(outer["fold"]))
    train, valid = hold_out(
        y[inside],
        task,
        outer["valid"],
        seed,
        None if groups is None else groups[inside],
        None if times is None else times[inside],
        rows.gap,
    )
    train, valid = inside[train], inside[valid]
    if not len(train) or not len(valid):
        part = "training" if len(valid) else "validation"
        raise SearchError(
            f"outer fold {outer['fold'] + 1} of {outer['folds']} leaves no {part} rows",
            why="within the fold a part of whole groups, or of times with the gap between them, is held back to choose by"
            if groups is not None or times is not None
            else f"{len(inside)} rows are too few to hold some back to choose by",
            way_out="fewer folds, more groups, a longer time, or a shorter gap",
        )
    problem = problem_of(context, rows, inputs["recipe"], params)
    problem = replace(
        problem,
        frame=frame.take(train),
        y=y[train],
        valid_frame=frame.take(valid),
        valid_y=y[valid],
        groups=None if groups is None else groups[train],
        times=None if times is None else times[train],
        gap=rows.gap,
    )
    name, recorded = trials_of(context, run, inputs, params, problem)
    budget = Budget.parse(params["budget"])
    result = search_models(
        problem,
        name=name,
        budget=budget,
        trials=context.ledger.trials,
        strategy=params["strategy"],
        seed=seed,
        progress=told_progress(context, budget.seconds, recorded),
        replay=recorded,
        workers=params["workers"],
    )
    held, truth = frame.take(outside), y[outside]
    metric = get_metric(problem.metric, task)
    values = {}
    for who, model in (("model", result.fitted), ("baseline", result.fitted_baseline)):
        told = result.scale.restore(model.answer(held))
        told = told if task.is_classification else told[:, 0]
        threshold = result.threshold if task is Task.BINARY and who == "model" else None
        value = float(metric.score(truth, told, threshold=threshold))
        values[who] = value if np.isfinite(value) else None
    if values["model"] is not None:
        run.metric(problem.metric, values["model"])
    run.output("metric", problem.metric)
    run.output("value", values["model"])
    run.output("baseline", values["baseline"])
    run.output("rows", {"train": len(train), "valid": len(valid), "held": len(outside)})
    run.output("learner", result.candidate.learner)
    run.output("params", dict(result.candidate.params))
    run.output("threshold", result.threshold)
    run.output("inner", result.best_value)
    run.output("trials", [trial.number for trial in result.trials])
    run.output("warnings", list(result.warnings))


@dataclass(frozen=True)
class NestedResult:
    """Outcome of `penstock evaluate`.

    Attributes
    ----------
    folds : of each outer fold its value, that of the baseline, the inner value (after selection), what was chosen, its rows.
    low, high : 95 % interval of the mean.
    """

    metric: str
    folds: list[dict[str, Any]]
    mean: float | None
    spread: float | None
    low: float | None
    high: float | None
    dataset: str
    by: str
    warnings: list[str]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "mean": self.mean,
            "spread": self.spread,
            "low": self.low,
            "high": self.high,
            "folds": self.folds,
            "dataset": self.dataset,
            "by": self.by,
            "warnings": self.warnings,
        }

    def to_text(self) -> str:
        def shown(value: float | None) -> str:
            return "not defined" if value is None else f"{value:.4g}"

        lines = [
            f"{self.metric} of the whole procedure: {shown(self.mean)} "
            f"(95 % interval {shown(self.low)} to {shown(self.high)}; spread of the folds {shown(self.spread)})",
            f"  {len(self.folds)} outer folds of training and validation rows, dealt by {self.by}; no sealed row was seen",
        ]
        lines += [
            f"  fold {one['fold']}: {shown(one['value'])} on {one['rows']['held']} rows (inside the search it seemed "
            f"{shown(one['inner'])}; baseline {shown(one['baseline'])}); {one['learner']}, {'known' if one['known'] else 'run'} {one['run']}"
            for one in self.folds
        ]
        return "\n".join([*lines, *(f"  warning: {warning}" for warning in self.warnings)])


def evaluate_nested(
    project: Project,
    *,
    folds: int | None = None,
    budget: str | None = None,
    progress: Callable[..., None] | None = None,
    listener: Listener | None = None,
) -> NestedResult:
    """Nested cross-validation of the project as it is declared; folds that are known are not done again.

    Parameters
    ----------
    folds : outer ones; default: ``[evaluation] nested``. budget : of the search in each of them; default: ``[search] budget``.

    Raises
    ------
    BadParameter : fewer than two folds. SearchError : groups or times do not allow so many.
    """
    from penstock.errors import BadParameter
    from penstock.evaluation.metrics import METRICS
    from penstock.project.sections.evaluation import FOLDS

    count = project.declaration.evaluation.nested if folds is None else folds
    if not FOLDS[0] <= count <= FOLDS[1]:
        raise BadParameter(
            f"--nested {count}",
            why=f"one fold is held back while the others are learned from, and each is a whole search: there are {FOLDS[0]} to {FOLDS[1]}",
            way_out="--nested 5 suits most data",
        )
    split = project.declaration.split
    valid = round(split.valid / (1 - split.test), 6)
    with (
        project.ledger.lock(f"run {project.name}"),
        Stages(Context(project, progress=progress), "evaluate", listener) as stages,
    ):
        dataset = current_dataset(stages)
        written = stages.do("recipe", recipe, {"dataset": dataset}, {"text": read_recipe(project)})
        inputs = {
            "dataset": dataset,
            "spent": spent_envelopes(stages.context, dataset),
            "recipe": str(written.artifacts["recipe"]["digest"]),
        }
        search = Settings.of(project, budget).search
        done, records = [], []
        for fold in range(count):
            outer = {"fold": fold, "folds": count, "valid": valid}
            record = stages.do("nested", nested, inputs, {**search, "outer": outer})
            records.append(record)
            done.append(
                {
                    "fold": fold,
                    **{
                        name: record.outputs[name]
                        for name in ("value", "baseline", "inner", "rows", "learner", "params", "threshold")
                    },
                    "run": record.id,
                    "known": stages.steps[-1].status == "known",
                }
            )
        warnings = list(dict.fromkeys(stages.warnings))
    mean, spread, low, high = summary(
        [one["value"] for one in done],
        [(r["rows"]["train"] + r["rows"]["valid"], r["rows"]["held"]) for r in done],
        share=METRICS[str(records[0].outputs["metric"])].unit == "share",
    )
    undefined = sum(one["value"] is None for one in done)
    if undefined:
        warnings.append(f"the metric is not defined in {undefined} of the folds, which are left out of the mean")
    return NestedResult(str(records[0].outputs["metric"]), done, mean, spread, low, high, dataset, split.by, warnings)


def summary(
    values: list[float | None], sizes: list[tuple[int, int]], *, share: bool = False
) -> tuple[float | None, float | None, float | None, float | None]:
    """Mean, spread (standard deviation) and interval of the mean; None where too few folds have a value.

    Parameters
    ----------
    values : of the folds. sizes : rows that each was learned from, and rows that were held back.
    share : the values lie between 0 and 1, and so does the interval.

    >>> mean, spread, low, high = summary([0.8, 0.9], [(100, 100), (100, 100)])
    >>> round(mean, 3), round(spread, 3)
    (0.85, 0.071)
    """
    import numpy as np
    from scipy.stats import t

    known = [(value, size) for value, size in zip(values, sizes, strict=True) if value is not None]
    if not known:
        return None, None, None, None
    told = np.array([value for value, _ in known])
    mean = float(told.mean())
    if len(told) < 2:
        return mean, None, None, None
    spread = float(told.std(ddof=1))
    ratio = float(np.mean([held / learned for _, (learned, held) in known]))
    half = float(t.ppf((1 + COVERAGE) / 2, len(told) - 1) * spread * np.sqrt(1 / len(told) + ratio))
    low, high = mean - half, mean + half
    return (mean, spread, max(0.0, low), min(1.0, high)) if share else (mean, spread, low, high)
