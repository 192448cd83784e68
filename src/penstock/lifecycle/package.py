"""Stage `package`: novelty, decision rule, reference profile, card and self-test make the model a bundle."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.bundles import keep_bundle
from penstock.lifecycle.fallback import fallbacks_of
from penstock.lifecycle.rows import Rows, of_inputs
from penstock.lifecycle.stages import Context

if TYPE_CHECKING:
    from penstock.ledger.run import Run
    from penstock.packaging.fallback import Fallback
    from penstock.packaging.footprint import Footprint


CALIBRATED = {
    "none": "Its probabilities are as the learner gave them.",
    "sigmoid": "Its probabilities are calibrated by a sigmoid (Platt 1999), fitted out of fold on training rows.",
    "isotonic": "Its probabilities are calibrated by isotonic regression, fitted out of fold on training rows.",
    "temperature": "Its probabilities are calibrated by a temperature (Guo et al. 2017), fitted out of fold on training rows.",
}
"""What the card says of each method of calibration."""


def package(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Build the bundle, hold it to parity, measure what it costs, and keep it."""
    from penstock.bundle.packing import Layout
    from penstock.bundle.signature import DecisionRule, Interval, Scale
    from penstock.data.privacy.keyed import keyed
    from penstock.monitoring.reference import build_reference
    from penstock.packaging.build import build, signature_of
    from penstock.packaging.footprint import measure
    from penstock.packaging.novelty import fit_novelty

    rows = of_inputs(context, inputs)
    train, _ = rows.train
    valid, _ = rows.valid
    candidate = json.loads(context.objects.get(inputs["candidate"]))
    report = json.loads(context.objects.get(inputs["report"]))
    layout = Layout.from_json(candidate["layout"], context.objects.get)
    used = {*layout.numbers, *layout.strings, *layout.times}
    specs = [spec for spec in rows.decoder.columns if spec.name in used]
    novelty = fit_novelty(train, layout, seed=params["seed"])
    rule = DecisionRule(
        threshold=candidate["threshold"],
        abstain_below=params["abstain_below"],
        novelty_limit=float(novelty.limit),
        abstain_when_novel=params["abstain_when_novel"],
    )
    scale, offsets = candidate["scale"], candidate["interval"]
    missing = params.get("missing", {})
    signature = signature_of(
        model=params["name"],
        decoder=rows.decoder,
        layout=layout,
        novelty=novelty,
        train=train,
        rule=rule,
        extra_fields=params["extra_fields"],
        key=params["key"],
        scale=None if scale is None else Scale(scale["mean"], scale["std"]),
        interval=None if offsets is None else Interval(offsets["coverage"], offsets["low"], offsets["high"]),
        goal_metric=candidate["metric"],
        missing={name: policy for name, policy in missing.items() if name in used},
    )
    fallbacks: list[Fallback] = []
    card = card_of(rows, candidate, report, params, inputs, novelty.limit)
    if "fallbacks" in inputs:
        fallbacks, card["fallbacks"] = fallbacks_of(context, inputs, rows, signature, params)
    if missing:
        card["missing"] = missing
    if decisions := _decisions(context):
        card["decisions"] = decisions
        run.output("decisions", decisions)
    model = context.objects.get(inputs["model"])
    head = context.ledger.audit.head()

    with tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
        folder = Path(scratch) / "bundle"
        packaged = build(
            folder,
            model=model,
            decoder=keyed(rows.decoder, context.ledger),
            signature=signature,
            novelty=novelty,
            train=train,
            valid=valid,
            reference=lambda heldout: build_reference(
                train,
                specs,
                heldout,
                valid,
                novelty_limit=rule.novelty_limit,
                quality={"metric": report["metric"], **report["metrics"][report["metric"]]},
            ),
            card=card,
            audit_head=head,
            fallbacks=fallbacks,
        )
        footprint = measure(folder)
        run.output("bundle", keep_bundle(run, folder))
    run.output("parity", packaged.parity.to_json())
    run.output("footprint", footprint.to_json())
    run.output("scope", within_scope(footprint, params["scope"]))
    if params["scope"]["target"] == "browser":
        from penstock.packaging.exports.in_browser import obstacles

        run.output(
            "warnings",
            [
                f"[scope] target is a browser, where this model cannot answer: {why}; {way_out}"
                for why, way_out in obstacles(signature)
            ],
        )


