"""How all steps stand, without running any."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from penstock.errors import StepError
from penstock.experiments.capture.secrets import Masker
from penstock.experiments.steps.contents import content, digests
from penstock.experiments.steps.graph import Graph, Node
from penstock.experiments.steps.history import History
from penstock.experiments.steps.keeping import stored_files
from penstock.experiments.steps.patterns import is_glob
from penstock.experiments.steps.record import Basis
from penstock.experiments.steps.state import State, Surroundings, declared_changes, state_of
from penstock.project.workspace import Workspace


def graph_of(workspace: Workspace) -> Graph:
    """The steps of a folder, checked.

    Raises
    ------
    StepError : it declares none, or they make no graph; see `Graph.of`.
    """
    sections = workspace.declaration.step
    if not sections:
        raise StepError(
            f"{workspace.root} has no steps",
            why="penstock.toml declares no [[step]]",
            way_out='add one: [[step]], name = "prepare", run = "python prepare.py", inputs = [...], outputs = [...]',
        )
    return Graph.of(sections, workspace.root)


def surroundings(workspace: Workspace, *, rows: str | None = None) -> Surroundings:
    """What the states of a folder's steps are judged in. `rows`: see `Surroundings`."""
    masker = Masker.of_environment(os.environ, names=workspace.declaration.run.secrets)
    ledger = workspace.ledger
    return Surroundings(
        workspace.root, workspace.objects, digests(ledger.digests), History(ledger, workspace.name), masker, rows
    )


def survey(graph: Graph, around: Surroundings, names: Iterable[str]) -> dict[str, State]:
    """How the named steps stand; `names` are in order, and hold with each step all that it follows."""
    states: dict[str, State] = {}
    beside: dict[str, str] = {}
    for name in names:
        node = graph.nodes[name]
        late = [states[before] for before in node.after if states[before].standing != "known"]
        state = _waiting(node, late, graph, around) if late else state_of(node, around, beside=beside)
        states[name] = state
        if state.past is not None and state.restore:
            beside.update(stored_files(around.objects, state.past, state.restore))
    return states


def _waiting(node: Node, late: list[State], graph: Graph, around: Surroundings) -> State:
    """A step after others that are not known: stale for certain where what is declared of it has changed, too."""
    made = {edge.path: edge.maker for edge in graph.edges if edge.taker == node.name}
    missing = missing_inputs(node, graph, around.root)
    if missing:
        return State(node.name, "blocked", f"its input {missing[0]} is missing", missing=tuple(missing))
    basis = Basis.of(node, {}, around.masker)
    newest = around.history.newest(node.name)
    if newest is None:
        return State(node.name, "stale", around.history.attempt(node.name))
    changed = declared_changes(basis, newest)
    if changed:
        return State(node.name, "stale", "; ".join(changed), past=newest)
    first = late[0].name
    path = next(path for path, maker in made.items() if maker == first)
    told = "is missing an input" if late[0].standing == "blocked" else "has to run first"
    return State(node.name, "waits", f"{path} comes from {first}, which {told}", past=newest)


def missing_inputs(node: Node, graph: Graph, root: Path) -> list[str]:
    """Inputs that are not there and that no step makes."""
    return [path for path in node.inputs if not graph.makers.of(path) and not content(root, path, lambda _: "").there]


def refuse_missing(graph: Graph, names: Iterable[str], root: Path) -> None:
    """Refuse to begin where an input is missing that nobody will make.

    Raises
    ------
    StepError : names the step, the path, and what there is of a similar name.
    """
    for name in names:
        for path in missing_inputs(graph.nodes[name], graph, root):
            near = _nearest(root, path)
            raise StepError(
                f"step {name!r} needs {path!r}, which is not there",
                why="nothing fits it, and no step has it among its outputs"
                if is_glob(path)
                else "there is no such file or folder, and no step has it among its outputs",
                way_out=f"did you mean {near!r}?"
                if near
                else "make it, correct the path, or name it as an output of a step",
            )


def _nearest(root: Path, path: str) -> str | None:
    """The existing path that is most like a missing one."""
    folder = (root / path).parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    near = difflib.get_close_matches(Path(path).name, names, 1)
    return os.path.relpath(folder / near[0], root).replace(os.sep, "/") if near else None
