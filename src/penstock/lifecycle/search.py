"""Stage `search`: candidates inside the budget, and the best of them as one graph, held to parity with its learner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.own_steps import use_steps
from penstock.lifecycle.rows import Rows, of_inputs
from penstock.lifecycle.sentence_models import keep_files, use_models
from penstock.lifecycle.stages import Context
from penstock.objects.digests import canonical_json, digest_of

if TYPE_CHECKING:
    from penstock.learning.problem import SearchProblem
    from penstock.learning.replay import Refit
    from penstock.learning.result import SearchResult
    from penstock.learning.search import Progress
    from penstock.ledger.run import Run
    from penstock.ledger.trials import TrialRecord
    from penstock.packaging.parity import Parity

COVERAGE = 0.9
"""Of the intervals of a regression."""


def trials_name(inputs: dict[str, Any], params: dict[str, Any], folds: str | None) -> str:
    """Under which trials are kept: all that a trial depends on. The budget is not in it, so more time goes on from there.

    Parameters
    ----------
    folds : fingerprint of the folds that trials are scored on, which follow from code that may change: no trial of other folds is
        taken for one of these. None: of a run that did not record them.
    """
    kept = {name: value for name, value in params.items() if name not in ("budget", "workers")}
    dealt = {} if folds is None else {"folds": folds}
    return digest_of(canonical_json({"format": 1, "kind": "trials", "inputs": inputs, "params": kept, **dealt}))


def search(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Search, finish, check parity; keep the model, the baseline and what is known of the candidate."""
    from penstock.learning.budget import Budget
    from penstock.learning.search import search as search_models

    rows = of_inputs(context, inputs)
    problem, warnings = with_folds(problem_of(context, rows, inputs["recipe"], params), rows)
    warnings = [*warnings, *rows.told]
    metric = problem.metric
    budget = Budget.parse(params["budget"])
    name, recorded = trials_of(context, run, inputs, params, problem)
    result = search_models(
        problem,
        name=name,
        budget=budget,
        trials=context.ledger.trials,
        strategy=params["strategy"],
        seed=params["seed"],
        progress=told_progress(context, budget.seconds, recorded),
        replay=recorded,
        workers=params["workers"],
    )
    parity = _parity(result, rows)
    model = run.keep("model", result.model, media="application/onnx")
    baseline = run.keep("baseline", result.baseline, media="application/onnx")
    run.keep(
        "candidate",
        canonical_json(
            {
                **_candidate(result, rows, metric, inputs["recipe"], baseline, warnings),
                **({} if problem.costs is None else {"error_costs": list(problem.costs)}),
            }
        ),
        media="application/json",
    )
    run.output("model", model)
    keep_files(run, {**result.layout.files, **result.fitted_baseline.layout.files})
    run.output("learner", result.candidate.learner)
    run.output("parity", parity.to_json())
    if result.too_short is not None:
        run.output("too_short", result.too_short)
    run.output("trials", [t.number for t in result.trials])
    if recorded is not None:
        run.output("refits", [_refit(refit) for refit in result.refits if refit.recorded.state == "done"])
    if result.best_value is not None:
        run.metric(metric, result.best_value)


def problem_of(context: Context, rows: Rows, recipe_digest: str, params: dict[str, Any]) -> SearchProblem:
    """What is to be learnt from the rows of a data-set version, as it is declared."""
    from penstock.evaluation.metrics import default_metric
    from penstock.features.recipe import Recipe
    from penstock.learning.problem import SearchProblem

    (frame, y), (valid_frame, valid_y) = rows.train, rows.valid
    task = rows.target.task
    metric = params["metric"] or default_metric(task)
    recipe = Recipe.parse(context.objects.get(recipe_digest).decode(), name=context.project.declaration.recipe.file)
    if recipe.steps:
        use_steps(context.objects, recipe.steps)
    use_models(context.objects, recipe)
    return SearchProblem(
        recipe=recipe,
        specs=rows.decoder.columns,
        frame=frame,
        y=y,
        valid_frame=valid_frame,
        valid_y=valid_y,
        task=task,
        n_classes=len(rows.target.classes),
        metric=metric,
        learners=params["learners"],
        imbalance=params.get("imbalance"),
        costs=None if params.get("costs") is None else tuple(params["costs"]),
    )


