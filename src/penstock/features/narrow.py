"""A plan without the columns that selection has dropped, so that nobody is asked for what the model does not look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.features.plan import Block, Node, Piece, Plan, Result, Source
from penstock.features.selection import FittedSelection
from penstock.features.step import FittedStep

if TYPE_CHECKING:
    from penstock.features.fitter import Fitter


def narrow(plan: Plan, fitter: Fitter) -> tuple[Plan, Mapping[int, FittedStep]]:
    """The plan and its fitted steps, without what only dropped columns need.

    Steps that fit each column by itself are fitted again on the columns that are left, which changes nothing in the others;
    steps that look at several columns together keep all of theirs. Where names stand twice in a block, nothing is done.
    """
    fitted = fitter.fitted
    selections = [
        n for n, step in fitted.items() if isinstance(step, FittedSelection) and len(step.names) < len(step.of)
    ]
    if not selections or any(
        len(set(fitter.names(b))) < len(fitter.names(b)) for n in plan.nodes.values() for b in n.inputs
    ):
        return plan, fitted
    needed = _needed(plan, fitter)
    nodes: dict[int, Node] = {}
    for number, node in plan.nodes.items():
        if number in needed:
            nodes[number] = replace(node, inputs=tuple(_kept(block, number, needed) for block in node.inputs))
    smaller = Plan(
        nodes, tuple(p for p in plan.outputs if isinstance(p, Source) or p.node in nodes), plan.costs, plan.unsaid
    )
    again = fitter.of(smaller)
    for number, node in nodes.items():
        before, own = fitted[number], plan.nodes[number]
        names = [again.names(block) for block in node.inputs]
        if names == [fitter.names(block) for block in own.inputs]:
            again.fitted[number] = before
        elif isinstance(before, FittedSelection):
            again.fitted[number] = before.within(names[0])
        else:
            again.fit_node(number)
    return smaller, again.fitted


Needed = dict[int, dict[Piece, set[str]]]
"""By node: for each piece of its inputs, the names of it that the node needs."""


def _needed(plan: Plan, fitter: Fitter) -> Needed:
    wanted: dict[int, set[str]] = {p.node: set(fitter.names((p,))) for p in plan.outputs if isinstance(p, Result)}
    wanted = {number: names for number, names in wanted.items() if names}  # a step may have kept nothing
    needed: Needed = {}
    for number in reversed(list(plan.nodes)):
        if number not in wanted:
            continue
        node, step = plan.nodes[number], fitter.fitted[number]
        called = dict(zip(fitter.names_of(number), step.names, strict=True))
        own = {called[name] for name in wanted[number]}
        needed[number] = {}
        for block in node.inputs:
            for piece in block:
                names = fitter.names((piece,))
                kept = {name for name in names if _serves(name, own, step, node)}
                if kept:
                    needed[number][piece] = kept
                    if isinstance(piece, Result):
                        wanted.setdefault(piece.node, set()).update(kept)
    return needed


def _serves(name: str, wanted: set[str], step: FittedStep, node: Node) -> bool:
    """Whether an input column may be behind one of the outputs that are wanted. Outputs begin with the name of their column."""
    if isinstance(step, FittedSelection):
        return name in step.names
    if not getattr(node.make(), "columnwise", False) or len(node.inputs) > 1:
        return True
    return any(output.startswith(name) for output in wanted)


def _kept(block: Block, number: int, needed: Needed) -> Block:
    pieces: Sequence[Piece] = [p for p in block if p in needed[number]]
    return tuple(p for p in pieces if isinstance(p, Source) or p.node in needed)
