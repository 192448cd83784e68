"""What `penstock status` and `penstock graph` show: how the steps, and the stages of a project, stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.experiments.steps.drawing import Box, Mood, draw_svg, draw_text
from penstock.experiments.steps.graph import Edge
from penstock.experiments.steps.record import rows_of
from penstock.experiments.steps.survey import graph_of, surroundings, survey

if TYPE_CHECKING:
    from penstock.project.workspace import Workspace

_MOODS: dict[str, Mood] = {"known": "good", "stale": "warn", "waits": "plain", "blocked": "bad"}


@dataclass(frozen=True)
class Stage:
    """How a step or a stage stands.

    Attributes
    ----------
    standing : ``known``, ``stale``, ``waits`` (for one before it) or ``blocked`` (an input is missing).
    run : the run that made what is known; of others the last that finished. None where there is none.
    seconds, at : how long that run took, and when it began.
    inputs, outputs : as declared; of a stage of the project's own pipeline nothing.
    """

    name: str
    standing: str
    why: str
    run: str | None = None
    seconds: float | None = None
    at: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.standing,
            "why": self.why,
            "run": self.run,
            "seconds": self.seconds,
            "started_at": self.at,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "restore": list(self.restore),
        }


@dataclass(frozen=True)
class Objective:
    """How a declared objective of the server is kept: what `GET /objectives` tells of it."""

    told: Mapping[str, Any]

    def to_text(self) -> str:
        told = self.told
        if told["share"] is None:
            return f"nothing was asked since {told['since'][:16]}Z ({told['of']})"
        burns = ", ".join(f"{told['burn'][name] or 0:.3g} over {name}" for name in ("1h", "6h"))
        kept = f"{told['share']:.3%} of {told['target']:.6g} wanted ({told['of']})"
        left = f"{told['budget_left']:.1%} of the budget of {_length(told['period_s'])} left"
        return f"{kept}; {left}, burning at {burns}" + (": too fast" if told["alert"] else "")


def _length(seconds: float) -> str:
    """A length of time in the largest unit of which it is a whole number, as ``30 d``.

    >>> [_length(seconds) for seconds in (30 * 86_400, 3600, 5400)]
    ['30 d', '1 h', '90 min']
    """
    for unit, each in (("d", 86_400), ("h", 3600)):
        if seconds % each == 0:
            return f"{seconds / each:g} {unit}"
    return f"{seconds / 60:g} min"


@dataclass(frozen=True)
class Status:
    """Where a folder stands.

    Attributes
    ----------
    steps : the user's own, in order. stages : of the project's pipeline, in order.
    edges : of the steps. objectives : of the server, where it has ever run with any.
    """

    name: str
    steps: list[Stage] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    objectives: list[Objective] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 whether or not something is stale: to look is no check."""
        return 0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "steps": [step.to_json() for step in self.steps],
            "stages": [stage.to_json() for stage in self.stages],
            "objectives": [dict(objective.told) for objective in self.objectives],
        }

    def to_text(self) -> str:
        if not self.steps and not self.stages:
            return "nothing to show: penstock.toml declares neither [[step]] nor [data]; `penstock runs` lists what has run"
        parts = [_table(title, rows) for title, rows in (("steps", self.steps), ("stages", self.stages)) if rows]
        stale = [one for one in (*self.steps, *self.stages) if one.standing != "known"]
        if any(one.standing == "blocked" for one in stale):
            parts.append("next: make what is missing, or correct penstock.toml")
        elif stale:
            parts.append("next: penstock run")
        if self.objectives:
            wide = max(len(one.told["objective"]) for one in self.objectives)
            lines = [f"  {one.told['objective'].ljust(wide)}  {one.to_text()}" for one in self.objectives]
            parts.append("\n".join(["service levels:", *lines]))
        return "\n".join(parts)

    def picture(self, width: int | None = None) -> Picture:
        """The steps, and the stages of the project, as a graph; drawn no wider than `width` columns."""
        boxes = {step.name: _box(step) for step in self.steps}
        edges: dict[tuple[str, str], str] = {}
        for edge in self.edges:
            if edge.maker in boxes and edge.taker in boxes:
                before = edges.get((edge.maker, edge.taker))
                edges[edge.maker, edge.taker] = f"{before}, {edge.path}" if before else edge.path
        for index, stage in enumerate(self.stages):
            boxes[f"stage {stage.name}"] = _box(stage)
            if index:
                edges[f"stage {self.stages[index - 1].name}", f"stage {stage.name}"] = ""
        return Picture(self.name, boxes, edges, self, width)


@dataclass(frozen=True)
class Picture:
    """The graph of a folder."""

    name: str
    boxes: dict[str, Box]
    edges: dict[tuple[str, str], str]
    status: Status
    width: int | None = None

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        edges = [{"from": e.maker, "to": e.taker, "path": e.path} for e in self.status.edges]
        return {**self.status.to_json(), "edges": edges}

    def to_text(self) -> str:
        return draw_text(self.boxes, self.edges, width=self.width) if self.boxes else self.status.to_text()

    def to_svg(self) -> str:
        return draw_svg(self.boxes, self.edges, name=f"steps of {self.name}")


def look(
    workspace: Workspace,
    *,
    only: Sequence[str] = (),
    stages: Callable[[], list[Stage]] | None = None,
    rows: Callable[[], Mapping[str, Any]] | None = None,
    objectives: Callable[[], list[Objective]] | None = None,
) -> Status:
    """How the steps of a folder stand, and the stages of its project. Runs nothing.

    Parameters
    ----------
    only : names of steps; they and what they need. Stages are then left out.
    stages : tells those of the project's own pipeline, where the folder is a project with data.
    objectives : tells how the server of the project keeps its own.
    rows : tells the inputs from which `rows_of` knows the rows that steps see; asked only where there are steps.
    """
    told = [] if stages is None or only else stages()
    if not workspace.declaration.step and not only:
        return Status(workspace.name, stages=told, objectives=[] if objectives is None else objectives())
    graph = graph_of(workspace)
    around = surroundings(workspace, rows=None if rows is None else rows_of(rows()))
    states = survey(graph, around, graph.chosen(only))
    steps = []
    for name, state in states.items():
        node, record = graph.nodes[name], None if state.past is None else state.past.record
        steps.append(
            Stage(
                name,
                state.standing,
                state.why,
                None if record is None else record.id,
                None if record is None else record.seconds,
                None if record is None else record.started_at,
                node.inputs,
                node.outputs,
                state.restore,
            )
        )
    kept = [] if objectives is None or only else objectives()
    return Status(workspace.name, steps, told, [e for e in graph.edges if e.taker in states], kept)


def _box(stage: Stage) -> Box:
    tip = f"{stage.name}: {stage.why}"
    if stage.run:
        tip += f"\nlast run {stage.run}"
    return Box(stage.name, stage.standing, _MOODS[stage.standing], tip)


def _table(title: str, rows: list[Stage]) -> str:
    known = sum(row.standing == "known" for row in rows)
    wide = max(len(row.name) for row in rows)
    lines = [f"{title}: {known} of {len(rows)} known"]
    for row in rows:
        last = ""
        if row.run is not None and row.standing != "known":
            took = "" if row.seconds is None else f", {row.seconds:.1f} s"
            last = f" (last run {row.run}{took})"
        lines.append(f"  {row.name.ljust(wide)}  {row.standing.ljust(7)}  {row.why}{last}")
    return "\n".join(lines)
