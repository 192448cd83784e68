"""What is known of a model's quality on one set of rows: the report, as plain data.

`evaluate` makes it, `gates.judge` decides on it, `render.to_html` shows it. The JSON form is stored; the page is made
from it and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from penstock.bundle.kinds import Task
from penstock.bundle.specs import Label
from penstock.bundle.values import class_text
from penstock.errors import NewerFormat, SchemaMismatch
from penstock.evaluation import calibration, curves
from penstock.evaluation.bootstrap import Comparison, Estimate, compare, intervals
from penstock.evaluation.gates import Gate, GateResult, judge, slices_needed
from penstock.evaluation.metrics import METRICS, get_metric, predicted_labels, usual_metrics
from penstock.evaluation.slices import Slice, slice_scores
from penstock.objects.digests import canonical_json

if TYPE_CHECKING:
    from penstock.bundle.decoder import Frame

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Override:
    """A gate that said no, and who went on regardless, when, and why."""

    gate: str
    reason: str
    who: str
    at: str

    def to_json(self) -> dict[str, str]:
        return {"gate": self.gate, "reason": self.reason, "who": self.who, "at": self.at}


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one evaluation.

    `part` names the rows (``validation``, ``envelope 2``), `note` what to bear in mind (``after selection``). `facts`
    are name and value pairs for the foot of the page (data set, run, bundle, audit head). `leaderboard` holds the
    candidates tried, best first: ``{"learner", "score", "seconds", "params", "chosen"}``. `against` compares with other
    models on the same rows, as in ``{"champion bank@3": Comparison}``.
    """

    title: str
    task: Task
    target: str
    classes: tuple[str, ...]
    part: str
    rows: int
    metric: str
    threshold: float | None
    metrics: Mapping[str, Estimate]
    baseline: Mapping[str, float] = field(default_factory=dict)
    baseline_comparisons: tuple[Comparison, ...] = ()
    against: Mapping[str, Comparison] = field(default_factory=dict)
    gates: tuple[GateResult, ...] = ()
    overrides: tuple[Override, ...] = ()
    slices: tuple[Slice, ...] = ()
    plots: Mapping[str, Any] = field(default_factory=dict)
    leaderboard: tuple[Mapping[str, Any], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether every gate said yes (an override does not change what a gate said)."""
        return all(gate.passed for gate in self.gates)

    def with_(self, **changes: Any) -> Report:
        """A copy with some fields changed: ``report.with_(overrides=..., leaderboard=..., facts=...)``."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """The stored form: plain JSON values only."""
        return {
            "format": FORMAT,
            "kind": "penstock-report",
            "title": self.title,
            "task": self.task.value,
            "target": self.target,
            "classes": list(self.classes),
            "part": self.part,
            "rows": self.rows,
            "metric": self.metric,
            "threshold": self.threshold,
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
            "baseline": {name: None if np.isnan(value) else value for name, value in self.baseline.items()},
            "baseline_comparisons": [one.to_json() for one in self.baseline_comparisons],
            "against": {name: one.to_json() for name, one in self.against.items()},
            "gates": [gate.to_json() for gate in self.gates],
            "overrides": [one.to_json() for one in self.overrides],
            "slices": [one.to_json() for one in self.slices],
            "plots": dict(self.plots),
            "leaderboard": [_without_nan(dict(one)) for one in self.leaderboard],
            "facts": [list(fact) for fact in self.facts],
            "note": self.note,
        }

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Report:
        """Raises NewerFormat for a report of a later release."""
        if obj.get("format") != FORMAT or obj.get("kind") != "penstock-report":
            raise NewerFormat(
                f"this is no report of format {FORMAT}",
                why=f"it says kind {obj.get('kind')!r}, format {obj.get('format')!r}",
                way_out="read it with the release of Penstock that wrote it, or a later one",
            )
        return cls(
            title=obj["title"],
            task=Task(obj["task"]),
            target=obj["target"],
            classes=tuple(obj["classes"]),
            part=obj["part"],
            rows=obj["rows"],
            metric=obj["metric"],
            threshold=obj["threshold"],
            metrics={name: Estimate.from_json(one) for name, one in obj["metrics"].items()},
            baseline={name: float("nan") if value is None else value for name, value in obj["baseline"].items()},
            baseline_comparisons=tuple(Comparison.from_json(one) for one in obj["baseline_comparisons"]),
            against={name: Comparison.from_json(one) for name, one in obj["against"].items()},
            gates=tuple(GateResult.from_json(one) for one in obj["gates"]),
            overrides=tuple(Override(**one) for one in obj["overrides"]),
            slices=tuple(Slice.from_json(one) for one in obj["slices"]),
            plots=obj["plots"],
            leaderboard=tuple(obj["leaderboard"]),
            facts=tuple((name, value) for name, value in obj["facts"]),
            note=obj["note"],
        )


def evaluate(
    task: Task,
    classes: Sequence[Label],
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    metric: str,
    threshold: float | None = None,
    baseline: npt.ArrayLike | None = None,
    others: Mapping[str, tuple[npt.ArrayLike, float | None]] | None = None,
    frame: Frame | None = None,
    slices: Sequence[str | Sequence[str]] = (),
    gates: Sequence[Gate] = (),
    seed: int = 0,
    title: str = "",
    target: str = "",
    part: str = "validation",
    note: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> Report:
    """Score one model's answers, compare them with the baseline's, look at the slices, and judge the gates.

    Parameters
    ----------
    classes : the classes in the order of their codes; empty for regression
    y : int64 class codes or float64 targets, shape (n_samples,)
    prediction : probabilities (n_samples, n_classes), or values (n_samples,) in the target's unit
    metric : the goal's, the headline of the report
    threshold : of the positive class, for two classes; None takes the most probable
    baseline : the dummy learner's prediction for the same rows
    others : name -> (prediction, threshold) of other models for the same rows, as the champion
    frame : the decoded rows; needed where there are slices
    gates : judged on this report

    Raises
    ------
    SchemaMismatch : the rows of `y`, `prediction` and `frame` are not the same number.
    DeclarationError : a metric does not suit the task, or a slice's column is missing.
    """
    names = tuple(class_text(one) for one in classes)
    truth = np.asarray(y, dtype=np.int64 if task.is_classification else np.float64)
    answers = _shaped(task, prediction, truth, "prediction")
    if frame is not None and len(frame) != len(truth):
        raise _mismatch("frame", len(frame), len(truth))
    wanted = [
        get_metric(name, task) for name in dict.fromkeys((metric, *usual_metrics(task), *(g.metric for g in gates)))
    ]
    scores = intervals(wanted, truth, answers, threshold=threshold, seed=seed)

    base_scores: dict[str, float] = {}
    base_comparisons = []
    if baseline is not None:
        base = _shaped(task, baseline, truth, "baseline")
        base_scores = {m.name: float("nan") if scores[m.name].why else m.score(truth, base) for m in wanted}
        judged = dict.fromkeys([metric, *(gate.metric for gate in gates if gate.beats_baseline)])
        for name in judged:
            base_comparisons.append(
                compare(METRICS[name], truth, base, answers, thresholds=(None, threshold), seed=seed)
            )
    against = {
        name: compare(
            METRICS[metric], truth, _shaped(task, other, truth, name), answers, thresholds=(cut, threshold), seed=seed
        )
        for name, (other, cut) in (others or {}).items()
    }

    parts: list[Slice] = []
    sliced = slices_needed(gates, slices)
    if frame is not None and sliced:
        on_slices = [METRICS[name] for name in dict.fromkeys([metric, *(g.metric for g in gates if g.slice)])]
        parts = slice_scores(frame, sliced, on_slices, truth, answers, threshold=threshold, seed=seed)

    report = Report(
        title=title or target or "model",
        task=task,
        target=target,
        classes=names,
        part=part,
        rows=len(truth),
        metric=metric,
        threshold=threshold,
        metrics=scores,
        baseline=base_scores,
        baseline_comparisons=tuple(base_comparisons),
        against=against,
        slices=tuple(parts),
        plots=_plots(task, names, truth, answers, threshold, seed),
        facts=tuple((name, str(value)) for name, value in facts),
        note=note,
    )
    return replace(report, gates=tuple(judge(gates, report)))


def dumps(report: Report) -> bytes:
    """The report as canonical JSON."""
    return canonical_json(report.to_json())


def _plots(
    task: Task,
    names: tuple[str, ...],
    y: npt.NDArray[Any],
    answers: npt.NDArray[Any],
    threshold: float | None,
    seed: int,
) -> dict[str, Any]:
    if len(y) == 0:
        return {}
    if not task.is_classification:
        return {"residuals": curves.residuals(y, answers, seed)}
    labels = predicted_labels(answers, threshold)
    return {
        "confusion": curves.confusion_matrix(y, labels, len(names)),
        **curves.of_classes(y, answers, list(names)),
        "calibration": calibration.reliability(y, answers),
        "histogram": curves.probability_histogram(y, answers, list(names)),
    }


def _shaped(task: Task, prediction: npt.ArrayLike, truth: npt.NDArray[Any], name: str) -> npt.NDArray[np.float64]:
    answers = np.asarray(prediction, dtype=np.float64)
    if not task.is_classification:
        answers = answers.reshape(len(answers), -1)[:, 0] if answers.size else answers.reshape(0)
    if len(answers) != len(truth):
        raise _mismatch(name, len(answers), len(truth))
    return answers


def _mismatch(name: str, rows: int, wanted: int) -> SchemaMismatch:
    return SchemaMismatch(
        f"{name!r} has {rows:,} rows, the targets {wanted:,}",
        why="an evaluation compares them row by row",
        way_out="pass the answers to exactly the rows whose targets are given",
    )


def _without_nan(value: Any) -> Any:
    """The same JSON value with null for NaN and infinities: a failed trial has no score."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
