"""Numbers less an offset: where they are in a recipe, and how they become the numbers themselves again.

A column whose numbers differ little for their size is packed less an offset (`penstock.bundle.packing.Layout.offsets`), and one beyond 2^53
is read less an origin (`penstock.bundle.specs.ColumnSpec.origin`). Steps to which
differences are enough take it so; before all others the offset is added again, in float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from penstock import parts
from penstock.bundle.frame import Frame
from penstock.bundle.specs import ColumnSpec
from penstock.features.ops import floats, op
from penstock.features.plan import Block, Node, Source
from penstock.features.selection import FittedSelection
from penstock.features.step import GROUP, Columns, FittedStep, Shifted

if TYPE_CHECKING:
    from spox import Var

NOTHING = np.float32(-0.0)
"""What is added where nothing was subtracted: with 0, a negative zero would become a positive one."""


def offsets_of(frame: Frame, names: Iterable[str]) -> dict[str, float]:
    """What is subtracted of numeric columns, by the training rows; only those that need it."""
    from penstock.data.digits import offset_of

    found = {name: offset_of(frame.columns[name]) for name in names}
    return {name: offset for name, offset in found.items() if offset}


def with_origins(offsets: Mapping[str, float], specs: Iterable[ColumnSpec]) -> dict[str, float]:
    """What columns are packed less, with the origins that the decoder has subtracted already."""
    origins = {spec.name: float(spec.origin) for spec in specs if spec.origin}
    return {name: offsets.get(name, 0.0) + origins.get(name, 0.0) for name in {**offsets, **origins}}


def shifted(node: Node) -> Shifted | None:
    """What the step of a node makes of numbers less an offset; None where it takes the numbers themselves."""
    declared: Shifted | None = getattr(parts.load(GROUP, node.step), "shifted", None)
    return declared


def offsets_within(
    block: Block, nodes: Mapping[int, Node], fitted: Mapping[int, FittedStep], offsets: Mapping[str, float]
) -> tuple[float, ...]:
    """What was subtracted of each column of a block; () where nothing was of any."""
    if not offsets:
        return ()
    found: list[float] = []
    for piece in block:
        if isinstance(piece, Source):
            found.append(offsets.get(piece.name, 0.0))
            continue
        step = fitted[piece.node]
        width = len(step.names)
        inner: tuple[float, ...] = ()
        if width and shifted(nodes[piece.node]) == "kept":
            inner = offsets_within(nodes[piece.node].inputs[0], nodes, fitted, offsets)
        if inner and isinstance(step, FittedSelection):
            inner = tuple(inner[place] for place in step.places)
        found += inner or (0.0,) * width
    return tuple(found) if any(found) else ()


def as_taken(
    node: Node,
    block: Block,
    columns: Columns,
    nodes: Mapping[int, Node],
    fitted: Mapping[int, FittedStep],
    offsets: Mapping[str, float],
) -> Columns:
    """A block as the step of a node takes it; `written_as_taken` writes the same into a graph."""
    subtracted = offsets_within(block, nodes, fitted, offsets)
    if not subtracted:
        return columns
    if shifted(node) is None:
        return replace(columns, values=restored(columns.values, subtracted))
    return replace(columns, offsets=subtracted)


def written_as_taken(
    node: Node,
    block: Block,
    columns: Var,
    nodes: Mapping[int, Node],
    fitted: Mapping[int, FittedStep],
    offsets: Mapping[str, float],
) -> Var:
    """A block in a graph as the step of a node takes it, (n, k); see `as_taken`."""
    return columns if shifted(node) is not None else restore(columns, offsets_within(block, nodes, fitted, offsets))


def restored(values: np.ndarray, offsets: tuple[float, ...]) -> np.ndarray:
    """The numbers themselves, float32 (n, k); see `restore`, which gives the same bits."""
    whole: np.ndarray = values + _added(offsets)
    return whole


def restore(block: Var, offsets: tuple[float, ...]) -> Var:
    """Write into a graph how the columns of a block become the numbers themselves, (n, k)."""
    return op.add(block, floats(_added(offsets))) if offsets else block


def _added(offsets: tuple[float, ...]) -> np.ndarray:
    return np.array([offset or NOTHING for offset in offsets], dtype=np.float32)
