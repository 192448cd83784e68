"""Texts as weighted counts of their words and word sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, Flag, Number, Whole
from penstock.features.grams import Gram, emit_counts, keep_grams
from penstock.features.kinds import TEXTS
from penstock.features.ops import concat, floats, ints, op
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var

MOST_COUNTED = 4_095
"""With `sublinear`, more occurrences in one text count as this many: the logarithms are a table."""


@final
class Tfidf:
    """Term frequency times inverse document frequency of word n-grams, each text scaled to length 1.

    weight = tf * idf, with idf = ln((1 + n_texts) / (1 + texts with the term)) + 1 (as scikit-learn's TfidfTransformer with
    smooth_idf); with `sublinear`, 1 + ln(tf) in the place of tf. Words are those of the decoder: lower case, split at what
    is neither letter nor digit, each word with digits followed by its shape (0800 0000). A text without any known term
    is 0 everywhere.

    Parameters
    ----------
    n : n-grams of 1 to n words.
    min_df : training texts in which a term must occur; below 1, the share of all texts.
    max_features : terms kept, at most: those that occur most often in all training texts.
    sublinear : weigh repeated words less.

    Source: Salton and Buckley (1988), Information Processing & Management 24(5), 513.
    """

    name: ClassVar[str] = "tfidf"
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {
        "n": Whole(1, 5),
        "min_df": Number(0, 1e9, low_included=False),
        "max_features": Whole(1, 1_000_000),
        "sublinear": Flag(),
    }
    ready: ClassVar[bool] = True

    def __init__(self, n: int = 1, min_df: float = 2.0, max_features: int = 20_000, sublinear: bool = False) -> None:
        self.n, self.min_df, self.max_features, self.sublinear = n, min_df, max_features, sublinear

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedTfidf:
        (columns,) = inputs
        fitted = []
        names: list[str] = []
        for column, name in zip(columns.values.T, columns.names, strict=True):
            terms, idf = self._terms(column.tolist())
            fitted.append(Terms(tuple(terms), idf))
            names += [f"{name}: {' '.join(term)}" for term in terms]
        return FittedTfidf(tuple(names), tuple(fitted), self.n, self.sublinear)

    def _terms(self, documents: Sequence[str]) -> tuple[list[Gram], np.ndarray]:
        kept, df = keep_grams(documents, self.n, self.min_df, self.max_features)
        return kept, np.log((1 + len(documents)) / (1 + df)) + 1


@dataclass(frozen=True)
class Terms:
    """Of one column: n-grams, shorter ones first, then in alphabetical order; idf : float64, one for each."""

    grams: tuple[Gram, ...]
    idf: np.ndarray


@dataclass(frozen=True)
class FittedTfidf:
    """Attributes: columns : the terms of each column."""

    names: tuple[str, ...]
    columns: tuple[Terms, ...]
    n: int
    sublinear: bool

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        return concat(
            [self._weights(op.gather(x, ints(j), axis=1), terms) for j, terms in enumerate(self.columns) if terms.grams]
        )

    def _weights(self, documents: Var, terms: Terms) -> Var:
        """(n,) texts -> (n, terms)."""
        idf = terms.idf.astype(np.float32)
        weighted = emit_counts(documents, terms.grams, None if self.sublinear else idf.tolist())
        if self.sublinear:
            counts = op.cast(op.min([weighted, floats(MOST_COUNTED)]), to=np.int32)
            weighted = op.mul(op.gather(floats(_SUBLINEAR), counts), floats(idf))
        return op.lp_normalization(weighted, axis=1, p=2)


# A logarithm inside the graph would give a row other bits than the same row in a batch.
_SUBLINEAR = [0.0, *(1 + math.log(count) for count in range(1, MOST_COUNTED + 1))]
