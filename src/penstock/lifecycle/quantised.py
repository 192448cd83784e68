"""Stage `quantised`: a bundle's graph in smaller numbers, each form measured beside the exact one; gates decide."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.bundles import keep_bundle, restore_bundle
from penstock.lifecycle.judge import declared_gates, judged
from penstock.lifecycle.package import within_scope
from penstock.lifecycle.quantised_gates import EXACT, gates_of
from penstock.lifecycle.rows import Rows, of_inputs
from penstock.lifecycle.stages import Context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.bundle.answers import Answers
    from penstock.bundle.decoder import Frame
    from penstock.bundle.runtime import Bundle
    from penstock.evaluation.report import Report
    from penstock.ledger.run import Run
    from penstock.packaging.footprint import Footprint
    from penstock.packaging.quantising.moved import Moved
    from penstock.packaging.quantising.timing import Pace

ALIKE = 1.1
"""Times that differ by less are taken for equal: a busy machine tells no more."""
ALONE = 200
"""Validation rows that are asked alone and in a batch, beside the odd ones."""


@dataclass(frozen=True)
class Trial:
    """One form that applies, measured."""

    form: str
    draft: Bundle
    graph_mb: float
    footprint: Footprint
    pace: Pace
    moved: Moved
    report: Report
    scope: list[dict[str, Any]]

    @property
    def passed(self) -> bool:
        return self.report.passed and all(s["passed"] for s in self.scope)

    def to_json(self) -> dict[str, Any]:
        metric = self.report.metrics[self.report.metric]
        against = self.report.against[EXACT]
        return {
            "form": self.form,
            "applies": True,
            "passed": self.passed,
            "graph_mb": self.graph_mb,
            **measured(self.footprint, self.pace),
            "value": {n: metric.to_json().get(n) for n in ("value", "low", "high")},
            "difference": {n: against.to_json()[n] for n in ("difference", "low", "high")},
            "moved": self.moved.to_json(),
            "gates": [*(g.to_json() for g in self.report.gates), *map(_in_words, self.scope)],
        }


def _in_words(limit: dict[str, Any]) -> dict[str, Any]:
    """A limit of [scope] as gates are told."""
    return {**limit, "why": f"measured {limit['value']:.4g}, the scope says {limit['limit']:g}"}


def measured(footprint: Footprint, pace: Pace) -> dict[str, Any]:
    """The figures of size and speed of a row of the table."""
    return {
        "size_mb": footprint.size_mb,
        "memory_mb": footprint.memory_mb,
        "latency_p50_ms": footprint.latency_p50_ms,
        "latency_p99_ms": footprint.latency_p99_ms,
        **pace.to_json(),
    }


def quantised(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Try the forms, tell what each costs and gains, and keep the bundle of the best that passes.

    When it is reproduced, the form that was chosen is made again: what others took then is no reason to choose anew.
    """
    from penstock.evaluation.report import dumps
    from penstock.packaging.footprint import measure

    rows = of_inputs(context, inputs)
    with tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
        bench = Bench.of(context, Path(scratch), rows, inputs, params)
        names = [context.replay.outputs["chosen"]] if context.replay is not None else params["forms"]
        tried = {name: bench.attempt(name) for name in names if name is not None}
        trials = {name: trial for name, trial in tried.items() if isinstance(trial, Trial)}
        chosen = best(trials, params)
        run.output("forms", [bench.exact_row(), *(_row(name, one) for name, one in tried.items())])
        run.output("chosen", None if chosen is None else chosen.form)
        run.output("metric", bench.metric)
        if chosen is None:
            return
        folder = Path(scratch) / "finished"
        bench.finish(chosen, folder)
        run.output("footprint", measure(folder).to_json())
        run.output("bundle", keep_bundle(run, folder))
        run.output("parity", chosen.moved.to_json())
        run.output("scope", chosen.scope)
        run.output("gates", [g.to_json() for g in chosen.report.gates])
        run.output("overrides", [o.to_json() for o in chosen.report.overrides])
        for name, estimate in chosen.report.metrics.items():
            run.metric(name, estimate.value, low=estimate.low, high=estimate.high)
        run.keep("report", dumps(chosen.report), media="application/json")
    if params["override"] is not None and context.replay is None:
        context.ledger.audit.append("override", context.project.name, {"at": "quantise", **params["override"]})


