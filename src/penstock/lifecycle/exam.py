"""The exam of a version: one envelope of sealed test rows, the gates, the baseline and the version that is live.

What has been opened stays opened: an exam that was broken off goes on with its own envelope, and an override acts on the verdict
that was given instead of spending another one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bundle.kinds import Task
from penstock.errors import SealError
from penstock.lifecycle.bundles import packaging_run
from penstock.lifecycle.comparable import not_judged, why_not_comparable
from penstock.lifecycle.evaluate import cost_facts, scores_of
from penstock.lifecycle.judge import declared_gates, judged
from penstock.lifecycle.reproducible import reproducible
from penstock.lifecycle.settings import Settings
from penstock.project.project import Project

if TYPE_CHECKING:
    import numpy as np

    from penstock.bundle.decoder import Frame
    from penstock.bundle.runtime import Bundle
    from penstock.evaluation.bootstrap import Comparison
    from penstock.evaluation.gates import GateResult
    from penstock.evaluation.report import Report
    from penstock.ledger.envelopes import EnvelopeRecord
    from penstock.ledger.registry import ModelVersion
    from penstock.serving.slots import SlotEntry

FEW_ROWS = 200
"""Fewer test rows make a wide interval, and it is said so."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope that a version is scored on.

    Attributes
    ----------
    opened : it was opened before, by an earlier exam of this very version that did not end with it live.
    reused : its rows had been seen by others; accepted with a reason.
    """

    index: int
    left: int
    opened: bool = False
    reused: bool = False


def choose_envelope(
    project: Project, chosen: ModelVersion, *, override: dict[str, str] | None, accept_spent: str | None
) -> Envelope:
    """The version's own envelope where it has one already, else a sealed one, else a spent one that is accepted.

    Raises
    ------
    SealError : no envelope is left.
    """
    from penstock.data.seal import envelopes as envelopes_of
    from penstock.data.versions import load_version

    version = load_version(project.objects, chosen.dataset)
    envelopes = envelopes_of(project.ledger, project.objects, chosen.dataset)
    if not envelopes:
        retired = bool(version.envelopes)
        raise SealError(
            f"{chosen.name} version {chosen.version} has no test rows",
            why="its split was changed since, which retired its envelopes"
            if retired
            else "its data set is too small to hold any back, or the rows that were have been seen since, as after a change of target",
            way_out="run `penstock run` and deploy what it makes"
            if retired
            else "bring new rows, of which some are sealed, and `penstock run` again",
        )
    sealed = [e for e in envelopes if not e.is_spent]
    own = _own(project, chosen, envelopes, override)
    if own is not None:
        return Envelope(own.index, len(sealed), opened=True)
    if sealed:
        by_time = version.split.by.startswith("time:")
        first = sealed[-1] if by_time else sealed[0]  # by time: the newest rows are the fairest exam
        return Envelope(first.index, len(sealed) - 1)
    if accept_spent is None:
        raise SealError(
            f"no sealed envelope is left for {chosen.name} version {chosen.version}",
            why=f"all {len(envelopes)} were opened; their rows have been seen, so a score on them proves less",
            way_out="bring new labelled rows (`penstock retrain`), or use --accept-spent REASON, which the card shows",
        )
    last = max(envelopes, key=lambda e: str(e.opened_at))
    return Envelope(last.index, 0, opened=True, reused=True)


def _own(
    project: Project, chosen: ModelVersion, envelopes: list[EnvelopeRecord], override: dict[str, str] | None
) -> EnvelopeRecord | None:
    """The envelope of an exam of this version that was broken off, or, for an override, of one that it failed."""
    ledger = project.ledger
    opened = {e.opened_by_run: e for e in envelopes if e.is_spent}
    for run in ledger.runs("deploy", project=project.name):
        if run.id not in opened or run.inputs.get("bundle") != chosen.bundle:
            continue
        if run.status != "done" or (override is not None and not run.outputs["deployed"]):
            return opened[run.id]
    return None


def examine(
    project: Project,
    chosen: ModelVersion,
    bundle: Bundle,
    envelope: Envelope,
    run: str,
    override: dict[str, str] | None,
    live: tuple[SlotEntry, Bundle] | None,
) -> Report:
    """Score the version, the baseline and the live version (None: nothing is live) on the same rows, and judge."""
    from penstock.data.seal import open_envelope, read_spent
    from penstock.evaluation.gates import check_gates
    from penstock.evaluation.report import Override, evaluate

    ledger, objects = project.ledger, project.objects
    signature = bundle.signature
    settings = Settings.of(project, None)
    slices = settings.evaluate["slices"]
    gates = declared_gates(settings.judge, signature.goal_metric)
    check_gates(gates, signature.task, slices)  # before anything is opened: a typo must not cost an envelope
    if envelope.opened:
        frame, y = read_spent(ledger, objects, chosen.dataset, envelope.index)
    else:
        purpose = f"deploy version {chosen.version}"
        frame, y = open_envelope(ledger, objects, chosen.dataset, envelope.index, run=run, purpose=purpose)
    note = "spent before: these rows had been seen" if envelope.reused else "sealed until this exam"
    champion, unjudged = _champion(project, chosen, live)
    candidate = _candidate(project, chosen)
    answers = answers_of(bundle, frame)
    report = evaluate(
        signature.task,
        signature.target.classes,
        y,
        answers,
        metric=signature.goal_metric,
        threshold=signature.decision.threshold,
        baseline=_baseline(project, candidate, frame),
        others={name: (answers_of(one, frame), one.signature.decision.threshold) for name, one in champion.items()},
        frame=frame,
        slices=slices,
        gates=gates,
        title=chosen.name,
        target=signature.target.name,
        part=f"envelope {envelope.index}",
        note=note,
        facts=[
            ("version", str(chosen.version)),
            ("data set", chosen.dataset),
            ("run", run),
            ("audit head", ledger.audit.head()),
            *cost_facts(candidate, y, answers),
        ],
    )
    decided = [*_against_champion(report, unjudged), *_scope_results(project, chosen), *_reproducible(project, chosen)]
    earlier = [Override(**one) for one in chosen.overrides]
    return judged(report, gates, override, decided=decided, earlier=earlier)


def answers_of(bundle: Bundle, frame: Frame) -> np.ndarray:
    """Probabilities (n, K), or values (n,) in the target's units."""
    answers = bundle.predict_frame(frame)
    scores = answers.value if bundle.signature.task is Task.REGRESSION else answers.probabilities
    assert scores is not None
    return scores


