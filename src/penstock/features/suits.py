"""Whether a step suits the columns that a call gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock import parts
from penstock.bundle.kinds import Kind
from penstock.features.language import Expression, Origin
from penstock.features.plan import Block, Piece, Source
from penstock.features.step import GROUP

USEFUL: Mapping[Kind, tuple[str, ...]] = {
    Kind.NUMERIC: ("standardise", "log", "impute", "quantile_bin"),
    Kind.BINARY: ("one_hot", "ordinal"),
    Kind.CATEGORICAL: ("one_hot", "ordinal", "target_encode", "counts"),
    Kind.TEXT: ("tfidf", "ngram", "text_length"),
    Kind.DATETIME: ("date_parts",),
}
"""Steps that are most often meant for a kind, the usual one first."""


def check_takes(step: Any, argument: Expression, block: Block, origin: Origin) -> None:
    """Refuse a kind that the step has no use for; the message names the steps that have."""
    for piece in block:
        if piece.kind not in step.takes:
            raise origin.error(
                argument.at,
                f"{step.name!r} does not take {describe(piece)}, which is {piece.kind}",
                why=f"expected {' or '.join(sorted(map(str, step.takes)))}",
                way_out=_way_out(step, argument, piece.kind),
            )


def _way_out(step: Any, argument: Expression, kind: Kind) -> str:
    """The steps that are most often meant for a kind; and those whose result the step would take."""
    useful = [name for name in USEFUL.get(kind, ()) if name in parts.names(GROUP)]
    between = [name for name in useful if parts.load(GROUP, name).gives in step.takes]
    said = f"for {kind} columns there are {_or(useful)}"
    if between:
        said = f"put {_or(between)} between, as in {step.name}({between[0]}({argument})), or use one of {', '.join(useful)} instead"
    return f"{said}; or declare another kind in penstock.toml"


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)


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
