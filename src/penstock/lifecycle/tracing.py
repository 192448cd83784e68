"""Where an answer came from: a row on its way through decoder, recipe, learner, calibration, novelty and decision.

Everything is taken from the served graph itself. Only it has no names of steps: the recipe is fitted again on the training rows of the version
(the same fit gives the same steps), and what it makes of the row must be found, bit for bit, among the values of the served graph.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.answers import ANSWER, LOW_CONFIDENCE
from penstock.bundle.kinds import Kind
from penstock.bundle.numbers import number_text
from penstock.bundle.packing import pack
from penstock.bundle.runtime import Bundle
from penstock.errors import PenstockError
from penstock.lifecycle.bundles import packaging_run
from penstock.lifecycle.stages import Context
from penstock.project.project import Project
from penstock.serving.instants import iso_of

if TYPE_CHECKING:
    from penstock.bundle.frame import Frame
    from penstock.features.fitted import FittedRecipe
    from penstock.packaging.inside import Inside

SHOWN = 12
"""Outputs of a step that the text shows."""
KEPT = 1_000
"""Outputs of a step that JSON holds, at most. Of a step with more than `SHOWN` they are those that are not 0."""


@dataclass(frozen=True)
class Field:
    """A value as it came, and as the decoder reads it. `state`: "given", "missing" or "unknown" (not seen in training).

    `sent` : whether the request had the field at all: a field that came as null was sent, and is missing all the same.
    """

    name: str
    kind: str
    sent: bool
    raw: Any
    decoded: Any
    state: str

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "sent": self.sent,
            "raw": self.raw,
            "decoded": self.decoded,
            "state": self.state,
        }


@dataclass(frozen=True)
class Step:
    """What a step of the recipe gave. `found` : the name of the same value in the served graph; None where it is not there."""

    step: str
    values: Sequence[tuple[str, Any]]
    width: int
    found: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "width": self.width,
            "values": [{"name": name, "value": value} for name, value in self.values],
            "in_graph": self.found,
        }


@dataclass(frozen=True)
class Trace:
    """The way of one row.

    Attributes
    ----------
    fields : of the model's inputs. prepared : texts that the decoder made for the graph, by name.
    steps : of the recipe; the last is "features", what the learner is given. Empty where it cannot be told, as `notes` say.
    before, after : scores before and after calibration (of a regression the standardised and the final value).
    rule : of the decision, with what it was held against.
    """

    fields: Sequence[Field]
    prepared: Mapping[str, str]
    steps: Sequence[Step]
    calibration: str | None
    before: Sequence[float] | None
    after: Sequence[float]
    classes: Sequence[str]
    rule: Mapping[str, Any]
    notes: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        return {
            "fields": [f.to_json() for f in self.fields],
            "prepared": dict(self.prepared),
            "steps": [step.to_json() for step in self.steps],
            "calibration": self.calibration,
            "before": None if self.before is None else list(self.before),
            "after": list(self.after),
            "classes": list(self.classes),
            "decision": dict(self.rule),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        width = max((len(f.name) for f in self.fields), default=0)
        lines = ["  decoder"]
        for f in self.fields:
            came = "not sent" if not f.sent else "null" if f.raw is None else _short(f.raw)
            read = "missing" if f.decoded is None else _short(f.decoded)
            new = "; not seen in training" if f.state == "unknown" else ""
            lines.append(f"    {f.name:<{width}}  {came} -> {read}{new}")
        if self.prepared:
            lines += ["  prepared texts", *(f"    {name}: {_short(text)}" for name, text in self.prepared.items())]
        if self.steps:
            lines.append("  recipe")
        for step in self.steps:
            lines.append(f"    {step.step}" + ("" if step.found is not None else "  (not found in the served graph)"))
            lines += [f"      {name} = {_short(value)}" for name, value in step.values[:SHOWN]]
            rest, zeros = len(step.values) - SHOWN, step.width - len(step.values)
            more = [*([f"{rest} more"] if rest > 0 else []), *([f"{zeros} that are 0"] if zeros else [])]
            if more:
                lines.append(f"      and {', and '.join(more)}")
        lines.append("  score")
        if self.before is not None:
            what = "standardised" if not self.classes else f"before calibration ({self.calibration})"
            lines.append(f"    {what}: {self._scores(self.before)}")
        lines.append(
            f"    {'in the unit of the target' if not self.classes else 'of the classes'}: {self._scores(self.after)}"
        )
        lines += ["  decision", *(f"    {line}" for line in _rule_lines(self.rule))]
        return [*lines, *(f"  note: {note}" for note in self.notes)]

    def _scores(self, scores: Sequence[float]) -> str:
        if not self.classes:
            return ", ".join(f"{score:.9g}" for score in scores)
        return ", ".join(f"{name} {score:.9g}" for name, score in zip(self.classes, scores, strict=True))


def trace_of(
    project: Project, version: int | None, bundle: Bundle, raw: Mapping[str, Any], answer: Mapping[str, Any]
) -> Trace:
    """The way of one row, as the journal keeps it, through a version.

    Parameters
    ----------
    version : of the project's registry; None for a bundle of another project, whose recipe is not known here.
    answer : of that version to the row.
    """
    from penstock.packaging.inside import look_inside

    notes = list[str]()
    protected = bundle.protect([raw], extra_fields="ignore") if bundle.is_private else [raw]
    graph, why = "graph.onnx", answer.get("fallback")
    if why is not None:  # another model answered, with inputs and a graph of its own in the same bundle
        bundle, graph, version = bundle.fallbacks[why], f"fallback-{why}.onnx", None
        notes.append(
            f"the fallback {why!r} answered: this is its way; its recipe and its calibration are not told by steps"
        )
    signature = bundle.signature
    frame = _decoded(bundle, protected[0])
    feeds = pack(frame, signature.layout)
    notes += [
        f"{name} is taken less {number_text(offset)}, so that its numbers stay different in float32: steps show the difference"
        for name, offset in signature.layout.offsets
    ]
    inside = look_inside(bundle.read(graph), feeds)
    candidate = None if version is None else _candidate(project, version)
    steps: list[Step] = []
    if version is not None and candidate is not None:
        steps = _steps(project, version, candidate, feeds, inside, notes)
    elif why is None:
        notes.append("the model was made in another project: its recipe and its calibration are not known here")
    outputs = inside.values
    if signature.task.is_classification:
        after = outputs["probabilities"]
        before, method = (None, None) if candidate is None else _before(candidate, inside, after, notes)
        final = [float(p) for p in after[0]]
    else:
        method, before = None, [float(outputs["value"][0, 0])]
        value = (answer.get("withheld") or {}).get("prediction", answer["prediction"])
        final = [float(value)]
    return Trace(
        _fields(bundle, protected[0], frame, answer),
        {name: str(feeds["strings"][0, len(signature.layout.strings) + j])
         for j, (name, _) in enumerate(signature.layout.prepared)},
        steps,
        method,
        before,
        final,
        [str(label) for label in (answer.get("probabilities") or {})] if signature.task.is_classification else [],
        _rule(bundle, outputs),
        notes,
    )  # fmt: skip


def _decoded(bundle: Bundle, row: Mapping[str, Any]) -> Frame:
    """The inputs of the model, decoded as a request is: protected values are read without their mark."""
    from penstock.bundle.frame import Frame, typed_array

    columns, kinds = {}, {}
    for column in bundle.signature.columns:
        value = bundle.decoder.reader(column.name)(row.get(column.name))
        columns[column.name], kinds[column.name] = typed_array([value], column.kind), column.kind
    return Frame(columns, kinds, 1)


def _fields(bundle: Bundle, row: Mapping[str, Any], frame: Frame, answer: Mapping[str, Any]) -> list[Field]:
    missing, unknown = set(answer["missing"]), set(answer["unknown"])
    return [
        Field(
            column.name,
            str(column.kind),
            column.name in row,
            row.get(column.name),
            None if column.name in missing else _plain(frame[column.name][0], column.kind),
            "missing" if column.name in missing else "unknown" if column.name in unknown else "given",
        )
        for column in bundle.signature.columns
    ]


# ---------------------------------------------------------------- recipe


def _candidate(project: Project, version: int) -> dict[str, Any]:
    packaging = packaging_run(project, project.ledger.registry.get(project.name, version))
    found: dict[str, Any] = json.loads(project.objects.get(str(packaging.inputs["candidate"])))
    return found


def _steps(
    project: Project,
    version: int,
    candidate: Mapping[str, Any],
    feeds: Mapping[str, np.ndarray],
    inside: Inside,
    notes: list[str],
) -> list[Step]:
    if candidate["number"] == 0:
        notes.append("the baseline looks at no feature: it has no recipe")
        return []
    try:
        fitted = _fitted(project, version, candidate)
    except PenstockError as error:
        notes.append(f"the steps of the recipe cannot be told: {error.what} ({error.why})")
        return []
    from penstock.features.stepwise import step_outputs

    made = step_outputs(fitted, feeds)
    outputs = [*((s.step, s.names, s.values) for s in made.steps), ("features", made.feature_names, made.features)]
    steps = []
    for step, names, values in outputs:
        plain = [(name, _plain(value, None)) for name, value in zip(names, values[0], strict=True)]
        kept = plain if len(plain) <= SHOWN else [(n, v) for n, v in plain if v not in (0, "", False)][:KEPT]
        steps.append(Step(step, kept, len(plain), inside.equal_to(values)))
    if steps[-1].found is None:
        notes.append(
            "the recipe, fitted again, does not give the features of the served graph: its steps are not those that answered"
        )
    return steps


def _fitted(project: Project, version: int, candidate: Mapping[str, Any]) -> FittedRecipe:
    """The recipe of a version, fitted again as it was."""
    from penstock import parts
    from penstock.features.fit import fit_recipe
    from penstock.features.recipe import Recipe
    from penstock.lifecycle.own_steps import use_steps
    from penstock.lifecycle.rows import of_inputs
    from penstock.lifecycle.sentence_models import use_models

    context = Context(project)
    packaging = packaging_run(project, project.ledger.registry.get(project.name, version))
    rows = of_inputs(context, dict(packaging.inputs))
    frame, y = rows.train
    recipe = Recipe.parse(project.objects.get(candidate["recipe"]).decode(), name="the recipe")
    if recipe.steps:
        use_steps(project.objects, recipe.steps)
    use_models(project.objects, recipe)
    task = rows.target.task
    tail = parts.load("penstock.learners", candidate["learner"])().tail(task)
    return fit_recipe(recipe, tail, frame, rows.decoder.columns, y, task, candidate["seed"], **rows.ties)


# ---------------------------------------------------------------- score and decision


def _before(
    candidate: Mapping[str, Any], inside: Inside, after: np.ndarray, notes: list[str]
) -> tuple[list[float] | None, str | None]:
    """The probabilities before calibration: the last values of the graph that the calibration turns into the answer."""
    from penstock.learning.calibrate import from_json

    plain = candidate["calibration"] or {"format": 1, "method": "none"}
    method = str(plain["method"])
    if method == "none":
        return None, method
    calibrator = from_json(plain)
    for name, value in reversed(inside.shaped(after)):
        if name == "probabilities" or not np.isfinite(value).all() or (value < 0).any():
            continue
        if not np.allclose(value.sum(axis=1), 1.0, atol=1e-5):
            continue
        if np.allclose(calibrator.apply(value.astype(np.float64)), after, rtol=1e-4, atol=1e-5) and (
            value.tobytes() != after.tobytes()
        ):
            return [float(p) for p in value[0]], method
    notes.append("the score before calibration was not found in the served graph")
    return None, method


def _rule(bundle: Bundle, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    signature = bundle.signature
    rule, decision = signature.decision, int(outputs["decision"][0])
    outside = [c.name for c, out in zip(signature.columns, outputs["outside"][0].tolist(), strict=True) if out]
    found: dict[str, Any] = {
        "threshold": rule.threshold,
        "abstain_below": rule.abstain_below,
        "novelty": float(outputs["novelty"][0]),
        "novelty_limit": rule.novelty_limit,
        "abstain_when_novel": rule.abstain_when_novel,
        "outside": outside,
        "decision": "answer" if decision == ANSWER else "low confidence" if decision == LOW_CONFIDENCE else "novel",
    }
    if signature.task.is_classification:
        label = int(outputs["label"][0])
        found["label"] = signature.target.classes[label]
        found["confidence"] = float(outputs["probabilities"][0, label])
        found["positive"] = float(outputs["probabilities"][0, 1]) if rule.threshold is not None else None
    return found


def _rule_lines(rule: Mapping[str, Any]) -> list[str]:
    lines = []
    if rule.get("label") is not None:
        if rule["threshold"] is not None:
            over = ">=" if rule["positive"] >= rule["threshold"] else "<"
            lines.append(f"{rule['positive']:.9g} {over} threshold {rule['threshold']:.9g}: {rule['label']}")
        else:
            lines.append(f"the largest: {rule['label']}")
        if rule["abstain_below"] is not None:
            low = rule["confidence"] < rule["abstain_below"]
            lines.append(
                f"confidence {rule['confidence']:.9g}, abstains below {rule['abstain_below']:g}: "
                + ("low confidence" if low else "enough")
            )
    novel = rule["novelty"] > rule["novelty_limit"]
    acts = "" if rule["abstain_when_novel"] else " (it answers all the same)"
    lines.append(
        f"novelty {rule['novelty']:.6g}, limit {rule['novelty_limit']:.6g}: {'novel' + acts if novel else 'ordinary'}"
        + (f"; outside what training saw: {', '.join(rule['outside'])}" if rule["outside"] else "")
    )
    lines.append("answer" if rule["decision"] == "answer" else f"abstain: {rule['decision']}")
    return lines


def _plain(value: Any, kind: Kind | None) -> Any:
    """A value of an array as JSON has it."""
    if kind is Kind.DATETIME:
        return iso_of(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(value)))
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and value != value else value


def _short(value: Any, limit: int = 80) -> str:
    text = f"{value:.9g}" if isinstance(value, float) else "missing" if value is None else str(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
