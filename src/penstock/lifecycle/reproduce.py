"""`penstock reproduce RUN`: do it again from its record and compare, byte by byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.errors import Forgotten, NotFound, ProjectError
from penstock.lifecycle.append import append
from penstock.lifecycle.contract import check
from penstock.lifecycle.evaluate import evaluate
from penstock.lifecycle.fallback import fallback
from penstock.lifecycle.features import features
from penstock.lifecycle.ingest import ingest
from penstock.lifecycle.judge import judge
from penstock.lifecycle.nested import nested
from penstock.lifecycle.package import package
from penstock.lifecycle.quantised import quantised
from penstock.lifecycle.recipe import recipe
from penstock.lifecycle.reproducible import OPERATION, PASSING
from penstock.lifecycle.search import search
from penstock.lifecycle.stages import Context, Work
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord

STAGES: dict[str, Work] = {
    "contract": check,
    "ingest": ingest,
    "append": append,
    "recipe": recipe,
    "features": features,
    "search": search,
    "evaluate": evaluate,
    "nested": nested,
    "judge": judge,
    "fallback": fallback,
    "package": package,
    "quantised": quantised,
}
"""Stages that are functions of their record. `register` gives a number, which is not."""

PIPELINES = ("run", "retrain")
"""Runs of all stages; their output ``steps`` lists those."""

TOLERANCE = 1e-6
"""Relative difference of a metric that still counts as the same, where bytes differ."""

NOT_COMPARED = {"audit_head", "breaches", "told", "footprint", "forms", "scope", "seconds", "too_short"}
"""Outputs that measure time, grow with the project, or show rows as far as they were dealt then."""

SAME_METRICS = {"artifact", "rounding"}
"""Kinds of differences that leave every metric the same within the tolerance."""


@dataclass(frozen=True)
class Reproduction:
    """Outcome of `penstock reproduce`.

    Attributes
    ----------
    compared : outputs of all stages, and trials that were fitted again.
    reproduced : runs of stages that gave the same, at least within the tolerance.
    refitted : of these, the trials.
    not_refitted : trials whose record does not allow it, whose recorded values stand: why -> how many.
    """

    run: str
    again: list[str]
    verdict: str  # "identical", "within tolerance" or "different"
    differences: list[dict[str, Any]]
    compared: int
    reproduced: list[str] = field(default_factory=list)
    refitted: int = 0
    not_refitted: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return 1 if self.verdict == "different" else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "again": self.again[-1],
            "stages": self.again,
            "verdict": self.verdict,
            "differences": self.differences,
            "compared": self.compared,
            "refitted": self.refitted,
            "not_refitted": [{"trials": count, "why": why} for why, count in self.not_refitted.items()],
        }

    def to_text(self) -> str:
        trials = f", {self.refitted} of them trials fitted again" if self.refitted else ""
        lines = [f"run {self.run}: {self.verdict}; {self.compared} outputs compared{trials}"]
        lines += [
            f"  {count} trial{'' if count == 1 else 's'} not fitted again, the recorded value taken: {why}"
            for why, count in self.not_refitted.items()
        ]
        lines += [
            f"  {d['stage']} {d['what']}: was {d['was']}, is {d['is']}; likely because of {d['cause']}"
            for d in self.differences
        ]
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """A summary for a pull request."""
        mark = "❌" if self.exit_code else "✅"
        lines = [
            f"## {mark} the pipeline is {'not ' if self.exit_code else ''}reproducible: {self.verdict}",
            "",
            f"Run `{self.run}` was done again stage by stage; {self.compared} results were compared, "
            f"{self.refitted} trials fitted again.",
        ]
        if self.differences:
            lines += ["", "| stage | what differs | was | is | likely cause |", "|---|---|---|---|---|"]
            lines += [
                f"| {d['stage']} | {d['what']} | {d['was']} | {d['is']} | {d['cause']} |" for d in self.differences
            ]
        return "\n".join(lines) + "\n"


def reproduce_run(project: Project, run: str, *, progress: Callable[..., None] | None = None) -> Reproduction:
    """Do a run again: a whole pipeline stage by stage, or one stage.

    A search is replayed from its recorded trials, and the clock plays no part: each that ended with a value is fitted again
    with its parameters, seed and thread count, and stops where it stopped. Their values are compared with the recorded ones and
    choose again; the chosen candidate is fitted, checked and calibrated anew. It takes about as long as the search did.

    Raises
    ------
    NotFound : there is no such run. ProjectError : it did not finish, or it is no run that can be done again.
    Forgotten : the version of the data set that it took, or made, is forgotten.
    """
    record = project.ledger.get(run)
    if record.status != "done":
        raise ProjectError(
            f"run {record.id} is {record.status}",
            why="only a run that has finished has a result",
            way_out="name another run",
        )
    if record.operation in PIPELINES:
        parts = [project.ledger.get(s["run"]) for s in record.outputs.get("steps", []) if s["name"] in STAGES]
    elif record.operation in STAGES:
        parts = [record]
    else:
        raise ProjectError(
            f"run {record.id} is a {record.operation}, which cannot be done again",
            why="it changed the state of the project rather than computing something",
            way_out=f"reproduce a run of: {', '.join((*PIPELINES, *STAGES))}",
        )
    if not parts:
        raise NotFound(f"run {record.id} has no stages", why="its record lists none", way_out="name another run")
    _refuse_forgotten(project, parts)
    with project.ledger.run(OPERATION, inputs={"reproduces": record.id}, project=project.name) as whole:
        found = _reproduced(project, record, parts, progress)
        whole.output("verdict", found.verdict)
        whole.output("differences", found.differences)
        whole.output("reproduced", found.reproduced)
    return found


def _refuse_forgotten(project: Project, parts: list[RunRecord]) -> None:
    """Nothing that took or made rows that are forgotten can be done again, nor may it bring them back."""
    for part in parts:
        for digest in (*part.inputs.values(), part.outputs.get("dataset")):
            if isinstance(digest, str):
                project.ledger.access.refuse_forgotten(digest)
        if not part.key:
            raise Forgotten(
                f"what run {part.id} took is forgotten",
                why="it was made of a version of the data set whose rows are gone for good",
                way_out="reproduce a run of another version, as `penstock data log` lists them",
            )


def _reproduced(
    project: Project, record: RunRecord, parts: list[RunRecord], progress: Callable[..., None] | None
) -> Reproduction:
    again, differences, compared, refits, reproduced = [], [], 0, [], []
    for part in parts:
        repeated = _again(project, part, progress)
        again.append(repeated.id)
        found: list[dict[str, Any]] = []
        for differ, count in (_compare(part, repeated), _compare_trials(part, repeated)):
            found += differ
            compared += count
        differences += found
        if _verdict(found, [part]) in PASSING:
            reproduced.append(part.id)
        refits += repeated.outputs.get("refits", [])
    skipped = Counter(refit["skipped"] for refit in refits if refit["skipped"])
    return Reproduction(
        run=record.id,
        again=again,
        verdict=_verdict(differences, parts),
        differences=differences,
        compared=compared,
        reproduced=reproduced,
        refitted=len(refits) - skipped.total(),
        not_refitted=dict(skipped),
    )


def _verdict(differences: list[dict[str, Any]], parts: list[RunRecord]) -> str:
    if not differences:
        return "identical"
    close = all(d["kind"] in SAME_METRICS for d in differences) and any(part.metrics for part in parts)
    return "within tolerance" if close else "different"


def _again(project: Project, record: RunRecord, progress: Callable[..., None] | None) -> RunRecord:
    ledger = project.ledger
    context = Context(project, replay=record, progress=progress)
    inputs = {**record.inputs, "reproduces": record.id}
    with ledger.run("reproduce", inputs=inputs, params=record.params, project=project.name) as run:
        STAGES[record.operation](context, run, dict(record.inputs), dict(record.params))
    return ledger.get(run.id)


def _compare(was: RunRecord, now: RunRecord) -> tuple[list[dict[str, Any]], int]:
    found: list[dict[str, Any]] = []
    cause = _cause(was, now)

    def differs(kind: str, what: str, before: Any, after: Any) -> None:
        found.append({"stage": was.operation, "kind": kind, "what": what, "was": before, "is": after, "cause": cause})

    for name, artifact in was.artifacts.items():
        after = now.artifacts.get(name, {}).get("digest")
        if after != artifact["digest"]:
            differs("artifact", name, artifact["digest"], after)
    for name, metric in was.metrics.items():
        before, after = metric["value"], now.metrics.get(name, {}).get("value")
        if not _same_number(before, after):
            differs("metric", name, before, after)
    outputs = {n: v for n, v in was.outputs.items() if n not in NOT_COMPARED}
    for name, value in outputs.items():
        if now.outputs.get(name) != value and not (isinstance(value, str) and value.startswith("sha256:")):
            differs("output", name, value, now.outputs.get(name))
    return found, len(was.artifacts) + len(was.metrics) + len(outputs)


def _compare_trials(was: RunRecord, now: RunRecord) -> tuple[list[dict[str, Any]], int]:
    """Recorded values of trials with those of now, of a search."""
    refits = [refit for refit in now.outputs.get("refits", []) if not refit["skipped"]]
    metric = next(iter(was.metrics), "value")  # a search has one: that which it optimised
    around = "; ".join(_changes(was, now))
    found = [
        {
            "stage": was.operation,
            "kind": "rounding" if _same_number(refit["was"], refit["is"]) else "metric",
            "what": f"trial {refit['number']} ({refit['learner']}) {metric}",
            "was": refit["was"],
            "is": refit["is"],
            "cause": refit["error"] or around or "a change of its record: the environment and the inputs are the same",
        }
        for refit in refits
        if refit["was"] != refit["is"]
    ]
    return found, len(refits)


def _same_number(a: float | None, b: float | None) -> bool:
    if a is None or b is None or a != a or b != b:
        return (a is None or a != a) and (b is None or b != b)
    return abs(a - b) <= TOLERANCE * max(1.0, abs(a))


def _cause(was: RunRecord, now: RunRecord) -> str:
    unknown = "something that is not recorded: the environment and the inputs are the same"
    return "; ".join(_changes(was, now)) or unknown


def _changes(was: RunRecord, now: RunRecord) -> list[str]:
    """What differs around the two runs, in the order in which it is likely to matter."""
    reasons = []
    if was.code != now.code and was.source.get("penstock") != now.source.get("penstock"):
        reasons.append(f"Penstock {was.source.get('penstock')} then, {now.source.get('penstock')} now")
    before, after = was.environment.get("packages", {}), now.environment.get("packages", {})
    changed = [
        f"{n} {before.get(n)} -> {after.get(n)}" for n in sorted({*before, *after}) if before.get(n) != after.get(n)
    ]
    if changed:
        reasons.append("package versions: " + ", ".join(changed[:5]))
    for what in ("python", "platform", "machine", "cpus"):
        if was.environment.get(what) != now.environment.get(what):
            reasons.append(f"{what}: {was.environment.get(what)} -> {now.environment.get(what)}")
    return reasons
