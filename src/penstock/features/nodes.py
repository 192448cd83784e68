"""The nodes of a plan while it is made: equal ones are one, and neighbours that have the same done to them become one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from penstock import parts
from penstock.bundle.kinds import Kind
from penstock.features.bounds import Value
from penstock.features.plan import Block, Node, Piece, Plan, Result
from penstock.features.step import FORMS, GROUP, Form
from penstock.objects.digests import digest_of

LONGEST = 200
"""Characters of a meaning that is written out."""


class Nodes:
    """Steps on blocks, by number."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._numbers: dict[Node, int] = {}
        self._unsaid: set[int] = set()
        self._meanings: dict[int, list[str]] = {}
        self._finishing = False

    def __getitem__(self, number: int) -> Node:
        return self._nodes[number]

    def apply(
        self, step_name: str, params: Mapping[str, Value], step: Any, blocks: Sequence[Block]
    ) -> Iterator[Result]:
        """The results of a step of the graph over these blocks."""
        for inputs in _by_form([self.merged(block) for block in blocks]):
            kind = step.gives or inputs[0][0].kind
            level = 1 + max(piece.level for block in inputs for piece in block)
            ready = all(p.ready for block in inputs for p in block) if step.ready is None else step.ready
            node = Node(step_name, tuple(params.items()), inputs)
            yield self._result(node, kind, level, ready, unsaid=self._finishing)

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """What is made within is not said by the recipe: a learner's tail or a dialect adds it."""
        before, self._finishing = self._finishing, True
        try:
            yield
        finally:
            self._finishing = before

    def quietly(self, step_name: str, blocks: Sequence[Block]) -> list[Result]:
        """The results of a step that the recipe does not say, with its defaults."""
        with self.finishing():
            return list(self.apply(step_name, {}, parts.load(GROUP, step_name)(), blocks))

    def merged(self, block: Block) -> Block:
        """Neighbours that have the same step done to them become one node: one operator over a wide block."""
        merged: list[Piece] = []
        for piece in block:
            together = self._together(merged[-1], piece) if merged else None
            if together is None:
                merged.append(piece)
            else:
                merged[-1] = together
        return distinct(merged)

    def meant(self, block: Block) -> list[str]:
        """What a block comes to, one text for each column where its steps look at columns one by one.

        A long text is told by its digest: steps on top of each other may double it each time.
        """
        return [
            text
            for piece in block
            for text in (self._meant(piece.node) if isinstance(piece, Result) else (_short(piece.name),))
        ]

    def _meant(self, number: int) -> list[str]:
        if number not in self._meanings:
            node = self[number]
            inner = [self.meant(inputs) for inputs in node.inputs]
            params = "".join(f", {name}={value!r}" for name, value in node.params)
            each = len(inner) == 1 and parts.load(GROUP, node.step).columnwise
            inside = inner[0] if each else ["; ".join(map(", ".join, inner))]
            self._meanings[number] = [_short(f"{node.step}({text}{params})") for text in inside]
        return self._meanings[number]

    def plan(self, outputs: Block, costs: Mapping[str, float]) -> Plan:
        """Only the nodes that the outputs need."""
        needed: set[int] = set()
        waiting = [piece.node for piece in outputs if isinstance(piece, Result)]
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting += [p.node for block in self._nodes[node].inputs for p in block if isinstance(p, Result)]
        return Plan({i: self._nodes[i] for i in sorted(needed)}, outputs, costs, frozenset(self._unsaid & needed))

    def _together(self, left: Piece, right: Piece) -> Result | None:
        if not isinstance(left, Result) or not isinstance(right, Result):
            return None
        a, b = self[left.node], self[right.node]
        if (a.step, a.params) != (b.step, b.params) or not parts.load(GROUP, a.step).columnwise:
            return None
        if FORMS[a.inputs[0][0].kind] is not FORMS[b.inputs[0][0].kind]:
            return None
        inputs = self.merged(distinct((*a.inputs[0], *b.inputs[0])))
        unsaid = left.node in self._unsaid
        if unsaid != (right.node in self._unsaid):
            return None
        node = Node(a.step, a.params, (inputs,))
        return self._result(node, left.kind, max(left.level, right.level), left.ready, unsaid=unsaid)

    def _result(self, node: Node, kind: Kind, level: int, ready: bool, *, unsaid: bool) -> Result:
        if node not in self._numbers:
            self._numbers[node] = len(self._nodes)
            self._nodes.append(node)
            if unsaid:
                self._unsaid.add(len(self._nodes) - 1)
        return Result(self._numbers[node], kind, level, ready)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else digest_of(text.encode())


def _by_form(blocks: Sequence[Block]) -> Iterator[tuple[Block, ...]]:
    """A call with one column argument is split by form; one with several takes them as they are."""
    if len(blocks) > 1:
        if all(blocks):
            yield tuple(blocks)
        return
    forms: dict[Form, list[Piece]] = defaultdict(list)
    for piece in blocks[0]:
        forms[FORMS[piece.kind]].append(piece)
    for pieces in forms.values():
        yield (tuple(pieces),)


def distinct(pieces: Iterable[Piece]) -> Block:
    """Each piece once, in order."""
    return tuple(dict.fromkeys(pieces))
