"""Texts as counts of their words and word sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Number, OneOf, Whole
from penstock.features.grams import Gram, emit_counts, keep_grams
from penstock.features.kinds import TEXTS
from penstock.features.ops import concat, floats, ints, op
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var


@final
class Ngram:
    """How often each word sequence of 1 to n words occurs in a text: longer ones imply the shorter ones.

    Words are those of the decoder, unless another form stands inside: `ngram(tokens(note), 2)` for words as they are written,
    `ngram(characters(note), 3)` for characters. A missing text counts 0 everywhere.

    Parameters
    ----------
    n : words of the longest sequences.
    count : "times" for how often a sequence occurs, "presence" for 0 and 1.
    min_df : training texts in which a sequence must occur; below 1, the share of all texts.
    max_features : sequences kept, at most: those that occur most often in all training texts.
    """

    name: ClassVar[str] = "ngram"
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {
        "n": Whole(1, 10),
        "count": OneOf(("times", "presence")),
        "min_df": Number(0, 1e9, low_included=False),
        "max_features": Whole(1, 1_000_000),
    }
    ready: ClassVar[bool] = True

    def __init__(self, n: int = 2, count: str = "times", min_df: float = 2.0, max_features: int = 20_000) -> None:
        self.n, self.count, self.min_df, self.max_features = n, count, min_df, max_features

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedNgram:
        (columns,) = inputs
        kept = [
            tuple(keep_grams(column.tolist(), self.n, self.min_df, self.max_features)[0]) for column in columns.values.T
        ]
        names = [f"{name}: {' '.join(gram)}" for name, grams in zip(columns.names, kept, strict=True) for gram in grams]
        return FittedNgram(tuple(names), tuple(kept), self.count == "presence")


@dataclass(frozen=True)
class FittedNgram:
    """Attributes: columns : the sequences of each column, shorter ones first, then in alphabetical order."""

    names: tuple[str, ...]
    columns: tuple[tuple[Gram, ...], ...]
    presence: bool

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        counts = concat(
            [emit_counts(op.gather(x, ints(j), axis=1), grams) for j, grams in enumerate(self.columns) if grams]
        )
        return op.cast(op.greater(counts, floats(0.0)), to=np.float32) if self.presence else counts
