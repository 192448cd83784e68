"""The lab notebook: writing decisions down, and the story that they make with their runs and deployments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.errors import BadParameter, StoreError
from penstock.ledger.decisions import OUTCOMES, Decision, is_decision
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.ledger.audit import Event
    from penstock.ledger.record import RunRecord

DEPLOYMENTS = ("deploy", "promote", "rollback", "release", "return")
"""Events of the audit trail that belong into the story."""


@dataclass(frozen=True)
class Decided:
    """One decision with all its revisions, oldest first."""

    revisions: list[Decision]

    exit_code = 0

    @property
    def now(self) -> Decision:
        return self.revisions[-1]

    def to_json(self) -> dict[str, Any]:
        return {"decision": self.now.to_json(), "revisions": [revision.to_json() for revision in self.revisions]}

    def to_text(self) -> str:
        now = self.now
        lines = [f"{now.id}: {now.hypothesis} [{now.outcome}]"]
        for revision in self.revisions:
            why = ": " + "\n      ".join(revision.why.splitlines()) if revision.why else ""
            lines.append(f"  {revision.at[:16].replace('T', ' ')} {revision.who}: {revision.outcome}{why}")
        if now.runs:
            lines.append(f"  runs: {', '.join(now.runs)}")
        if now.outcome == "open":
            lines.append(f"next: penstock decide {now.id} --outcome confirmed|refuted --why TEXT")
        return "\n".join(lines)


@dataclass(frozen=True)
class DecisionList:
    """All decisions, as they are now."""

    decisions: list[Decision]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {"decisions": [decision.to_json() for decision in self.decisions]}

    def to_text(self) -> str:
        if not self.decisions:
            return 'no decisions yet; write one down with `penstock decide "what you suppose" --why TEXT --runs RUN`'
        wide = max(len(decision.id) for decision in self.decisions)
        lines = []
        for d in self.decisions:
            runs = f" ({len(d.runs)} run{'s' if len(d.runs) > 1 else ''})" if d.runs else ""
            lines.append(f"{d.id.ljust(wide)}  {d.outcome.ljust(9)}  {d.at[:10]}  {d.hypothesis}{runs}")
        return "\n".join(lines)


def decide(
    workspace: Workspace,
    text: str | None = None,
    *,
    why: str | None = None,
    runs: Sequence[str] = (),
    outcome: str | None = None,
) -> Decided | DecisionList:
    """Write a decision down, revise one, or show what there is.

    Parameters
    ----------
    text : the hypothesis of a new decision, or the id of one; None lists all.
    why : the reasons. runs : ids, or beginnings of them, that it rests on.
    outcome : of `OUTCOMES`; of a new decision ``open`` unless told otherwise.

    Raises
    ------
    NotFound : there is no such run or decision. BadParameter : there is no such outcome, or nothing to write it to.
    """
    ledger = workspace.ledger
    if text is None:
        if why is not None or runs or outcome is not None:
            raise BadParameter(
                "no decision is named",
                why="--why, --runs and --outcome belong to one",
                way_out='write its hypothesis, as in `penstock decide "dropout helps" --why ...`, or its id',
            )
        return DecisionList(ledger.decisions.of_project(workspace.name))
    if outcome is not None and outcome not in OUTCOMES:
        raise BadParameter(f"{outcome!r} is no outcome", f"it is one of {', '.join(OUTCOMES)}", "write one of these")
    found = [ledger.get(reference).id for reference in runs]
    if not is_decision(text):
        decision = ledger.decisions.add(text, why=why or "", runs=found, outcome=outcome or "open")
    elif why is None and not found and outcome is None:
        ledger.decisions.get(text)
        return Decided(ledger.decisions.history(text))
    else:
        decision = ledger.decisions.revise(text, why=why, runs=found, outcome=outcome)
    ledger.audit.append(
        "decide",
        decision.id,
        {
            "revision": decision.number,
            "hypothesis": decision.hypothesis,
            "why": decision.why,
            "outcome": decision.outcome,
            "runs": list(decision.runs),
        },
        who=decision.who,
    )
    return Decided(ledger.decisions.history(decision.id))


# --- the story --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoryRun:
    """A run as the notebook shows it."""

    id: str
    operation: str
    status: str
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    unsealed: bool = False

    @classmethod
    def of(cls, record: RunRecord) -> StoryRun:
        return cls(
            record.id,
            record.operation,
            record.status,
            record.params,
            {name: metric["value"] for name, metric in record.metrics.items()},
            record.notes,
            bool(record.outputs.get("unsealed")),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "operation": self.operation,
            "status": self.status,
            "params": self.params,
            "metrics": self.metrics,
            "notes": self.notes,
            "unsealed": self.unsealed,
        }


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Attributes
    ----------
    kind : ``decision`` (a new one), ``revision`` (a later word on one), ``note`` (on a run of no decision), ``deployment``.
    title : one line. text : the reasons, or the note. decision : its id. outcome : what the decision says after this entry.
    """

    at: str
    who: str
    kind: str
    title: str
    text: str = ""
    decision: str | None = None
    outcome: str | None = None
    runs: list[StoryRun] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "who": self.who,
            "kind": self.kind,
            "title": self.title,
            "text": self.text,
            "decision": self.decision,
            "outcome": self.outcome,
            "runs": [run.to_json() for run in self.runs],
        }


