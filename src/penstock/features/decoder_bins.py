"""Bins that the decoder tells, because a text is joined with them: their edges are learned first, and become part of the trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind
from penstock.bundle.packing import to_float32
from penstock.bundle.preparing import BIN, Prepared
from penstock.features.bins import Bins
from penstock.features.bounds import check_parameters
from penstock.features.plan import Block, Node, Plan, Source

if TYPE_CHECKING:
    from penstock.features.step import Target

CATEGORY = "as_category"


def bins_of(piece: Any, nodes: Any) -> list[Node] | None:
    """The bins of columns of the table that a result of the graph consists of, one node for each; None where it is anything else.

    Parameters
    ----------
    piece : a result that is a category. nodes : the nodes made so far, by number.
    """
    category = nodes[piece.node]
    if category.step != CATEGORY:
        return None
    found = []
    for inner in category.inputs[0]:
        if isinstance(inner, Source):
            return None
        node = nodes[inner.node]
        step = node.make()
        if not isinstance(step, Bins) or step.encode != "ordinal":
            return None
        for source in node.inputs[0]:
            if not isinstance(source, Source) or source.kind is not Kind.NUMERIC:
                return None
            found.append(replace(node, inputs=((source,),)))
    return found


def with_edges(plan: Plan, frame: Frame, offsets: Mapping[str, float], target: Target | None) -> Plan:
    """The plan with the edges of its bins, learned from training rows.

    Parameters
    ----------
    offsets : what is subtracted of columns before they become float32: edges are learned of what the graph would see.
    """
    if not plan.binnings:
        return plan
    learned: list[tuple[float, ...]] = []
    for node in plan.binnings:
        step = node.make()
        check_parameters(step)
        assert isinstance(step, Bins)
        (source,) = node.inputs[0]
        assert isinstance(source, Source)
        offset = offsets.get(source.name, 0.0)
        values = to_float32(np.asarray(frame.columns[source.name], np.float64) - offset)
        learned.append((offset, *map(float, step.edges(values, target))))

    def filled(tree: Prepared) -> Prepared:
        if tree.function == BIN:
            return replace(tree, params=(), numbers=learned[tree.params[0]])
        return replace(tree, inputs=tuple(i if isinstance(i, str) else filled(i) for i in tree.inputs))

    def block(pieces: Sequence[Any]) -> Block:
        return tuple(
            replace(p, prepared=filled(p.prepared)) if isinstance(p, Source) and p.prepared is not None else p
            for p in pieces
        )

    nodes = {n: replace(node, inputs=tuple(map(block, node.inputs))) for n, node in plan.nodes.items()}
    return replace(plan, nodes=nodes, outputs=block(plan.outputs), binnings=())
