"""Whether a step suits the columns that a call gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock import parts
from penstock.bundle.kinds import Kind
from penstock.features.language import Expression, Origin
from penstock.features.plan import Block, Piece, Source
from penstock.features.step import GROUP


def check_takes(step: Any, argument: Expression, block: Block, origin: Origin) -> None:
    """Refuse a kind that the step has no use for; the message names the steps that have."""
    for piece in block:
        if piece.kind not in step.takes:
            others = [n for n in parts.names(GROUP) if piece.kind in parts.load(GROUP, n).takes]
            raise origin.error(
                argument.at,
                f"{step.name!r} does not take {describe(piece)}, which is {piece.kind}",
                why=f"expected {' or '.join(sorted(map(str, step.takes)))}",
                way_out=f"{piece.kind} columns are taken by {', '.join(others)}; or declare another kind in penstock.toml",
            )


def check_objections(step: Any, argument: Expression, block: Block, origin: Origin) -> None:
    """Refuse a kind that the step does not take with these parameters."""
    objection: Callable[[Kind], str | None] = getattr(step, "objection", lambda kind: None)
    for piece in block:
        why = objection(piece.kind)
        if why is not None:
            raise origin.error(
                argument.at,
                f"{step.name!r} with these parameters does not suit {describe(piece)}, which is {piece.kind}",
                why=why,
                way_out="change the parameters, or give these columns a call of their own",
            )


def describe(piece: Piece) -> str:
    """A piece in words."""
    return f"column {piece.name!r}" if isinstance(piece, Source) else "the result of a call"
