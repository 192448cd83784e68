"""Where things come from and what they went into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, final

from penstock.errors import NotFound
from penstock.ledger.connection import Connection
from penstock.ledger.database import Database
from penstock.ledger.reading import Reading
from penstock.ledger.record import RunRecord
from penstock.ledger.sql import Row
from penstock.objects.digests import is_digest

Direction = Literal["input", "output"]


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A run took (``input``) or made (``output``) the content of a digest, under a name."""

    run: str
    direction: Direction
    name: str
    digest: str


@final
@dataclass(frozen=True)
class Lineage:
    """Everything upstream and downstream of a run or a digest.

    Attributes
    ----------
    ref : the run id or digest that was asked for.
    runs : id -> run, of all runs involved.
    edges : what they took and made. Content that nothing made came from outside.
    """

    ref: str
    runs: dict[str, RunRecord]
    edges: tuple[Edge, ...]

    def made_by(self, digest: str) -> list[str]:
        """Ids of the runs that made this content, oldest first."""
        return sorted({e.run for e in self.edges if e.direction == "output" and e.digest == digest})

    def used_by(self, digest: str) -> list[str]:
        """Ids of the runs that took this content, oldest first."""
        return sorted({e.run for e in self.edges if e.direction == "input" and e.digest == digest})

    def of(self, run: str, direction: Direction) -> list[Edge]:
        """What a run took or made, by name."""
        return sorted(e for e in self.edges if e.run == run and e.direction == direction)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": 1,
            "ref": self.ref,
            "runs": [
                {"id": r.id, "operation": r.operation, "status": r.status, "started_at": r.started_at}
                for _, r in sorted(self.runs.items())
            ],
            "edges": [
                {"run": e.run, "direction": e.direction, "name": e.name, "digest": e.digest} for e in sorted(self.edges)
            ],
        }

    def to_text(self) -> str:
        """Two trees, as text: what it comes from, and what came of it. What was drawn once is not drawn again."""
        lines = [self._title(self.ref)]
        for heading, branches in (("comes from", self._upstream), ("went into", self._downstream)):
            tree = list(_draw(self.ref, branches, self._title, {self.ref}))
            lines += [heading, *tree] if tree else [f"{heading}: nothing that is recorded"]
        return "\n".join(lines)

    def _upstream(self, node: str) -> list[tuple[str, str]]:
        if is_digest(node):
            return [("made by ", run) for run in self.made_by(node)]
        return [(f"{e.name} ", e.digest) for e in self.of(node, "input")]

    def _downstream(self, node: str) -> list[tuple[str, str]]:
        if is_digest(node):
            return [("used by ", run) for run in self.used_by(node)]
        return [(f"{e.name} ", e.digest) for e in self.of(node, "output")]

    def _title(self, node: str) -> str:
        if node in self.runs:
            run = self.runs[node]
            return f"{run.operation} {run.id} ({run.status})"
        return node[: len("sha256:") + 12]


def _draw(node: str, branches: Any, title: Any, drawn: set[str], indent: str = "") -> Iterator[str]:
    below = branches(node)
    for index, (label, child) in enumerate(below):
        last = index == len(below) - 1
        again = child in drawn and bool(branches(child))
        yield f"{indent}{'└── ' if last else '├── '}{label}{title(child)}{' (see above)' if again else ''}"
        if child not in drawn:
            drawn.add(child)
            yield from _draw(child, branches, title, drawn, indent + ("    " if last else "│   "))


def trace(database: Database, runs: Reading, ref: str) -> Lineage:
    """The lineage of a run (id, or unique beginning of one) or a digest.

    Raises
    ------
    NotFound : no such run, or no run made or took this content.
    """
    run = None if is_digest(ref) else runs.get(ref).id
    with database.read() as connection:
        start = {run} if run else _runs_of(connection, "run_outputs", [ref]) | _runs_of(connection, "run_inputs", [ref])
        if not start:
            raise NotFound(
                f"no run made or used {ref}",
                why="the ledger has no record of this digest",
                way_out="list what there is with `penstock runs`, then `penstock show RUN`",
            )
        involved = _closure(connection, start, "run_inputs", "run_outputs") | _closure(
            connection, start, "run_outputs", "run_inputs"
        )
        edges = [
            *(Edge(e.run, "input", e.name, e.digest) for e in _edges(connection, "run_inputs", involved)),
            *(Edge(e.run, "output", e.name, e.digest) for e in _edges(connection, "run_outputs", involved)),
        ]
    return Lineage(ref=run or ref, runs=runs.by_ids(involved), edges=tuple(sorted(edges)))


def _closure(connection: Connection, start: Iterable[str], near: str, far: str) -> set[str]:
    """All runs reached by going from a run's `near` digests to the runs that have them as `far` ones."""
    seen = set(start)
    frontier = set(seen)
    while frontier:
        digests = {edge.digest for edge in _edges(connection, near, frontier)}
        frontier = _runs_of(connection, far, digests) - seen
        seen |= frontier
    return seen


def _edges(connection: Connection, table: str, runs: Iterable[str]) -> list[Row]:
    return connection.all(f"SELECT run, name, digest FROM {table} WHERE run IN :runs", runs=list(runs))


def _runs_of(connection: Connection, table: str, digests: Iterable[str]) -> set[str]:
    return set(connection.values(f"SELECT run FROM {table} WHERE digest IN :digests", digests=list(digests)))