def card_of(
    rows: Rows,
    candidate: dict[str, Any],
    report: dict[str, Any],
    params: dict[str, Any],
    inputs: dict[str, Any],
    novelty_limit: float,
) -> dict[str, Any]:
    """The model card's data. `inputs` are those of the stage: the digests of what the bundle is made from."""
    target = rows.target
    limits = [
        f"It flags rows unlike its training data: novelty above {novelty_limit:.3g} is expected of 1 in 100 ordinary rows.",
        "Values outside the range seen in training, and categories never seen, are listed with each answer.",
    ]
    if params["abstain_below"] is not None:
        limits.append(f"It withholds its answer where the probability is below {params['abstain_below']:g}.")
    if candidate["calibration"]:
        limits.append(CALIBRATED[candidate["calibration"]["method"]])
    if candidate["interval"]:
        limits.append(
            f"Its intervals are meant to cover {candidate['interval']['coverage']:.0%} of rows like its training rows."
        )
    limits += [sentence[0].upper() + sentence[1:] + "." for sentence in rows.told]
    importance = candidate["importance"]
    slices = [
        {"slice": s["slice"], "rows": s["rows"], "value": s["metrics"][report["metric"]]["value"]}
        for s in report["slices"]
    ]
    return {
        "format": 1,
        "name": params["name"],
        "question": params["question"],
        "task": target.task.value,
        "data": {
            "dataset": rows.dataset,
            "target": target.name,
            "classes": list(target.classes),
            "rows": {**rows.version.rows, "valid": report["rows"]},
        },
        "model": {
            "learner": candidate["learner"],
            "params": candidate["params"],
            "features": candidate["features"],
            "recipe": candidate["recipe"],
            "seed": candidate["seed"],
            "trials": candidate["trials"],
        },
        "quality": {
            "metric": report["metric"],
            "validation": report["metrics"],
            "baseline": report["baseline"],
            "slices": sorted((s for s in slices if s["value"] is not None), key=lambda s: s["value"]),
        },
        "gates": report["gates"],
        "overrides": report["overrides"],
        "inputs": [
            {"name": spec.name, "kind": spec.kind.value, "importance": importance.get(spec.name)}
            for spec in rows.decoder.columns
            if spec.name in importance
        ],
        **({"costs": candidate["costs"]} if "costs" in candidate else {}),
        "scope": {name: value for name, value in params["scope"].items() if value is not None},
        "limits": limits,
        **(
            {"personal": [{"column": c, "action": a} for c, a in params["privacy"].items()]}
            if params.get("privacy")
            else {}
        ),
        "lineage": {
            "dataset": inputs["dataset"],
            "recipe": candidate["recipe"],
            "model": inputs["model"],
            "report": inputs["report"],
        },
    }


def _decisions(context: Context) -> list[dict[str, Any]]:
    """What the lab notebook says now; of a reproduced bundle, what it said then.

    As the head of the audit trail, it tells of when the bundle was made, and is no reason to make it again.
    """
    if context.replay is not None:
        return list(context.replay.outputs.get("decisions", []))
    return [
        {name: getattr(decision, name) for name in ("id", "hypothesis", "why", "outcome")}
        for decision in context.ledger.decisions.of_project(context.project.name)
    ]


def within_scope(footprint: Footprint, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """What [scope] asks of the model's cost, and what was measured. (Judged by `deploy`.)"""
    cores = scope["cores"] or 1.0
    measured = {
        "latency_ms": footprint.latency_p99_ms,
        "memory_mb": footprint.memory_mb,
        "size_mb": footprint.size_mb,
    }
    found = [
        {"id": f"scope.{name}", "passed": value <= scope[name], "value": value, "limit": scope[name]}
        for name, value in measured.items()
        if scope[name] is not None
    ]
    if scope["requests_per_s"] is not None:
        capacity = cores * 1000.0 / footprint.cpu_ms
        wanted = scope["requests_per_s"]
        found.append({"id": "scope.requests_per_s", "passed": capacity >= wanted, "value": capacity, "limit": wanted})
    return found