def _candidate(project: Project, chosen: ModelVersion) -> dict[str, Any]:
    """What the search told of the version."""
    ledger = project.ledger
    found = ledger.get(str(ledger.get(chosen.run).params["search"]))
    candidate: dict[str, Any] = json.loads(project.objects.get(str(found.artifacts["candidate"]["digest"])))
    return candidate


def _baseline(project: Project, candidate: dict[str, Any], frame: Frame) -> np.ndarray:
    model = project.objects.get(candidate["baseline"])
    return scores_of(model, candidate["baseline_layout"], frame, candidate["scale"], project.objects)


def _champion(
    project: Project, chosen: ModelVersion, live: tuple[SlotEntry, Bundle] | None
) -> tuple[dict[str, Bundle], str | None]:
    """What is to be beaten, and, where it cannot answer these rows, why that is not judged."""
    from penstock.data.versions import load_version

    if live is None or live[0].bundle == chosen.bundle:
        return {}, None
    entry, bundle = live
    why = why_not_comparable(bundle, load_version(project.objects, chosen.dataset).decoder)
    if why is not None:
        return {}, not_judged(entry.version, why)
    return {f"champion, version {entry.version}": bundle}, None


def _against_champion(report: Report, unjudged: str | None) -> list[GateResult]:
    """A version that is proven worse than the live one on the same rows does not take over, nor one of which that is not judged."""
    from penstock.evaluation.gates import GateResult
    from penstock.evaluation.metrics import METRICS

    metric, gate = METRICS[report.metric], f"{report.metric}-not-worse-than-champion"
    if unjudged is not None:
        why = f"{unjudged}; nothing shows that this one is not worse, so that it goes live only with --override REASON"
        return [GateResult(gate, False, math.nan, math.nan, why)]
    results = []
    for name, c in report.against.items():
        worse = c.high < 0 if metric.greater_is_better else c.low > 0
        why = f"{c.challenger:.4g} against {c.champion:.4g} of the {name} on the same rows ({_interval(c)})"
        results.append(GateResult(gate, not worse, c.challenger, c.champion, why))
    return results


def _interval(c: Comparison) -> str:
    return f"difference {c.difference:+.4g}, 95 % interval {c.low:+.4g} to {c.high:+.4g}"


def _scope_results(project: Project, chosen: ModelVersion) -> list[GateResult]:
    """What [scope] asks of the bundle's cost, as it was measured when it was packaged."""
    from penstock.evaluation.gates import GateResult

    return [
        GateResult(
            s["id"], s["passed"], s["value"], s["limit"], f"measured {s['value']:.4g}, the scope says {s['limit']:g}"
        )
        for s in packaging_run(project, chosen).outputs["scope"]
    ]


def _reproducible(project: Project, chosen: ModelVersion) -> list[GateResult]:
    gate = reproducible(project, chosen)
    return [] if gate is None else [gate]


def keep_report(project: Project, run: Any, report: Report, version: int) -> str:
    """Keep the report with the run, and its page where people look for it."""
    from penstock.evaluation.render import to_html
    from penstock.evaluation.report import dumps
    from penstock.objects.files import write_atomic

    run.keep("report", dumps(report), media="application/json")
    page = to_html(report).encode()
    run.keep("page", page, media="text/html")
    path = project.root / "reports" / f"deploy-v{version}-{report.part.replace(' ', '-')}.html"
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, page)
    return str(path.relative_to(project.root))