@dataclass(frozen=True)
class Story:
    """The lab notebook of a folder, oldest entry first."""

    name: str
    question: str
    entries: list[Entry]
    decisions: list[Decision]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "question": self.question,
            "decisions": [decision.to_json() for decision in self.decisions],
            "entries": [entry.to_json() for entry in self.entries],
        }

    def to_text(self) -> str:
        from penstock.experiments.lab.page import markdown

        return markdown(self)

    def to_html(self) -> str:
        """One page that needs nothing from elsewhere."""
        from penstock.experiments.lab.page import page

        return page(self)


def story(workspace: Workspace) -> Story:
    """Decisions in the order of time with their runs, notes on other runs, and what was deployed in between."""
    ledger = workspace.ledger
    known: dict[str, StoryRun | None] = {}

    def run(reference: str) -> StoryRun:
        if reference not in known:
            known[reference] = _run(workspace, reference)
        return known[reference] or StoryRun(reference, "", "purged")

    entries: list[Entry] = []
    before: dict[str, Decision] = {}
    ours = {decision.id for decision in ledger.decisions.of_project(workspace.name)}
    for revision in ledger.decisions.history():
        if revision.id not in ours:
            continue
        earlier = before.get(revision.id)
        new = [r for r in revision.runs if earlier is None or r not in earlier.runs]
        title = revision.hypothesis if earlier is None else _turn(earlier, revision)
        kind = "decision" if earlier is None else "revision"
        runs = [run(reference) for reference in new]
        entries.append(Entry(revision.at, revision.who, kind, title, revision.why, revision.id, revision.outcome, runs))
        before[revision.id] = revision
    told = {reference for decision in before.values() for reference in decision.runs}
    for record in ledger.runs(project=workspace.name, where=("r.id IN (SELECT run FROM run_notes)", {})):
        if record.id not in told:
            entries += [
                Entry(
                    n["at"],
                    n["who"],
                    "note",
                    f"{record.operation} ({record.id})",
                    n["text"],
                    runs=[StoryRun.of(record)],
                )
                for n in record.notes
            ]
    entries += [_deployment(event) for event in ledger.audit.events() if event.what in DEPLOYMENTS]
    declared = workspace.declaration.project
    decisions = sorted(before.values(), key=lambda decision: int(decision.id[1:]))
    return Story(workspace.name, declared.question, sorted(entries, key=lambda entry: entry.at), decisions)


def _run(workspace: Workspace, reference: str) -> StoryRun | None:
    try:
        return StoryRun.of(workspace.ledger.get(reference))
    except StoreError:  # purged: the decision stays
        return None


def _turn(before: Decision, now: Decision) -> str:
    """What a revision says in one line."""
    if now.outcome != before.outcome:
        return f"{now.hypothesis}: {now.outcome}"
    more = len(set(now.runs) - set(before.runs))
    return f"{now.hypothesis}: {f'{more} more run' + ('s' if more > 1 else '') if more else 'another word'}"


def _deployment(event: Event) -> Entry:
    details = event.details
    told = {
        "deploy": "deployed",
        "promote": "promoted",
        "rollback": "rolled back to",
        "release": "released beside the live version",
        "return": "returned to",
    }[event.what]
    facts = [
        f"{name} {value}" for name, value in details.items() if isinstance(value, str | int | float) and value != ""
    ]
    return Entry(
        event.at,
        event.who,
        "deployment",
        f"{told} {event.subject}" if event.what in ("rollback", "return") else f"{event.subject} {told}",
        ", ".join(facts),
    )
