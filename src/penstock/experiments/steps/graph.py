"""The graph of the steps: who takes what another makes, and in which order they run."""

from __future__ import annotations

import difflib
import heapq
import itertools
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from penstock.errors import StepError
from penstock.experiments.running.durations import seconds
from penstock.experiments.steps.command import line_of, words_of
from penstock.experiments.steps.patterns import is_glob, meets, normal, parts_of
from penstock.project.sections.runs import StepSection

OPERATION = "steps"
"""The operation of the run that stands for a whole pipeline; the runs of its steps are its children."""


@dataclass(frozen=True)
class Node:
    """One step.

    Attributes
    ----------
    line : the command line for the shell, with all parameters in it.
    inputs, outputs : as declared, in normal form; with the outputs of other steps that the command names.
    code : files of the folder that the command names and no step makes: the scripts themselves.
    after : names of the steps whose outputs it takes, in the order of the file.
    """

    section: StepSection
    line: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    code: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.section.name

    @property
    def timeout_s(self) -> float | None:
        """The time that it may take, None where only `[run]` says. Checked with the graph."""
        return _timeout(self.section)


@dataclass(frozen=True)
class Edge:
    """`taker` needs `path`, which `maker` makes."""

    maker: str
    taker: str
    path: str


class Graph:
    """All steps of a declaration.

    Attributes
    ----------
    nodes : by name, in an order in which they can run: the order of the file, as far as the edges allow it.
    edges : one per maker, taker and path.
    makers : who makes what.
    """

    def __init__(self, nodes: dict[str, Node], edges: list[Edge], makers: Makers) -> None:
        self.nodes = nodes
        self.edges = edges
        self.makers = makers

    @classmethod
    def of(cls, sections: Sequence[StepSection], root: Path) -> Graph:
        """Check the steps and put them in order.

        Raises
        ------
        StepError : two steps have one name or make one file; a step takes what it makes itself; or steps wait for each
            other in a circle. The message names them.
        """
        _check_names(sections)
        outputs = {s.name: tuple(dict.fromkeys(_output(s, path, root) for path in s.outputs)) for s in sections}
        _check_makers(outputs, root)
        inputs = {s.name: tuple(dict.fromkeys(normal(p, step=s.name, root=root) for p in s.inputs)) for s in sections}
        makers = Makers(outputs, root)
        edges: list[Edge] = []
        code: dict[str, tuple[str, ...]] = {}
        for section in sections:
            name = section.name
            made = {word: makers.of(word) for word in words_of(section, root)}
            named = [word for word, by in made.items() if name not in by]
            for path in inputs[name]:
                by = makers.of(path)
                if name in by:
                    raise StepError(
                        f"step {name!r} takes what it makes itself",
                        why=f"its input {path!r} takes in its output {by[name]!r}",
                        way_out="name the inputs so that its own outputs are not among them",
                    )
                edges += [Edge(maker, name, output) for maker, output in by.items()]
            for path in named:  # what another step makes and only the command names is an input like the others
                edges += [Edge(maker, name, output) for maker, output in made[path].items()]
            inputs[name] = tuple(dict.fromkeys([*inputs[name], *(path for path in named if made[path])]))
            code[name] = tuple(path for path in named if not made[path] and (root / path).is_file())
        edges = list(dict.fromkeys(edges))
        order = _order([s.name for s in sections], edges)
        by_name = {s.name: s for s in sections}
        nodes = {
            name: Node(
                by_name[name],
                line_of(by_name[name]),
                inputs[name],
                outputs[name],
                code[name],
                tuple(dict.fromkeys(s.name for s in sections for e in edges if e.taker == name and e.maker == s.name)),
            )
            for name in order
        }
        return cls(nodes, edges, makers)

    @cached_property
    def layers(self) -> list[list[str]]:
        """The steps by depth: all of a layer can run at the same time once the layers before it have."""
        depth: dict[str, int] = {}
        for name, node in self.nodes.items():
            depth[name] = 1 + max((depth[before] for before in node.after), default=-1)
        return [[n for n in self.nodes if depth[n] == level] for level in range(max(depth.values(), default=-1) + 1)]

    def chosen(self, only: Iterable[str]) -> list[str]:
        """The named steps and all that they need, in order; all steps where none is named.

        Raises
        ------
        StepError : there is no step of that name; the nearest is named.
        """
        wanted = list(dict.fromkeys(only))
        for name in wanted:
            self.node(name)
        if not wanted:
            return list(self.nodes)
        needed = set(wanted)
        for name in reversed(list(self.nodes)):
            if name in needed:
                needed.update(self.nodes[name].after)
        return [name for name in self.nodes if name in needed]

    def node(self, name: str) -> Node:
        """The step of a name."""
        if name not in self.nodes:
            near = difflib.get_close_matches(name, self.nodes, 1)
            raise StepError(
                f"there is no step {name!r}",
                why=f"penstock.toml declares: {', '.join(self.nodes) or 'none'}",
                way_out=f"write {near[0]!r}" if near else "use one of these, or add a [[step]]",
            )
        return self.nodes[name]


