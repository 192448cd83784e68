"""Stage `fallback`: smaller models that answer instead, where `[serving]` declares them.

`fallback = "linear"` or `"prior"` answers when the model itself would be too late; a field with ``"fallback"`` under
`[serving.missing]` has a model that does without it. Both learn from the same training rows under the same folds as the model, and
their quality on validation rows stands beside its own on the card.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import DeclarationError, PenstockError, RecipeError
from penstock.lifecycle.rows import Rows, of_inputs
from penstock.lifecycle.search import COVERAGE, problem_of, with_folds
from penstock.lifecycle.sentence_models import keep_files
from penstock.lifecycle.stages import Context
from penstock.objects.digests import canonical_json

if TYPE_CHECKING:
    from penstock.bundle.signature import Signature
    from penstock.learning.finish import Finished
    from penstock.learning.prepared import Prepared
    from penstock.learning.problem import SearchProblem
    from penstock.ledger.run import Run
    from penstock.packaging.fallback import Fallback

_WORKERS = 2
"""Processes that fit folds; a fallback is small."""


def fallback(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Fit the declared fallbacks, hold their graphs to parity, and keep them."""
    rows = of_inputs(context, inputs)
    candidate = json.loads(context.objects.get(inputs["candidate"]))
    problem, _ = with_folds(problem_of(context, rows, inputs["recipe"], params["search"]), rows)
    made = {}
    if params["late"] is not None:
        learner = "linear" if params["late"] == "linear" else "dummy"
        made["late"] = _fitted(context, run, "late", problem, rows, learner, {}, params["search"]["seed"])
    if params["missing"]:
        without = _without(problem, params["missing"])
        learner, its = candidate["learner"], candidate["params"]
        made["missing"] = _fitted(context, run, "missing", without, rows, learner, its, candidate["seed"])
        made["missing"]["fields"] = params["missing"]
    run.keep("fallbacks", canonical_json({"format": 1, "fallbacks": made}), media="application/json")
    for why, one in made.items():
        if one["value"] is not None:
            run.metric(f"{why}.{problem.metric}", one["value"])


def fallbacks_of(
    context: Context, inputs: dict[str, Any], rows: Rows, signature: Signature, params: dict[str, Any]
) -> tuple[list[Fallback], list[dict[str, Any]]]:
    """What the stage kept, as parts of a bundle, and in words for its card.

    Parameters
    ----------
    signature : of the model; theirs differ by what they take and by their thresholds.
    """
    from penstock.bundle.packing import Layout
    from penstock.bundle.signature import DecisionRule, Interval
    from penstock.packaging.fallback import Fallback
    from penstock.packaging.novelty import fit_novelty

    train, _ = rows.train
    kept = json.loads(context.objects.get(inputs["fallbacks"]))["fallbacks"]
    parts, told = [], []
    for why, one in sorted(kept.items()):
        if why == "missing" and not signature.fields_that("fallback"):
            continue  # no such field is an input of the model: no row can lack it
        layout = Layout.from_json(one["layout"], context.objects.get)
        novelty = fit_novelty(train, layout, seed=params["seed"])
        by_name = {column.name: column for column in signature.columns}
        its = replace(
            signature,
            layout=layout,
            columns=tuple(by_name[name] for name in novelty.columns),
            decision=DecisionRule(
                threshold=one["threshold"],
                abstain_below=params["abstain_below"],
                novelty_limit=float(novelty.limit),
                abstain_when_novel=params["abstain_when_novel"],
            ),
            interval=None if one["interval"] is None else Interval(COVERAGE, *one["interval"]),
            missing={},
        )
        parts.append(Fallback(why, one["learner"], context.objects.get(one["model"]), its, novelty))
        told.append({"why": why, "learner": one["learner"], "fields": one.get("fields", []), "value": one["value"]})
    return parts, told


def _without(problem: SearchProblem, fields: list[str]) -> SearchProblem:
    """The same problem without some columns: by the same recipe where it does not name them, else by the usual one.

    Raises
    ------
    DeclarationError : nothing is left to learn from.
    """
    from penstock.features.recipe import Recipe

    specs = [spec for spec in problem.specs if spec.name not in fields]
    for recipe in (problem.recipe, Recipe.default()):
        try:
            recipe.check(specs)
        except RecipeError:
            continue
        return replace(problem, recipe=recipe, specs=specs)
    raise DeclarationError(
        f"without {', '.join(fields)} no column is left to learn from",
        why='[serving.missing] says "fallback" of all inputs of the model',
        way_out='write "fill" or "refuse" for one of them',
    )


def _fitted(
    context: Context,
    run: Run,
    why: str,
    problem: SearchProblem,
    rows: Rows,
    learner: str,
    params: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Fit one, and what is to be known of it."""
    from penstock.bundle.frame import Frame
    from penstock.bundle.graph import open_session
    from penstock.bundle.packing import pack
    from penstock.learning.prepared import Prepared
    from penstock.packaging import parity
    from penstock.packaging.odd_rows import odd_rows

    with tempfile.TemporaryDirectory(prefix="penstock-fallback-", ignore_cleanup_errors=True) as folder:
        prepared = Prepared(problem, Path(folder), seed)
        done = _finished(problem, prepared, Path(folder), why, learner, params, seed)
    model = done.model.onnx()
    frame = Frame.concat([rows.valid[0].take(slice(0, 20_000)), odd_rows(rows.train[0])])
    graph = open_session(model).run(None, pack(frame, done.model.layout))[0]
    checked = parity.compare(graph, done.model.answer(frame), threshold=done.threshold)
    parity.require(checked, what=f"the graph of the fallback {why!r}")
    valid, y = rows.valid
    told = prepared.scale.restore(open_session(model).run(None, pack(valid, done.model.layout))[0])
    keep_files(run, done.model.layout.files)
    return {
        "model": run.keep(f"fallback-{why}", model, media="application/onnx"),
        "layout": done.model.layout.to_json(),
        "learner": learner,
        "params": params,
        "threshold": done.threshold,
        "interval": None if done.offsets is None else list(done.offsets),
        "value": problem.score(y, told),
    }


def _finished(
    problem: SearchProblem,
    prepared: Prepared,
    folder: Path,
    why: str,
    name: str,
    params: dict[str, Any],
    seed: int,
) -> Finished:
    """The model, with threshold and interval from out-of-fold answers.

    Raises
    ------
    DeclarationError : it cannot be fitted.
    """
    from penstock import parts
    from penstock.learning.finish import FinishError, finish, finish_baseline
    from penstock.learning.learners.dummy import Dummy
    from penstock.learning.pool import Pool
    from penstock.learning.result import Candidate

    if name == Dummy.name:
        return finish_baseline(problem, prepared)
    learner = parts.load("penstock.learners", name)()
    if not params:
        params = dict(learner.space(prepared.shape(learner.tail(problem.task))).defaults)
    try:
        with Pool(_WORKERS, 1, folder, learner.slow_imports) as pool:
            return finish(Candidate(0, name, params, seed, 1), learner, problem, prepared, pool)
    except (FinishError, PenstockError) as error:
        raise DeclarationError(
            f"the fallback {why!r} cannot be fitted by {name}",
            why=str(error).splitlines()[0],
            way_out='write [serving] fallback = "prior"'
            if why == "late"
            else "fill the field, or refuse rows without it",
        ) from error
