"""`penstock retrain`: labelled traffic makes a new data-set version and a challenger, held against the champion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from penstock.bundle.kinds import Task
from penstock.bundle.runtime import Bundle
from penstock.errors import ProjectError
from penstock.feedback.labels import record_label_events
from penstock.feedback.rows import labelled_rows
from penstock.lifecycle.append import append_labelled, labels_within
from penstock.lifecycle.comparable import not_judged, why_not_comparable
from penstock.lifecycle.contract import check_labelled
from penstock.lifecycle.ingest import current_dataset
from penstock.lifecycle.pipeline import train
from penstock.lifecycle.results import RunResult
from penstock.lifecycle.rows import Rows
from penstock.lifecycle.stages import Context, Listener, Stages
from penstock.project.live import live_bundle
from penstock.project.project import Project
from penstock.serving.slots import SlotEntry

FIGURES = ("rows", "value", "challenger", "difference", "low", "high", "better")
"""Of the comparison of both models; null where the live one cannot answer the same rows."""


def retrain_project(
    project: Project,
    *,
    budget: str | None = None,
    override: str | None = None,
    progress: Callable[..., None] | None = None,
    listener: Listener | None = None,
) -> RunResult:
    """A challenger from the data plus labelled traffic, compared with the champion on the same rows.

    Parameters
    ----------
    budget : of the search; default ``[retrain] budget``, then ``[search] budget``.

    Raises
    ------
    ProjectError : fewer new labels than ``[retrain] minimum_labels``.
    ServingError : nothing was deployed, so there is no champion.
    """
    from penstock.data.versions import load_version

    champion, bundle = live_bundle(project)
    settings = project.declaration.retrain
    record_label_events(project)
    with (
        project.ledger.lock(f"run {project.name}"),
        Stages(Context(project, progress=progress), "retrain", listener) as stages,
    ):
        dataset = current_dataset(stages, override)
        registered = project.ledger.registry.get(champion.model, champion.version)
        had = labels_within(
            stages.context, registered.dataset
        )  # not those of the head: a killed retrain goes on from there
        rows = labelled_rows(project.journal_folder, without=had, model=project.name)
        if len(rows) < settings.minimum_labels:
            raise ProjectError(
                f"{len(rows)} new labelled predictions are too few to retrain",
                why=f"[retrain] minimum_labels is {settings.minimum_labels}",
                way_out="bring labels with `penstock label import` or POST /labels, or lower the minimum",
            )
        rows = labelled_rows(project.journal_folder, without=labels_within(stages.context, dataset), model=project.name)
        if len(rows):
            check_labelled(stages, rows, override)
            dataset = append_labelled(stages, dataset, rows)
        result = train(stages, dataset, budget=settings.budget if budget is None else budget, override=override)
        why = why_not_comparable(bundle, load_version(stages.context.objects, dataset).decoder)
        if why is None:
            against = _compare(stages, dataset, result, champion, bundle)
        else:
            why = not_judged(champion.version, why)
            against = {**_of(champion, result), **dict.fromkeys(FIGURES), "why": why}
            way_out = "a deploy asks for --override REASON"
            result = replace(result, warnings=[*result.warnings, f"the comparison is {why}; {way_out}"])
        if not stages.nothing_to_do:
            stages.whole.output("champion", against)
        return replace(result, champion=against)


def _compare(stages: Stages, dataset: str, result: RunResult, champion: SlotEntry, bundle: Bundle) -> dict[str, Any]:
    """Both models on the validation rows of the new version, row by row the same."""
    from penstock.evaluation.bootstrap import compare
    from penstock.evaluation.metrics import METRICS

    context = stages.context
    frame, y = Rows(context, dataset, result.spent).valid
    challenger = Bundle.load(context.project.root / result.bundle, key=context.project.privacy_key)
    answers = [_scores(one, frame) for one in (bundle, challenger)]
    thresholds = (bundle.signature.decision.threshold, challenger.signature.decision.threshold)
    found = compare(METRICS[result.metric], y, *answers, thresholds=thresholds, seed=result.seed)
    figures = (len(y), found.champion, found.challenger, found.difference, found.low, found.high, found.better)
    return {**_of(champion, result), **dict(zip(FIGURES, figures, strict=True)), "why": None}


def _of(champion: SlotEntry, result: RunResult) -> dict[str, Any]:
    return {"name": champion.model, "version": champion.version, "metric": result.metric}


def _scores(bundle: Bundle, frame: Any) -> Any:
    answers = bundle.predict_frame(frame)
    return answers.value if bundle.signature.task is Task.REGRESSION else answers.probabilities