def with_folds(problem: SearchProblem, rows: Rows) -> tuple[SearchProblem, list[str]]:
    """Folds keep to the rule of the split: groups stay whole, and folds by time learn from what is older."""
    problem = replace(problem, **rows.ties)
    if rows.version.split.how != "time" or problem.times is not None:
        return problem, []
    return problem, [
        f"folds of the training rows are random: the column {rows.version.split.column!r}, by which rows are split, is "
        "dropped or is read as neither dates nor numbers, so that what is learned from folds (thresholds, intervals, "
        "calibration, the encoding of categories by the target) may look into the future"
    ]


def _candidate(
    result: SearchResult, rows: Rows, metric: str, recipe: str, baseline: str, warnings: list[str]
) -> dict[str, Any]:
    """What later stages and the card need to know of the chosen model."""
    regression = not rows.target.task.is_classification
    offsets = result.offsets
    return {
        "format": 1,
        **result.candidate.to_json(),
        "metric": metric,
        "threshold": result.threshold,
        "scale": result.scale.to_json() if regression else None,
        "interval": None if offsets is None else {"coverage": COVERAGE, "low": offsets[0], "high": offsets[1]},
        "calibration": None if regression else result.calibration,
        "layout": result.layout.to_json(),
        "baseline": baseline,
        "baseline_layout": result.fitted_baseline.layout.to_json(),
        "features": len(result.names),
        "importance": result.importance,
        "recipe": recipe,
        **({} if result.costs is None else {"costs": result.costs}),
        "trials": len(result.trials),
        "leaderboard": [
            {
                "learner": one["learner"],
                "score": one["value"],
                "seconds": round(one["seconds"], 2),
                "params": one["params"],
                "chosen": one["number"] == result.candidate.number,
            }
            for one in result.leaderboard
        ],
        "rows": {"train": len(result.y)},
        "warnings": [*warnings, *result.warnings],
    }


def _parity(result: SearchResult, rows: Rows) -> Parity:
    """The graph against the learner itself, on validation rows and on odd rows.

    Raises
    ------
    ParityError
    """
    from penstock.bundle.decoder import Frame
    from penstock.bundle.graph import open_session
    from penstock.bundle.packing import pack
    from penstock.packaging import parity
    from penstock.packaging.odd_rows import odd_rows

    train, valid = rows.train[0], rows.valid[0]
    frame = Frame.concat([valid.take(slice(0, 20_000)), odd_rows(train)])
    learner = result.reference(frame)
    graph = open_session(result.model).run(None, pack(frame, result.layout))[0]
    found = parity.compare(graph, learner, threshold=result.threshold)
    return parity.require(found, what=f"the graph of {result.candidate.learner}")


def told_progress(context: Context, seconds: float | None, recorded: Sequence[TrialRecord] | None) -> Progress | None:
    """The share that is done is that of the budget, or of the recorded trials."""
    tell = context.progress
    if tell is None:
        return None
    ended = 0

    def told(number: int, learner: str, value: float | None, best: float | None, seconds_left: float | None) -> None:
        nonlocal ended
        ended += 1
        share = 0.0 if not seconds or seconds_left is None else 1.0 - seconds_left / seconds
        if recorded is not None:
            share = ended / len(recorded)
        tell(number=number, learner=learner, value=value, best=best, seconds_left=seconds_left, share=share)

    return told


def trials_of(
    context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any], problem: SearchProblem
) -> tuple[str, Sequence[TrialRecord] | None]:
    """The name under which trials of this problem are kept; and those that the reproduced run had, where one is reproduced.

    The folds are an output of the run, so that `reproduce` finds the recorded trials though it deals other folds, and says so.
    """
    fingerprint = problem.fingerprint(params["seed"])
    run.output("folds", {"count": problem.folds(params["seed"]).count, "fingerprint": fingerprint})
    name = trials_name(inputs, params, fingerprint)
    if context.replay is None:
        return name, None
    had = context.replay.outputs
    recorded = context.ledger.trials.of(trials_name(inputs, params, had.get("folds", {}).get("fingerprint")))
    return name, [trial for trial in recorded if trial.number in set(had["trials"])]


def _refit(refit: Refit) -> dict[str, Any]:
    """A recorded trial that had a value, for `reproduce` to compare."""
    return {
        "number": refit.number,
        "learner": refit.learner,
        "was": refit.recorded.value,
        "is": refit.value,
        "error": refit.details.get("error", ""),
        "skipped": refit.skipped,
    }
