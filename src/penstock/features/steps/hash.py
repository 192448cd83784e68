"""Values in a fixed number of buckets, by a hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import Prepared
from penstock.features.bounds import Bound, Whole
from penstock.features.kinds import CATEGORIES, TEXTS
from penstock.features.prepare import FittedByDecoder, Preparation
from penstock.features.step import Columns, Target


@final
class Hash:
    """The bucket of a value: CRC-32 of its UTF-8 bytes, modulo the number of buckets. Worked out by the decoder.

    For columns with very many values: the number of buckets bounds the width, also for values that come later. Values
    that share a bucket are one for the learner. The result is a category (of a text, a text of buckets, one for each word).
    A missing value stays missing.

    Parameters
    ----------
    buckets : their number.
    """

    name: ClassVar[str] = "hash"
    takes: ClassVar[frozenset[Kind]] = TEXTS | CATEGORIES
    gives: ClassVar[Kind | None] = Kind.CATEGORICAL
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"buckets": Whole(2, 1_000_000)}
    ready: ClassVar[bool] = False

    def __init__(self, buckets: int = 1_024) -> None:
        self.buckets = buckets

    def preparation(self, kinds: Sequence[Kind]) -> Preparation:
        """What the decoder does."""
        function = "hash_tokens" if Kind.TEXT in kinds else "hash_value"
        return lambda trees: Prepared(function, tuple(trees), (self.buckets,))

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedByDecoder:
        return FittedByDecoder.of(inputs[0])
