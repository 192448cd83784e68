"""What the declaration says of columns, metrics, gates and budgets, checked before anything runs or is opened."""

from __future__ import annotations

import difflib

from penstock.bundle.kinds import Task
from penstock.errors import DeclarationError
from penstock.lifecycle.judge import declared_gates
from penstock.lifecycle.settings import Settings
from penstock.project.project import Project


def check_declaration(project: Project, dataset: str, *, budget: str | None = None) -> None:
    """Hold the declaration against the columns and the task of a data-set version.

    Raises
    ------
    DeclarationError : a column, metric, learner, strategy or budget that is not known; the nearest is named.
    """
    from penstock import parts
    from penstock.data.versions import load_version
    from penstock.evaluation.gates import check_gates
    from penstock.evaluation.metrics import default_metric, get_metric
    from penstock.learning.budget import Budget
    from penstock.learning.propose import check_strategy

    d = project.declaration
    settings = Settings.of(project, budget)
    decoder = load_version(project.objects, dataset).decoder
    target = decoder.target
    assert target is not None
    names = [spec.name for spec in decoder.columns]
    for one in settings.evaluate["slices"]:
        for column in [one] if isinstance(one, str) else one:
            _known(column, names, "[evaluation] slices and protected")
    if d.data.key is not None:
        _known(d.data.key, names, "[data] key")
        done = d.privacy.actions.get(d.data.key, "")
        if d.data.key not in d.privacy.undecided and done.partition(":")[0] in ("drop", "mask"):
            raise DeclarationError(
                f"[data] key names {d.data.key!r}, of which [privacy.columns] keeps no value",
                why=f"with {done!r} no answer could say which row it is for",
                way_out=f'write {d.data.key} = "hash" there, or name another key',
            )
    for column in d.serving.missing:
        _known(column, names, "[serving.missing]")
    metric = d.goal.metric or default_metric(target.task)
    get_metric(metric, target.task)
    check_gates(declared_gates(settings.judge, metric), target.task, settings.evaluate["slices"])
    for gate in declared_gates(settings.judge, metric):
        for column in gate.columns:
            _known(column, names, f"the gate {gate.id!r}")
    Budget.parse(settings.search["budget"])
    if d.retrain.budget is not None:
        Budget.parse(d.retrain.budget)
    check_strategy(d.search.strategy)
    if d.search.imbalance is not None and not target.task.is_classification:
        raise DeclarationError(
            f"[search] imbalance = {d.search.imbalance!r}, but {target.name!r} is predicted as a number",
            why="only classes can be of unequal size",
            way_out="remove it",
        )
    if d.goal.costs is not None and target.task is not Task.BINARY:
        raise DeclarationError(
            f"[goal] costs are set, but the task is {target.task}",
            why="a false positive and a false negative are answers to a question of two classes",
            way_out="remove them, or ask a question with two answers",
        )
    for learner in d.search.learners or ():
        parts.load("penstock.learners", learner)


def _known(column: str, names: list[str], where: str) -> None:
    if column in names:
        return
    near = difflib.get_close_matches(column, names, 1)
    raise DeclarationError(
        f"{where} names {column!r}, which is no column",
        why=f"the columns are {', '.join(names[:30])}{' ...' if len(names) > 30 else ''}",
        way_out=f"write {near[0]!r}" if near else "use one of these",
    )
