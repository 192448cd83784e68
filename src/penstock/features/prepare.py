"""Strings that the decoder prepares: steps that standard ONNX operators cannot say become part of the packed inputs.

A step that is worked out by the decoder has a method ``preparation(kinds)``: for the kinds of its column arguments, the
function from their trees to the tree of its result, or None where the graph does it. A step of the graph that wants texts in
another form than their words has a property ``reading``: the name of the function that is applied to them first, that name
and its whole numbers, or the function itself as a tree over nothing.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import BIN, CROSS, Prepared
from penstock.features.bounds import Bound
from penstock.features.decoder_bins import bins_of
from penstock.features.kinds import TEXTS
from penstock.features.language import Call, Origin
from penstock.features.naming import parameters_said
from penstock.features.ops import op
from penstock.features.plan import Block, Node, Piece, Result, Source
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var

Tree = str | Prepared
Preparation = Callable[[Sequence[Tree]], Prepared]

_SAID = {"sparse_bigrams": "osb", "hash_value": "hash", "hash_tokens": "hash"}
_UNSAID = ("one_token",)

MOST = 1_000
"""Prepared strings that one call may make."""


@dataclass(frozen=True)
class FittedByDecoder:
    """What is left for the graph of a step that the decoder works out: nothing."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, columns: Columns) -> FittedByDecoder:
        return cls(columns.names)

    def emit(self, inputs: Sequence[Var]) -> Var:
        return op.identity(inputs[0])


class OfTexts(ABC):
    """A step on texts that the decoder works out: what comes out is a text again, and nothing is learned."""

    name: ClassVar[str]
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = None
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {}
    ready: ClassVar[bool] = False

    def preparation(self, kinds: Sequence[Kind]) -> Preparation:
        """What the decoder does: it has a function of the step's name."""
        return lambda trees: Prepared(self.name, tuple(trees))

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedByDecoder:
        return FittedByDecoder.of(inputs[0])


@dataclass
class PreparedStrings:
    """The prepared strings of one recipe, each under a name of its own that no column has."""

    columns: Sequence[str]
    names: dict[str, Prepared] = field(default_factory=dict)
    binnings: list[Node] = field(default_factory=list)

    def source(self, tree: Prepared, kind: Kind, level: int = 1) -> Source:
        """The source of a tree; the same tree gives the same source."""
        wanted = name = shown(tree, self.binnings)
        number = 1
        while name in self.columns or self.names.get(name, tree) != tree:
            number += 1
            name = f"{wanted} ({number})"
        self.names[name] = tree
        return Source(name, kind, level, prepared=tree)

    def read(self, block: Block, reading: str | tuple[str, tuple[int, ...]] | Prepared) -> Block:
        """A block with its texts in the form in which a step wants them."""
        return tuple(
            self.source(_around(reading, tree_of(piece)), piece.kind, piece.level + 1)
            if isinstance(piece, Source) and piece.kind is Kind.TEXT
            else piece
            for piece in block
        )

    def call(
        self, step: Any, call: Call, blocks: Sequence[Block], origin: Origin, nodes: Any
    ) -> tuple[list[Source], tuple[Block, ...]]:
        """What the decoder makes of a call, and the blocks that are left for the graph; `nodes` are those made so far."""
        blocks = [self._binned(step, block, blocks, nodes) for block in blocks]
        if prod(map(len, blocks)) > MOST:
            raise origin.error(
                call.at,
                f"{call.function!r} over these columns would make {prod(map(len, blocks)):,} strings",
                why=f"each is prepared for each row; at most {MOST:,} are taken",
                way_out="name fewer columns",
            )
        made: list[Source] = []
        left: list[list[Piece]] = [[] for _ in blocks]
        for pieces in product(*blocks):
            kinds = [piece.kind for piece in pieces]
            preparation: Preparation | None = step.preparation(kinds)
            if preparation is None:
                for block, piece in zip(left, pieces, strict=True):
                    block.append(piece)
                continue
            for argument, piece in zip(call.arguments, pieces, strict=False):
                if isinstance(piece, Result):
                    raise origin.error(
                        argument.at,
                        f"{call.function!r} cannot follow a step of the graph",
                        why="it is worked out by the decoder, before the graph sees the values",
                        way_out=f"put {call.function} innermost, around the column itself (bins of a column may stand between)",
                    )
            kind = Kind.TEXT if Kind.TEXT in kinds else step.gives or kinds[0]
            tree = preparation([tree_of(piece) for piece in pieces if isinstance(piece, Source)])
            made.append(self.source(tree, kind, 1 + max(piece.level for piece in pieces)))
        return made, tuple(tuple(dict.fromkeys(block)) for block in left)

    def _binned(self, step: Any, block: Block, blocks: Sequence[Block], nodes: Any) -> Block:
        """A block with bins of columns of the table as trees of the decoder, where the step has to be worked out there."""
        if step.preparation([piece.kind for others in blocks for piece in others]) is None:
            return block
        pieces: list[Piece] = []
        for piece in block:
            made = bins_of(piece, nodes) if isinstance(piece, Result) else None
            if made is None:
                pieces.append(piece)
                continue
            for node in made:
                if node not in self.binnings:
                    self.binnings.append(node)
                (column,) = node.inputs[0]
                assert isinstance(column, Source)
                tree = Prepared(BIN, (column.name,), (self.binnings.index(node),))
                pieces.append(Source(shown(tree, self.binnings), Kind.CATEGORICAL, 1, prepared=tree))
        return tuple(pieces)


def tree_of(source: Source) -> Tree:
    """How a source is prepared; a text without preparation is taken as it is written."""
    if source.prepared is not None:
        return source.prepared
    return Prepared("tokens", (source.name,)) if source.kind is Kind.TEXT else source.name


def shown(tree: Tree, binnings: Sequence[Node] = ()) -> str:
    """A prepared string in words, which begin with its first column: ``note [no_punct, lowercase]``."""
    if isinstance(tree, str):
        return tree
    if tree.function == BIN:
        node = binnings[tree.params[0]]
        return f"{tree.columns[0]} [{' '.join([node.step, *parameters_said(node)])}]"
    if tree.function == CROSS:
        return " x ".join(shown(inner, binnings) for inner in tree.inputs)
    (inner,) = tree.inputs
    if tree.function in _UNSAID or (tree.function == "tokens" and not isinstance(inner, str)):
        return shown(inner, binnings)
    if isinstance(inner, Prepared) and inner.function == "tokens":
        (inner,) = inner.inputs  # every step on a text as it is written begins with it
    said = " ".join((_SAID.get(tree.function, tree.function), *map(str, tree.params)))
    before = shown(inner, binnings)
    return f"{before[:-1]}, {said}]" if isinstance(inner, Prepared) and before.endswith("]") else f"{before} [{said}]"


def _around(reading: str | tuple[str, tuple[int, ...]] | Prepared, tree: Tree) -> Prepared:
    if isinstance(reading, Prepared):
        return replace(reading, inputs=(tree,))
    function, params = (reading, ()) if isinstance(reading, str) else reading
    if isinstance(tree, Prepared) and function == "tokens":
        return tree
    return Prepared(function, (tree,), params)