def best(trials: Mapping[str, Trial], params: dict[str, Any]) -> Trial | None:
    """Of the forms that pass, the fastest for a server, the smallest elsewhere. An override takes the one form that it is about.

    Of forms that are about as fast as the fastest, the one whose answers moved least: the clock alone is no reason.
    """
    passed = [trial for trial in trials.values() if trial.passed]
    if not passed:
        return next(iter(trials.values()), None) if params["override"] is not None else None
    scope = params["scope"]
    if scope["target"] != "server":
        return min(passed, key=lambda t: t.footprint.size_mb)
    times = [t.pace.batch_ratio if scope["use"] == "batch" else t.pace.row_ratio for t in passed]
    about = [t for t, time in zip(passed, times, strict=True) if time <= ALIKE * min(times)]
    return min(about, key=lambda t: t.moved.p99)


def _row(form: str, tried: Trial | str) -> dict[str, Any]:
    return tried.to_json() if isinstance(tried, Trial) else {"form": form, "applies": False, "why": tried}


@dataclass
class Bench:
    """The exact bundle, the rows, and all that forms are held against."""

    context: Context
    scratch: Path
    rows: Rows
    params: dict[str, Any]
    candidate: dict[str, Any]
    parent: Bundle
    card: dict[str, Any]
    exact: Answers
    odd: Frame

    @classmethod
    def of(cls, context: Context, scratch: Path, rows: Rows, inputs: dict[str, Any], params: dict[str, Any]) -> Bench:
        from penstock.bundle.runtime import Bundle
        from penstock.packaging.odd_rows import odd_rows

        project = context.project
        folder = restore_bundle(project, inputs["bundle"], scratch / EXACT, audit_head=context.ledger.audit.head())
        parent = Bundle.load(folder, key=project.privacy_key)
        candidate = json.loads(context.objects.get(inputs["candidate"]))
        odd = odd_rows(rows.train[0].select([c.name for c in parent.signature.columns]))
        exact = parent.predict_frame(rows.valid[0])
        return cls(context, scratch, rows, params, candidate, parent, parent.card, exact, odd)

    @property
    def metric(self) -> str:
        return self.parent.signature.goal_metric

    @property
    def row(self) -> dict[str, Any]:
        """The raw row that latencies are measured with."""
        examples: list[dict[str, Any]] = json.loads(self.parent.read("examples.json"))["rows"]
        return examples[0]

    @cached_property
    def exact_footprint(self) -> Footprint:
        """Measured now, as those of the forms are."""
        from penstock.packaging.footprint import measure

        return measure(self.parent.folder)

    def exact_row(self) -> dict[str, Any]:
        """What the graph is before quantising: the first row of the table."""
        from penstock.packaging.quantising.timing import pace

        metric = self.card["quality"]["validation"][self.metric]
        graph = self.parent.manifest["files"]["graph.onnx"]["size_bytes"] / 2**20
        own = pace(self.parent, self.parent, self.row, self.rows.valid[0])
        figures = measured(self.exact_footprint, replace(own, row_ratio=1.0, batch_ratio=1.0))
        return {"form": EXACT, "applies": True, "graph_mb": graph, **figures, "value": metric}

    def attempt(self, name: str) -> Trial | str:
        """A form measured, or why it does not apply."""
        from penstock.packaging.build import different_alone
        from penstock.packaging.footprint import measure
        from penstock.packaging.quantising.forms import FORMS
        from penstock.packaging.quantising.moved import moved
        from penstock.packaging.quantising.rebuilt import with_graph
        from penstock.packaging.quantising.timing import pace
        from penstock.packaging.quantising.weights import find_weights

        form = FORMS[name]
        weights = find_weights(self.parent.read("graph.onnx"))
        if (why := form.objection(weights)) is not None:
            return why
        graph = form.apply(weights, self.ranges if form.calibrated else {})
        folder = self.scratch / name
        draft = with_graph(self.parent, graph, folder, key=self.context.project.privacy_key)
        valid, _ = self.rows.valid
        answers = draft.predict_frame(valid)
        change = moved(answers, self.exact, self.parent.signature)
        strange = moved(draft.predict_frame(self.odd), self.exact_odd, self.parent.signature).strange
        names = [c.name for c in self.parent.signature.columns]
        sample = type(valid).concat([valid.select(names).take(slice(0, ALONE)), self.odd])
        _, alone = different_alone(draft, sample, range(len(sample)))
        footprint = measure(folder)
        scope = within_scope(footprint, self.params["scope"])
        report = self._judge(name, answers, change, wrong=change.strange + strange + alone, footprint=footprint)
        return Trial(
            form=name,
            draft=draft,
            graph_mb=len(graph) / 2**20,
            footprint=footprint,
            pace=pace(draft, self.parent, self.row, valid),
            moved=change,
            report=report,
            scope=scope,
        )

    @cached_property
    def exact_odd(self) -> Answers:
        """What the exact graph says to the odd rows."""
        return self.parent.predict_frame(self.odd)

    @cached_property
    def ranges(self) -> dict[str, float]:
        """How large inputs of matrices become on training rows, drawn evenly."""
        import numpy as np

        from penstock.bundle.packing import pack
        from penstock.packaging.quantising.calibrate import input_ranges
        from penstock.packaging.quantising.weights import find_weights

        train, _ = self.rows.train
        rng = np.random.default_rng(self.params["seed"])
        drawn = np.sort(rng.permutation(len(train))[: self.params["rows"]])
        feeds = pack(train.take(drawn), self.parent.signature.layout)
        return input_ranges(find_weights(self.parent.read("graph.onnx")), feeds)

    def _judge(self, form: str, answers: Answers, change: Moved, *, wrong: int, footprint: Footprint) -> Report:
        """The report on validation rows, with the declared gates and those of [quantise]."""
        from penstock.evaluation.gates import Gate
        from penstock.evaluation.report import Override, evaluate
        from penstock.lifecycle.evaluate import cost_facts, scores_of

        frame, y = self.rows.valid
        signature, objects = self.parent.signature, self.context.objects
        prediction = _scores(answers)
        baseline = scores_of(
            objects.get(self.candidate["baseline"]),
            self.candidate["baseline_layout"],
            frame,
            self.candidate["scale"],
            objects,
        )
        gates = declared_gates(self.params, self.metric)
        report = evaluate(
            signature.task,
            signature.target.classes,
            y,
            prediction,
            metric=self.metric,
            threshold=signature.decision.threshold,
            baseline=baseline,
            others={EXACT: (_scores(self.exact), signature.decision.threshold)},
            frame=frame,
            slices=self.params["slices"],
            gates=[Gate.from_json({k: v for k, v in g.items() if v is not None}) for g in self.params["gates"]],
            seed=self.params["seed"],
            title=self.params["name"],
            target=signature.target.name,
            part="validation",
            note="after selection: these rows chose the model and its form",
            facts=[
                ("data set", self.rows.dataset),
                ("form", form),
                ("made from", f"version {self.params['of']}"),
                *cost_facts(self.candidate, y, prediction),
            ],
        )
        sizes = (footprint.size_mb, self.exact_footprint.size_mb)
        decided = gates_of(report, change, wrong, sizes, self.params)
        earlier = [Override(**one) for one in self.params["overrides"]]
        return judged(report, gates, self.params["override"], decided=decided, earlier=earlier)

    def finish(self, trial: Trial, folder: Path) -> None:
        """Write the bundle of the chosen form."""
        from penstock.monitoring.reference import build_reference
        from penstock.packaging.quantising.rebuilt import finished

        context, signature = self.context, self.parent.signature
        train, _ = self.rows.train
        valid, _ = self.rows.valid
        used = {*signature.layout.numbers, *signature.layout.strings, *signature.layout.times}
        report = trial.report.to_json()
        finished(
            trial.draft,
            folder,
            tolerance=trial.moved.largest,
            reference=lambda heldout: build_reference(
                train,
                [spec for spec in self.rows.decoder.columns if spec.name in used],
                heldout,
                valid,
                novelty_limit=signature.decision.novelty_limit,
                quality={"metric": report["metric"], **report["metrics"][report["metric"]]},
            ),
            valid=valid,
            card=self._card(trial, report),
            audit_head=context.ledger.audit.head(),
            key=context.project.privacy_key,
        )

    def _card(self, trial: Trial, report: dict[str, Any]) -> dict[str, Any]:
        """The parent's card with the quality of the quantised model, and what it was made from."""
        slices = [
            {"slice": s["slice"], "rows": s["rows"], "value": s["metrics"][report["metric"]]["value"]}
            for s in report["slices"]
        ]
        quality = self.card["quality"] | {
            "validation": report["metrics"],
            "slices": sorted((s for s in slices if s["value"] is not None), key=lambda s: s["value"]),
        }
        return self.card | {
            "quality": quality,
            "gates": report["gates"],
            "overrides": report["overrides"],
            "scope": {name: value for name, value in self.params["scope"].items() if value is not None},
            "quantised": {
                "form": trial.form,
                "of": {"version": self.params["of"], "bundle": self.parent.digest},
                "largest": trial.moved.largest,
                "p99": trial.moved.p99,
                "changed": trial.moved.changed,
            },
        }


def _scores(answers: Answers) -> Any:
    """Probabilities (n, K), or values (n,) in the target's units."""
    return answers.value if answers.probabilities is None else answers.probabilities
