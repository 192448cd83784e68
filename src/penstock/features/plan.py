"""A plan: which steps are applied to which columns, in which order, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock import parts
from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import Prepared
from penstock.features.bounds import Value
from penstock.features.step import GROUP


@dataclass(frozen=True, slots=True)
class Source:
    """A column of the table; or a string that the decoder prepares from some, whose name begins with that of the first."""

    name: str
    kind: Kind
    level: int = 0
    ready: bool = False
    prepared: Prepared | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that it is read from."""
        return (self.name,) if self.prepared is None else self.prepared.columns


@dataclass(frozen=True, slots=True)
class Result:
    """All outputs of a node."""

    node: int
    kind: Kind
    level: int
    ready: bool


Piece = Source | Result
Block = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One step with its parameters, on one block for each column argument."""

    step: str
    params: tuple[tuple[str, Value], ...]
    inputs: tuple[Block, ...]

    def make(self) -> Any:
        """The step itself, not fitted."""
        return parts.load(GROUP, self.step)(**dict(self.params))


@dataclass(frozen=True)
class Plan:
    """Nodes in an order in which they can be fitted, and what comes out. Equal expressions are one node."""

    nodes: Mapping[int, Node]
    outputs: Block
    costs: Mapping[str, float] = field(default_factory=dict)
    """What it costs to ask for one value of a column of the table, of those that cost anything."""
    unsaid: frozenset[int] = frozenset()
    """Nodes that the recipe does not say: what a learner's tail, or a dialect, adds to it. No feature is named after them."""

    binnings: tuple[Node, ...] = ()
    """Steps that make bins of one column each for the decoder: those that trees without edges ask for by number. None after the fit."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The columns and prepared strings that are used, each once."""
        blocks = [self.outputs, *(block for node in self.nodes.values() for block in node.inputs)]
        return tuple(dict.fromkeys(piece for block in blocks for piece in block if isinstance(piece, Source)))