def _check_names(sections: Sequence[StepSection]) -> None:
    seen: set[str] = set()
    for section in sections:
        name = section.name
        if not re.fullmatch(r"\w[\w .+-]*", name) or name == OPERATION:
            raise StepError(
                f"{name!r} is no name for a step",
                why=f"{OPERATION!r} stands for all of them"
                if name == OPERATION
                else "a name has letters, digits and _ . + -, and begins with a letter or a digit",
                way_out="give it another name",
            )
        if name in seen:
            raise StepError(
                f"two steps have the name {name!r}",
                why="a step is known by its name",
                way_out="give one of them another name",
            )
        seen.add(name)
        _timeout(section)
        if not section.run.strip():
            raise StepError(
                f"step {name!r} runs nothing", why="its command line is empty", way_out='write run = "python ..."'
            )


def _timeout(section: StepSection) -> float | None:
    text = section.timeout
    return None if text is None else seconds(text, what=f"the timeout of step {section.name!r}")


def _output(section: StepSection, path: str, root: Path) -> str:
    """A declared output in normal form."""
    made = normal(path, step=section.name, root=root)
    parts = parts_of(made)
    refused = ""
    if is_glob(made) and not (root / made).exists():
        refused = "an output is a file or a folder, without wildcards"
    elif not parts or root.is_relative_to((root / made).resolve()):
        refused = "it is the whole folder of the project, or one around it"
    elif ".penstock" in parts or made == "penstock.toml":
        refused = "that is where Penstock keeps its own"
    if refused:
        raise StepError(
            f"step {section.name!r} cannot have the output {path!r}",
            why=refused,
            way_out="name the files that it makes, or a folder of their own",
        )
    return made


def _check_makers(outputs: dict[str, tuple[str, ...]], root: Path) -> None:
    """No file has two makers: one output must not be another's, nor lie inside it."""
    made = [(name, path, _place(path, root)) for name, paths in outputs.items() for path in paths]
    for index, (name, path, parts) in enumerate(made):
        for other, theirs, their_parts in made[:index]:
            shorter = min(len(parts), len(their_parts))
            if name == other or parts[:shorter] != their_parts[:shorter]:
                continue
            what = path if len(parts) >= len(their_parts) else theirs
            raise StepError(
                f"two steps make {what!r}: {other!r} and {name!r}",
                why="what is made twice depends on who came last"
                if parts == their_parts
                else f"{other!r} has the output {theirs!r}, {name!r} has {path!r}, and one lies inside the other",
                way_out="let one of them write somewhere else, or make them one step",
            )


class Makers:
    """Who makes what, looked up once: what is a folder is asked of the disk."""

    def __init__(self, outputs: Mapping[str, Sequence[str]], root: Path) -> None:
        self._root = root
        self._made = [
            (name, path, _place(path, root), _may_be_folder(path, root))
            for name, paths in outputs.items()
            for path in paths
        ]

    def of(self, path: str) -> dict[str, str]:
        """Step -> its output that a path meets."""
        wanted = _place(path, self._root)
        found: dict[str, str] = {}
        for name, made, place, folder in self._made:
            if name not in found and meets(wanted, place, folder=folder):
                found[name] = made
        return found


def _place(path: str, root: Path) -> tuple[str, ...]:
    """The components of a path from the root of the file system: ``../big`` and ``/mnt/big`` may be the same."""
    return parts_of(os.path.normpath(os.path.join(root, path)).replace(os.sep, "/"))


def _may_be_folder(made: str, root: Path) -> bool:
    """An output that is not there yet is taken for a folder where it ends with ``/`` or has no suffix."""
    place = root / made
    if place.exists():
        return place.is_dir()
    return made.endswith("/") or not place.suffix


def _order(names: list[str], edges: list[Edge]) -> list[str]:
    """Topological order; among those that are free, the order of the file (Kahn 1962)."""
    waits: dict[str, set[str]] = {name: {e.maker for e in edges if e.taker == name} for name in names}
    free = [index for index, name in enumerate(names) if not waits[name]]
    order: list[str] = []
    while free:
        name = names[heapq.heappop(free)]
        order.append(name)
        for index, other in enumerate(names):
            if name in waits[other]:
                waits[other].remove(name)
                if not waits[other]:
                    heapq.heappush(free, index)
    if len(order) < len(names):
        raise _circle({name: waits[name] for name in names if name not in order}, edges)
    return order


def _circle(waits: dict[str, set[str]], edges: list[Edge]) -> StepError:
    """The error that spells one circle out."""
    path = [next(iter(waits))]
    while True:
        before = min(waits[path[-1]])
        if before in path:
            circle = [*path[path.index(before) :], before][::-1]
            break
        path.append(before)
    files = {(e.maker, e.taker): e.path for e in edges}
    told = circle[0] + "".join(f" -> {files[maker, taker]} -> {taker}" for maker, taker in itertools.pairwise(circle))
    return StepError(
        f"steps wait for each other in a circle: {' -> '.join(circle)}",
        why=told,
        way_out=f"let {circle[0]!r} not need {shlex.quote(files[circle[-2], circle[-1]])}, or split it in two",
    )
