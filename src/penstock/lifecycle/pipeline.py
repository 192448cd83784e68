"""The whole pipeline on one page: contract -> ingest -> split -> recipe -> search -> evaluate -> judge -> package -> register.

Each line is a stage of its own file. What a stage may depend on stands in its inputs and parameters, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from penstock.lifecycle.check import check_declaration
from penstock.lifecycle.envelopes import seen_envelopes
from penstock.lifecycle.evaluate import evaluate
from penstock.lifecycle.explain import Explanation, explaining
from penstock.lifecycle.fallback import fallback
from penstock.lifecycle.ingest import current_dataset
from penstock.lifecycle.judge import judge
from penstock.lifecycle.limits import row_limit
from penstock.lifecycle.own_steps import steps_of
from penstock.lifecycle.package import package
from penstock.lifecycle.publish import published
from penstock.lifecycle.recipe import read_recipe, recipe
from penstock.lifecycle.register import register
from penstock.lifecycle.results import RunResult
from penstock.lifecycle.search import search
from penstock.lifecycle.sentence_models import models_of
from penstock.lifecycle.settings import Settings, overriding
from penstock.lifecycle.stages import Context, Listener, Stages
from penstock.project.project import Project


def run_project(
    project: Project,
    *,
    budget: str | None = None,
    override: str | None = None,
    bring_back: str | None = None,
    progress: Callable[..., None] | None = None,
    listener: Listener | None = None,
) -> RunResult:
    """From the declared source to a registered model; what is known is not computed again.

    Parameters
    ----------
    budget : of the search, ``"60s"``, ``"5m"`` or ``"50 trials"``; default: ``[search] budget``.
    override : the reason to go on although a gate says no. It is shown in every later report and card.
    bring_back : the reason to make a version of the data set again that was forgotten. It stands in the audit trail.
    progress, listener : told of trials and of stages.

    Raises
    ------
    PenstockError : the declaration, the source or the recipe is wrong. What was finished is kept.
    """
    with (
        project.ledger.lock(f"run {project.name}"),
        Stages(Context(project, progress=progress), "run", listener) as stages,
    ):
        # contract, ingest and split: test rows are sealed as they are read
        dataset = current_dataset(stages, override, bring_back)
        return train(stages, dataset, budget=budget, override=override)


def train(stages: Stages, dataset: str, *, budget: str | None, override: str | None) -> RunResult:
    """From a data-set version to a registered model. `run` and `retrain` share it."""
    project = stages.context.project
    settings = Settings.of(project, budget)

    stages.before_work = partial(check_declaration, project, dataset, budget=budget)  # refused now rather than late
    text = read_recipe(project)
    written = stages.do(
        "recipe", recipe, {"dataset": dataset}, {"text": text, **steps_of(project, text), **models_of(project, text)}
    )
    limited = row_limit(stages.context, dataset)
    spent = seen_envelopes(
        stages, {"dataset": dataset, "recipe": digest(written, "recipe"), **limited}, settings.search
    )
    rows = {"dataset": dataset, "spent": spent, **limited}
    found = stages.do("search", search, {**rows, "recipe": digest(written, "recipe")}, settings.search)
    scored = stages.do(
        "evaluate",
        evaluate,
        {**rows, "model": digest(found, "model"), "candidate": digest(found, "candidate")},
        settings.evaluate,
    )
    ruling = {**settings.judge, "override": overriding(override)}
    if stages.refused is not None:
        ruling["refused"] = stages.refused
    verdict = stages.do("judge", judge, {"report": digest(scored, "report")}, ruling)
    made_from = {
        **rows,
        "model": digest(found, "model"),
        "candidate": digest(found, "candidate"),
        "report": digest(verdict, "report"),
    }
    if settings.fallback is not None:
        learnt_from = {**rows, "recipe": digest(written, "recipe"), "candidate": digest(found, "candidate")}
        made_from["fallbacks"] = digest(stages.do("fallback", fallback, learnt_from, settings.fallback), "fallbacks")
    bundle = stages.do("package", package, made_from, settings.package)
    version = stages.do(
        "register",
        register,
        {"bundle": bundle.outputs["bundle"], "report": digest(verdict, "report"), "dataset": dataset},
        {"name": project.name, "search": found.id, "package": bundle.id},
    )
    return published(stages, dataset, found, verdict, bundle, version)


def explain(project: Project, *, budget: str | None = None, override: str | None = None) -> Explanation:
    """Which stages `run` would run, and why. Runs nothing."""

    def pipeline(stages: Stages) -> None:
        train(stages, current_dataset(stages, override), budget=budget, override=override)

    return explaining(project, pipeline)


def digest(record: Any, name: str) -> str:
    """The digest of an artifact of a stage."""
    return str(record.artifacts[name]["digest"])
